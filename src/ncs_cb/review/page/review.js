// The page of a review: shows the state the server gives, and sends corrections to it.

import { draw, place, placeOf, valueAt } from "./drawing.js";

const POLL_MS = 2000, WAIT_MS = 450;
const GAINS = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20];
const SWEEPS = [0.5, 1, 2, 3, 5, 10];
const look = { nerve: null, selected: null, mvPerDivision: 5, msPerDivision: 3, gains: {}, overlay: false };
let state = null, curves = {}, curvesOf = 0, scale = null, draft = null, timer = null;
// Corrections go one after the other: how many wait, and whether the last of them was written.
let waiting = 0, queue = Promise.resolve(true);
let lang = "en";
// These speak of what was just done; where that was not written they would hit something else.
const FOLLOWS = new Set(["undo", "accept"]);

const $ = (id) => document.getElementById(id);

function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key.startsWith("aria-") && typeof value === "boolean") made.setAttribute(key, String(value));
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null) made.setAttribute(key, value);
  }
  made.append(...children.filter((one) => one !== null));
  return made;
}

function say(text, isError = false) {
  $("message").textContent = text;
  $("message").classList.toggle("error", isError);
}

async function ask(name, body = null) {
  const options = body === null ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  const answer = await fetch(name, options);
  return [answer.status, await answer.json()];
}

// ------------------------------------------------------------------ state

async function load() {
  try {
    const [status, found] = await ask(`state?lang=${encodeURIComponent(lang)}`);
    if (status !== 200) return say(found.error, true);
    await take(found);
  } catch {
    say(state ? state.words.no_connection : "no connection", true);
  }
}

async function take(found) {
  const before = state && state.lang === found.lang ? state : null;
  for (const line of found.impression) {
    if (before && before.version === found.version) {
      line.is_changed = before.impression.some((one) => one.text === line.text && one.is_changed);
    } else line.is_changed = Boolean(before) && !before.impression.some((one) => one.text === line.text);
  }
  state = found;
  if (curvesOf !== found.version) {
    const [, answer] = await ask("samples");
    curves = answer.curves;
    curvesOf = answer.version;
  }
  const known = state.nerves.some((one) => one.id === look.nerve);
  if (!known) look.nerve = state.nerves.length ? state.nerves[0].id : null;
  const own = nerve();
  if (own && !own.responses.some((one) => one.place === look.selected)) {
    const first = own.responses.find((one) => one.has_curve) || own.responses[0];
    look.selected = first ? first.place : null;
    fit(own);
  }
  render();
}

async function poll() {
  if (state && !waiting && !draft && !document.querySelector("dialog[open]")) {
    try {
      const [status, found] = await ask(`state?lang=${encodeURIComponent(lang)}&since=${state.version}`);
      if (status === 200 && found.version !== state.version) {
        await take(found);
        say(state.words.changed_elsewhere);
      } else if (status !== 200) say(found.error, true);
    } catch { say(state.words.no_connection, true); }
  }
  setTimeout(poll, POLL_MS);
}

const nerve = () => state.nerves.find((one) => one.id === look.nerve);
const response = () => nerve()?.responses.find((one) => one.place === look.selected);
const traceOf = (one) => ({ recording: one.recording, sweep: one.sweep, site: one.site });

// A gain at which the largest response fills its row, as one would set the machine.
function fit(own) {
  let most = 0, last = 10;
  for (const one of own.responses) {
    const curve = curves[one.place];
    if (!curve) continue;
    // By the response, where there is one: an artefact may be many times as large.
    const peak = one.markers?.peak ?? null;
    if (peak !== null) most = Math.max(most, Math.abs(valueAt(curve, peak) - (one.baseline_mv || 0)));
    last = Math.max(last, (one.markers?.end ?? 0) * 1.25);
  }
  look.mvPerDivision = most > 0 ? GAINS.find((gain) => gain * 3.2 >= most) || GAINS.at(-1) : 1;
  look.msPerDivision = SWEEPS.find((sweep) => sweep * 10 >= last) || SWEEPS.at(-1);
}

// ------------------------------------------------------------------ corrections

function correct(event, moved = null) {
  if (state.read_only) return say(state.words.read_only, true);
  commit(); // nothing overtakes a marker that was moved before
  waiting += 1;
  queue = queue.then(async (went) => {
    const written = (went || !FOLLOWS.has(event.action)) && await send(event);
    if (draft === moved) draft = null;
    waiting -= 1;
    render();
    return written || !waiting;
  });
}

