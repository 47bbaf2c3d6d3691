// The responses of one nerve, stacked as in the report: distal at the bottom, negative up.

const SVG = "http://www.w3.org/2000/svg";
const ROW = 140, LEFT = 96, DIVISION = 28, BEFORE_MS = 2, DIVISIONS = 10;
export const MARKERS = ["baseline", "onset", "peak", "end"];

export function node(name, attributes = {}, parent = null, text = null) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== null) made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

export function valueAt(curve, ms) {
  const place = (ms - curve.first_ms) / curve.step_ms;
  const low = Math.min(Math.max(Math.floor(place), 0), curve.mv.length - 1);
  const high = Math.min(low + 1, curve.mv.length - 1);
  const part = Math.min(Math.max(place - low, 0), 1);
  return (curve.mv[low] ?? 0) * (1 - part) + (curve.mv[high] ?? 0) * part;
}

export class Scale {
  constructor(width, look) {
    this.width = Math.max(width - LEFT - 8, 200);
    this.span = look.msPerDivision * DIVISIONS;
    this.look = look;
  }
  x(ms) { return LEFT + ((ms + BEFORE_MS) / (this.span + BEFORE_MS)) * this.width; }
  ms(x) { return ((x - LEFT) / this.width) * (this.span + BEFORE_MS) - BEFORE_MS; }
  height(response) {
    return DIVISION / (this.look.mvPerDivision / (this.look.gains[response.place] || 1));
  }
  get last() { return this.span; }
}

function path(curve, scale, factor, zero, level, from = -BEFORE_MS) {
  const parts = [];
  let pen = "M";
  for (let i = 0; i < curve.mv.length; i++) {
    const ms = curve.first_ms + i * curve.step_ms, mv = curve.mv[i];
    if (ms < from || ms > scale.span) continue;
    if (mv === null) { pen = "M"; continue; }
    const y = Math.min(Math.max(zero - (mv - level) * factor, -2000), 4000);
    parts.push(`${pen}${scale.x(ms).toFixed(1)},${y.toFixed(1)}`);
    pen = "L";
  }
  return parts.join("");
}

// Where a marker stands; one that is not set is parked, to be taken from there.
export function placeOf(response, marker, scale, draft) {
  if (draft && draft.place === response.place && draft.marker === marker) return draft.ms;
  const ms = response.markers[marker];
  if (ms !== null && ms !== undefined) return ms;
  if (marker === "baseline") return -BEFORE_MS / 2;
  return scale.last * (0.9 + 0.03 * MARKERS.indexOf(marker));
}

const SHAPES = {
  onset: "M0,2 L-6,13 L6,13 Z", peak: "M-5,0 A5,5 0 1 0 5,0 A5,5 0 1 0 -5,0 Z",
  end: "M-1.5,-12 H1.5 V12 H-1.5 Z", baseline: "M-8,-2 H8 V2 H-8 Z",
};

export function draw(svg, nerve, curves, look, draft, words) {
  const rows = nerve.responses.filter((one) => one.has_curve && curves[one.place]).reverse();
  const width = svg.clientWidth || 700, height = Math.max(rows.length, 1) * ROW + 24;
  const scale = new Scale(width, look);
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("height", height);
  for (let n = 0; n <= DIVISIONS; n++) {
    const x = scale.x(n * look.msPerDivision);
    node("line", { class: "grid", x1: x, x2: x, y1: 0, y2: height - 18 }, svg);
    const label = `${Number((n * look.msPerDivision).toFixed(2))}`;
    node("text", { class: "soft", x: x - 6, y: height - 5 }, svg, label);
  }
  rows.forEach((response, n) => {
    const distal = distalOf(rows, response);
    drawRow(svg, response, distal, n, curves, scale, draft, words);
  });
  return scale;
}

const hasOnset = (one) => (one.markers?.onset ?? null) !== null;

// The response that is used of the next site below: repeats and what was left out are no neighbors.
function distalOf(rows, response) {
  const below = rows.filter((one) => one.is_used && !one.is_excluded && one.order < response.order);
  const nearest = Math.max(...below.map((one) => one.order));
  return below.find((one) => one.order === nearest) ?? null;
}