// Tell whether the correction was written; a change of a grade asks for its reason first.
async function send(event) {
  say(state.words.computing);
  try {
    let [status, answer] = await ask("event", { ...event, lang });
    while (status === 409) {
      say(state.words.ask_reason);
      const why = await reason(answer.changed);
      if (!why) { say(state.words.not_changed); return false; }
      say(state.words.computing);
      [status, answer] = await ask("event", { ...event, why, lang });
    }
    if (status === 200) {
      await take(answer);
      say(state.words.done);
      return true;
    }
    say(answer.error, true);
  } catch { say(state.words.no_connection, true); }
  return false;
}

function reason(changed) {
  const words = state.words, dialog = $("reason"), form = dialog.querySelector("form");
  const text = make("textarea", { id: "why", required: true, "aria-label": words.why });
  form.replaceChildren(
    make("h2", {}, changed.length ? words.grade_changes : words.needs_reason),
    make("ul", {}, ...changed.map((one) => make("li", {}, one.text))),
    make("p", {}, words.ask_reason), text,
    make("p", {}, make("button", { value: "ok", id: "why-ok" }, words.save), " ",
      make("button", { value: "", id: "why-cancel", formnovalidate: true }, words.cancel)),
  );
  text.onkeydown = (event) => {
    // Enter ends a word of an input method too; a new line is Shift and Enter.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    $("why-ok").click();
  };
  dialog.returnValue = "";
  dialog.showModal();
  text.focus();
  return new Promise((done) => {
    dialog.onclose = () => done(dialog.returnValue === "ok" ? text.value.trim() : "");
  });
}

// Send a marker that was moved and waits; whatever is done next comes behind it.
function commit() {
  clearTimeout(timer);
  timer = null;
  if (!draft || draft.isSent) return;
  draft.isSent = true;
  correct(draft.event(), draft);
}

const act = (action, more = {}) => {
  if (response()) correct({ action, trace: traceOf(response()), ...more });
};
const set = (key, to) => act("set", { key, to });
const undo = () => correct({ action: "undo" });

// ------------------------------------------------------------------ markers

function shift(made, ms) {
  const { response: one, marker, curve, zero, level } = made.review;
  const first = marker === "baseline" ? curve.first_ms : 0;
  if (draft && (draft.place !== one.place || draft.marker !== marker)) commit();
  const to = Math.min(Math.max(ms, first), scale.last), trace = traceOf(one);
  const event = () => ({ action: "move", trace, marker, to_ms: Number(to.toFixed(4)) });
  draft = { place: one.place, marker, ms: to, event };
  place(made, marker, draft.ms, curve, scale, zero, level, scale.height(one));
  made.setAttribute("aria-valuenow", draft.ms.toFixed(2));
  made.setAttribute("aria-valuetext", `${draft.ms.toFixed(2)} ms`);
  say(`${made.getAttribute("aria-label")}: ${draft.ms.toFixed(2)} ms`);
}

function takeHold(event) {
  const made = event.target.closest(".marker");
  const row = event.target.closest("[data-place]");
  if (!made) {
    if (row) select(Number(row.dataset.place));
    return;
  }
  event.preventDefault();
  commit();
  if (look.selected !== Number(made.dataset.place)) look.selected = Number(made.dataset.place);
  made.focus();
  if (state.read_only) return;
  const box = $("plot").getBoundingClientRect();
  const start = placeOf(made.review.response, made.dataset.marker, scale, draft);
  const offset = scale.ms(event.clientX - box.left) - start;
  let moved = false;
  const follow = (next) => {
    moved = true;
    // An answer that came meanwhile has drawn the page anew.
    const now = handle(made.dataset.place, made.dataset.marker) ?? made;
    shift(now, scale.ms(next.clientX - box.left) - offset);
  };
  const release = () => {
    window.removeEventListener("pointermove", follow);
    window.removeEventListener("pointerup", release);
    if (moved) commit();
    else render();
  };
  window.addEventListener("pointermove", follow);
  window.addEventListener("pointerup", release);
}

function step(ms) {
  if (state.read_only) return;
  let made = document.activeElement?.closest?.(".marker");
  if (!made) made = handle(look.selected, "onset");
  if (!made) return;
  made.focus();
  shift(made, placeOf(made.review.response, made.dataset.marker, scale, draft) + ms);
  clearTimeout(timer);
  timer = setTimeout(commit, WAIT_MS);
}

const handle = (where, marker) =>
  $("plot").querySelector(`.marker[data-place="${where}"][data-marker="${marker}"]`);

function select(where) {
  commit();
  look.selected = where;
  render();
}

function move(by) {
  const shown = nerve().responses;
  const now = shown.findIndex((one) => one.place === look.selected);
  const next = shown[Math.min(Math.max(now + by, 0), shown.length - 1)];
  const marker = document.activeElement?.dataset?.marker || "onset";
  if (next) select(next.place);
  (handle(look.selected, marker) || $(`row-${look.selected}`))?.focus();
}

const KEYS = {
  ArrowLeft: (e) => step(e.shiftKey ? -0.5 : -0.05),
  ArrowRight: (e) => step(e.shiftKey ? 0.5 : 0.05),
  ArrowUp: () => move(1), // proximal responses lie above
  ArrowDown: () => move(-1),
  a: () => act("accept"), u: undo, x: () => act(response()?.is_excluded ? "choose" : "exclude"),
  s: () => set("supramaximal", response()?.settings?.supramaximal !== true),
  o: () => { look.overlay = !look.overlay; render(); },
  "+": () => gain(1), "-": () => gain(-1), "?": help,
};

function gain(by) {
  const now = look.gains[look.selected] || 1;
  look.gains[look.selected] = Math.min(Math.max(by > 0 ? now * 2 : now / 2, 0.125), 64);
  render();
}

function help() {
  const words = state.words, dialog = $("help");
  const rows = [["←  →", words.key_arrows], ["Shift ←  →", words.key_shift], ["Tab", words.key_tab],
    ["↑  ↓", words.key_updown], ["a", words.accept], ["u", words.undo], ["x", words.exclude],
    ["s", words.supramaximal], ["o", words.overlay], ["+  -", words.key_gain], ["?", words.help]];
  dialog.replaceChildren(
    make("h2", {}, words.help),
    make("table", {}, ...rows.map(([key, text]) => make("tr", {}, make("td", {}, make("kbd", {}, key)), make("td", {}, text)))),
    make("p", {}, words.definitions),
    make("form", { method: "dialog" }, make("button", {}, words.close_help)),
  );
  dialog.showModal();
}