function drawRow(svg, response, distal, n, curves, scale, draft, words) {
  const look = scale.look, zero = n * ROW + 98, factor = scale.height(response);
  const level = response.baseline_mv || 0, curve = curves[response.place];
  const chosen = look.selected === response.place;
  const group = node("g", { "data-place": response.place }, svg);
  node("rect", { class: chosen ? "row selected" : "row", x: 0, y: n * ROW + 2, width: LEFT - 4,
    height: ROW - 4 }, group);
  node("line", { class: "zero", x1: LEFT, x2: scale.x(scale.span), y1: zero, y2: zero }, group);
  if (look.overlay && distal && hasOnset(distal) && hasOnset(response)) {
    const moved = { ...curves[distal.place] };
    const shift = response.markers.onset - distal.markers.onset;
    moved.first_ms += shift;
    // From the onset on, as in the report: the artefact of the other stimulus says nothing here.
    node("path", { class: "curve other", d: path(moved, scale, factor, zero,
      distal.baseline_mv || 0, response.markers.onset - 0.5) }, group);
  }
  node("path", { class: response.is_used ? "curve" : "curve unused",
    d: path(curve, scale, factor, zero, level) }, group);
  node("text", { class: chosen ? "chosen" : "", x: 6, y: n * ROW + 22 }, group, response.title);
  const gain = look.gains[response.place] || 1;
  const notes = [gain === 1 ? "" : `× ${gain}`, response.is_reviewed ? words.reviewed : "",
    response.is_excluded ? words.excluded : response.is_used ? "" : words.not_used];
  notes.filter(Boolean).forEach((text, i) =>
    node("text", { class: "soft", x: 6, y: n * ROW + 40 + 16 * i }, group, text));
  for (const [marker, ms] of Object.entries(response.automatic || {})) {
    if (ms === null || response.markers[marker] === ms) continue;
    const x = scale.x(ms);
    node("line", { class: "automatic", x1: x, x2: x, y1: zero - 60, y2: zero + 20 }, group);
  }
  for (const marker of MARKERS) drawMarker(group, response, marker, curve, scale, zero, draft, words);
}

function drawMarker(group, response, marker, curve, scale, zero, draft, words) {
  const ms = placeOf(response, marker, scale, draft), level = response.baseline_mv || 0;
  const isSet = response.markers[marker] !== null && response.markers[marker] !== undefined;
  const classes = ["marker", isSet ? "" : "unset",
    response.moved_by[marker] ? "moved" : ""].filter(Boolean).join(" ");
  const made = node("g", {
    class: classes, role: "slider", tabindex: scale.look.selected === response.place ? 0 : -1,
    "data-place": response.place, "data-marker": marker,
    "aria-label": `${words[marker]}, ${response.title}`, "aria-valuemin": -BEFORE_MS,
    "aria-valuemax": scale.last, "aria-valuenow": ms.toFixed(2),
    "aria-valuetext": isSet ? `${ms.toFixed(2)} ms` : words.not_set,
  }, group);
  place(made, marker, ms, curve, scale, zero, level, scale.height(response));
  node("circle", { class: "reach", r: 13, cx: 0, cy: 0 }, made);
  node("circle", { class: "halo", r: 10, cx: 0, cy: 0 }, made);
  node("path", { class: "shape", d: SHAPES[marker] }, made);
  node("title", {}, made, `${words[marker]} ${isSet ? ms.toFixed(2) + " ms" : words.not_set}`);
  made.review = { response, marker, curve, zero, level };
}

export function place(made, marker, ms, curve, scale, zero, level, factor) {
  const mv = valueAt(curve, ms) - level;
  const y = marker === "baseline" ? zero : Math.min(Math.max(zero - mv * factor, zero - 92), zero + 36);
  made.setAttribute("transform", `translate(${scale.x(ms).toFixed(1)},${y.toFixed(1)})`);
}