function onKey(event) {
  if (!state || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, textarea, dialog")) return;
  const does = KEYS[event.key] || KEYS[event.key.toLowerCase()];
  if (!does) return;
  event.preventDefault();
  does(event);
}

// ------------------------------------------------------------------ what is shown

function render() {
  if (!state) return;
  const held = document.activeElement;
  const focus = held?.closest?.(".marker")?.dataset;
  const kept = focus ? [focus.place, focus.marker] : null, id = held?.id;
  document.documentElement.lang = lang === "zh" ? "zh-CN" : lang;
  const words = state.words;
  $("study").textContent = `${words.title} ${state.study_id}`;
  $("who").textContent = state.read_only ? words.read_only : `${words.who}: ${state.who}`;
  $("disclaimer").textContent = state.disclaimer;
  tools();
  nerves();
  display();
  if (nerve()) scale = draw($("plot"), nerve(), curves, look, draft, words);
  rows();
  panel();
  segments();
  finding();
  unassigned();
  differences();
  history();
  if (kept) handle(look.selected, kept[1])?.focus();
  else if (id) $(id)?.focus();
}

function tools() {
  const words = state.words, standing = state.events.some((one) => one.action !== "undo" && !one.is_undone);
  const other = state.languages.find((one) => one !== lang);
  const report = lang === "zh" ? "report.zh.html" : "report.html";
  $("tools").replaceChildren(
    make("button", { id: "undo", disabled: state.read_only || !standing, onclick: undo }, `${words.undo} (u)`),
    make("button", { id: "help-open", onclick: help }, `${words.help} (?)`),
    download("save", report, words.save_report), download("save-json", "result.json", "result.json"),
    make("button", { id: "language", onclick: () => { lang = other; say(""); load(); } }, other === "zh" ? "中文" : "English"),
    make("button", { id: "close", onclick: close }, words.close),
  );
}

// What is saved holds every correction that was made before.
function download(id, href, text) {
  const onclick = async (event) => {
    commit();
    if (!waiting) return;
    event.preventDefault();
    await queue;
    $(id).click();
  };
  return make("a", { id, class: "button", href, download: href, onclick }, text);
}

async function close() {
  commit();
  await queue;
  await ask("close", {});
  const text = state.words.closed;
  state = null;
  document.body.replaceChildren(make("p", { id: "message" }, text));
}

function nerves() {
  $("nerves").replaceChildren(...state.nerves.map((one) => make("button", {
    id: `nerve-${one.id}`, "aria-current": one.id === look.nerve,
    onclick: () => {
      commit();
      look.nerve = one.id;
      look.selected = (one.responses.find((each) => each.has_curve) || one.responses[0])?.place;
      fit(one);
      render();
    },
  }, one.title, make("small", {}, one.word))));
}

function display() {
  const words = state.words;
  const choice = (id, label, values, now, unit, take) => make("label", {}, `${label} `,
    make("select", { id, onchange: (e) => { take(Number(e.target.value)); render(); } },
      ...values.map((value) => make("option", { value, selected: value === now }, `${value} ${unit}`))));
  $("display").replaceChildren(
    choice("gain", words.gain, GAINS, look.mvPerDivision, "mV", (v) => { look.mvPerDivision = v; }),
    choice("sweep", words.sweep, SWEEPS, look.msPerDivision, "ms", (v) => { look.msPerDivision = v; }),
    make("button", { id: "overlay", "aria-pressed": look.overlay, onclick: KEYS.o }, `${words.overlay} (o)`),
  );
}

// Responses that the machine printed and did not record: numbers, without a curve.
function rows() {
  const words = state.words, own = nerve();
  const printed = own ? own.responses.filter((one) => !one.has_curve) : [];
  const bare = Boolean(own) && printed.length === own.responses.length;
  for (const id of ["plot", "display"]) $(id).toggleAttribute("hidden", bare);
  $("rows").replaceChildren(...(printed.length ? [make("span", {}, `${words.printed}:`)] : []),
    ...printed.map((one) => make("button", {
      id: `row-${one.place}`, "aria-pressed": one.place === look.selected, onclick: () => select(one.place),
    }, [one.title, one.is_reviewed ? words.reviewed : "",
      one.is_excluded ? words.excluded : one.is_used ? "" : words.not_used].filter(Boolean).join(", "))));
}

function panel() {
  const words = state.words, one = response();
  if (!one) return $("response").replaceChildren();
  const values = make("table", { id: "values" },
    make("tr", {}, make("th", {}, ""), make("th", { class: "number" }, words.now),
      make("th", { class: "number" }, words.automatic)),
    ...one.values.map((v) => make("tr", {}, make("td", {}, v.name),
      make("td", { class: "number" }, v.is_known ? `${v.now} ${v.unit}` : v.now),
      make("td", { class: "number" }, one.is_reviewed && one.has_curve ? v.automatic : ""))));
  const parts = [make("h2", {}, one.title), make("p", {}, `${one.recording}`), values];
  if (one.flags.length) parts.push(make("p", {}, one.flags.join(", ")));
  if (!one.has_curve) parts.push(make("p", {}, words.no_waveform));
  parts.push(form(one), buttons(one));
  $("response").replaceChildren(...parts);
}

function buttons(one) {
  const words = state.words, off = state.read_only;
  return make("div", { class: "buttons" },
    make("button", { id: "accept", disabled: off, onclick: () => act("accept") }, `${words.accept} (a)`),
    make("button", { id: "exclude", disabled: off, "aria-pressed": one.is_excluded, onclick: KEYS.x }, `${words.exclude} (x)`),
    make("button", { id: "choose", disabled: off, "aria-pressed": one.is_chosen, onclick: () => act("choose") }, words.choose),
    make("button", { id: "reset", disabled: off || !Object.keys(one.moved_by).length, onclick: () => act("reset") }, words.reset));
}

function form(one) {
  const words = state.words, now = one.settings, off = state.read_only;
  const select = (key, values) => make("label", {}, words[key],
    make("select", { id: `set-${key}`, disabled: off, onchange: (e) => set(key, values[e.target.selectedIndex][0]) },
      ...values.map(([value, text]) => make("option", { selected: value === now[key] }, text))));
  const known = [[null, words.unknown], [true, words.yes], [false, words.no]];
  return make("div", { id: "settings" },
    select("site", nerve().sites.map((s) => [s.id, s.label])),
    select("side", [["left", words.left], ["right", words.right]]),
    make("label", {}, `${words.distance_mm} (mm)`, make("input", {
      id: "set-distance_mm", type: "number", min: 0, max: 2000, step: "any", disabled: off,
      value: now.distance_mm ?? "",
      onchange: (e) => set("distance_mm", e.target.value === "" ? null : Number(e.target.value)),
    })),
    "polarity" in now
      ? select("polarity", [["negative_up", words.negative_up], ["negative_down", words.negative_down]]) : null,
    select("supramaximal", known),
    select("collision_used", known));
}

function segments() {
  const words = state.words, own = nerve();
  if (!own || !own.segments.length) return $("segments").replaceChildren();
  $("segments").replaceChildren(make("h2", {}, words.segments), make("table", {},
    ...own.segments.map((one) => make("tr", { class: one.is_changed ? "changed" : "" },
      make("td", {}, one.title), make("td", {}, one.word), make("td", {}, one.numbers),
      make("td", {}, one.is_changed ? words.changed : "")))));
}

function finding() {
  const words = state.words, open = $("finding").querySelector("details")?.open ?? false;
  const mark = (one, text) => make("li", { class: one.is_changed ? "changed" : "" },
    one.is_changed ? `${text} (${words.changed})` : text);
  $("finding").replaceChildren(make("h2", {}, state.impression_title),
    make("ul", { id: "impression" }, ...state.impression.map((one) => mark(one, one.text))),
    make("ul", { id: "diagnosis" }, ...state.diagnosis.map((one) => mark(one, `${one.title}: ${one.word}`))),
    make("details", { open }, make("summary", {}, words.finding), ...state.finding.map((text) => make("p", {}, text))));
}

function unassigned() {
  const words = state.words;
  if (!state.unassigned.length) return $("unassigned").replaceChildren();
  $("unassigned").replaceChildren(make("h2", {}, words.unassigned), ...state.unassigned.map((one) =>
    make("label", {}, `${one.recording}: ${one.text} `, make("select", {
      class: "assign", disabled: state.read_only,
      onchange: (e) => e.target.value && correct({ action: "set", key: "site", to: e.target.value,
        trace: { recording: one.recording, text: one.text } }),
    }, make("option", { value: "" }, words.unknown),
    ...state.all_sites.map((s) => make("option", { value: s.id }, s.label))))));
}

function differences() {
  const words = state.words;
  if (!state.differences.length) return $("differences").replaceChildren();
  const go = (one) => { commit(); look.nerve = one.nerve; look.selected = one.place; fit(nerve()); render(); };
  $("differences").replaceChildren(make("h2", {}, words.differences), make("table", {},
    make("tr", {}, make("th", {}, ""), make("th", {}, ""), make("th", { class: "number" }, words.program),
      make("th", { class: "number" }, words.machine)),
    ...state.differences.map((one) => make("tr", {},
      make("td", {}, make("button", { onclick: () => go(one) }, one.title)), make("td", {}, one.name),
      make("td", { class: "number" }, `${one.ours} ${one.unit}`), make("td", { class: "number" }, `${one.theirs} ${one.unit}`)))));
}

function history() {
  const words = state.words;
  $("history").replaceChildren(make("h2", {}, `${words.history} (${state.events.length})`),
    make("ol", {}, ...state.events.map((one) => make("li", { class: one.is_undone ? "undone" : "" },
      [`${one.at.replace("T", " ").replace("Z", " UTC")}, ${one.who}: ${one.text}`,
        one.why, one.refused ? `${words.refused}: ${one.refused}` : ""].filter(Boolean).join(" – ")))));
}

document.addEventListener("keydown", onKey);
$("plot").addEventListener("pointerdown", takeHold);
$("plot").addEventListener("focusin", (event) => {
  const made = event.target.closest(".marker");
  if (made && Number(made.dataset.place) !== look.selected) select(Number(made.dataset.place));
});
window.addEventListener("resize", () => render());
window.addEventListener("pagehide", () => {
  if (!state) return;
  clearTimeout(timer);
  if (draft && !draft.isSent) {
    const told = JSON.stringify({ ...draft.event(), lang });
    draft = null;
    navigator.sendBeacon("event", new Blob([told], { type: "application/json" }));
  }
  navigator.sendBeacon("leave");
});
await load();
poll();
