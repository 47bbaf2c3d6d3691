"""One row from samples to numbers, and the loop over rows."""

# Written for two readers, Python and numba: plain loops, on lists or arrays alike, so the
# arguments are not annotated. Names are explained in the package's docstring.
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from math import sqrt

from ncs_cb._kernels.baseline import response_start, settle, spread_of_blocks
from ncs_cb._kernels.color import is_response
from ncs_cb._kernels.correct import take_baseline, take_baseline_samples
from ncs_cb._kernels.facts import (
    ABSENT,
    AMPLITUDE,
    AREA,
    ARTIFACT,
    ARTIFACT_AT_ONSET,
    ARTIFACT_CLIPPED,
    AT,
    BASELINE,
    BEFORE,
    CLEAR_OF_COLOR,
    CLIPPED,
    CLIPPED_MS,
    COLOR,
    CUT,
    DECAY,
    DIP,
    DURATION,
    EARLY,
    FIRST_TOP,
    FLAT,
    GAP_MS,
    HUM,
    IMPLAUSIBLE,
    LARGEST_MV,
    LATE,
    LATE_AREA,
    LATE_BLOCK,
    LATE_LATENCY,
    LATE_RESPONSE,
    LEVEL,
    LONG_REST_MS,
    N_DECAYS,
    N_TABLE,
    NAN,
    NO_BASELINE,
    NOISE,
    NOISY,
    NON_FINITE,
    OBVIOUS,
    ONSET,
    ORIGIN,
    PEAK,
    PEAK_TO_PEAK,
    POSITIVITY,
    PULSE_FROM,
    PULSE_TO,
    QUIET_TO,
    RAILED,
    REALIGN_MS,
    REALIGNED,
    REST_LEVEL,
    REST_MS,
    RETURN_LEVEL,
    SIGNIFICANT,
    SLOPE,
    SLOPE_MS,
    SLOW_RISE_MS,
    SMALL_SHARE,
    SMALLEST_SHARE,
    SPREAD,
    STIMULUS_OUTSIDE,
    SWING_MS,
    SWING_SHARE,
    TOP,
    TOTAL_AREA,
    TOTAL_DURATION,
    UNDONE_MS,
    W0,
    W1,
    W2,
    WHITE,
    WIDTH,
)
from ncs_cb._kernels.hum import look_for_hum
from ncs_cb._kernels.markers import area_between, find_onset, find_return, find_top, is_clipped
from ncs_cb._kernels.primitives import ahead, all_finite, largest, part, place_of, pointer, smallest
from ncs_cb._kernels.pulse import look_for_pulse
from ncs_cb._kernels.reduce import all_equal, block_means, deviation, lowest, white_noise


def measure_row(x, n, stimulus, step, low_mv, high_mv, size, first, tables, ratio, head, y, r, z,
                hum, s, g, state, out):  # fmt: skip
    """Measure one trace; write every cell of `out`; return facts as bits."""
    for j in range(WIDTH):
        out[j] = NAN
    if stimulus < 0 or stimulus >= n:
        return STIMULUS_OUTSIDE
    per_ms = 1.0 / step
    pre = min(stimulus, int(10.0 * per_ms)) // size
    start = stimulus - pre * size
    finite = all_finite(x, start)
    # From here on the trace begins with its first block, so that a shift changes nothing.
    x = part(x, start, n)
    n -= start
    stimulus = pre * size
    n_blocks = n // size
    stop = n_blocks * size
    block_means(x, size, n_blocks, y)
    ahead(x, n, 0)
    if not (finite and all_finite(y, n_blocks) and all_finite(part(x, stop, n), n - stop)):
        return NON_FINITE
    facts = 0
    guard = int(0.1 * per_ms + 0.5)
    tail = min(64, n - stimulus)
    white = white_noise(part(x, n - tail, n), tail, z)
    state[WHITE] = white
    look_for_pulse(x, n, stimulus, per_ms, y, n_blocks, pre, size, state)
    begin = int(state[PULSE_FROM])
    n_pre = max(0, min(stimulus, begin) - guard)
    state[BEFORE] = n_pre // size * 1.0
    has_pre = n_pre * step >= 0.35 and n_pre >= 3 and state[BEFORE] >= 1.0
    if not has_pre:
        facts = NO_BASELINE
        n_pre = 0
    # Blocks count as artefact, and its tail as a decay, from the last edge of the pulse on.
    zero = stimulus
    if abs(begin - stimulus) > max(1, int(REALIGN_MS * per_ms)):
        zero = begin
        facts |= REALIGNED
    if state[RAILED] * step >= CLIPPED_MS:
        facts |= ARTIFACT_CLIPPED
    pre = max(pre, (int(state[PULSE_TO]) + guard + size - 1) // size - first)
    stimulus = pre * size
    if n_blocks - pre < first + 6:
        if all_equal(x, n):
            return FLAT
        return facts | CUT
    spread = 0.0
    if has_pre:
        before = part(x, 0, n_pre)
        white = max(white, white_noise(before, n_pre, z))
        spread = deviation(before, n_pre, z)
    state[WHITE] = white
    state[SPREAD] = spread
    state[HUM] = 0.0
    ahead(x, n, 1)
    quiet_to = 0.0
    for attempt in range(3):
        end = settle(y, n_blocks, pre, first, size, step, n_pre, tables, s, state, r)
        hum_like = abs(state[SLOPE]) * SLOPE_MS * per_ms
        weak = (
            r[int(state[TOP])] < max(80.0 * max(white, spread), 150.0 * hum_like)
            or (state[TOP] - state[QUIET_TO]) * size * step > SLOW_RISE_MS
        )
        if attempt == 2 or (attempt == 0 and not weak):
            break
        if attempt == 1:
            if state[HUM] < 0.0 or (quiet_to - state[QUIET_TO]) * size * step < UNDONE_MS:
                break
            # Without the "hum" less of the trace is quiet: it was none.
            for b in range(n_blocks):
                y[b] += hum[b]
            state[HUM] = 0.0
            continue
        quiet_to = state[QUIET_TO]
        if not look_for_hum(
            y, n_blocks, pre, first, step, size, n_pre, tables, s, state, r, g, hum
        ):
            facts |= ABSENT
            break
        if state[HUM] == 0.0:
            take_baseline(y, n_blocks, pre, size, tables[0], state, r)
            break
    if not has_pre:
        state[SPREAD] = spread_of_blocks(r, state, size)
    facts = mark(x, n, stimulus, step, low_mv, high_mv, size, first, pre, end, n_blocks,
                 facts, tables, ratio, head, hum, r, z, state, out)  # fmt: skip
    if stimulus != zero:
        for j in (ONSET, PEAK, LATE_LATENCY):
            out[j] += (stimulus - zero) * step
    return facts


def mark(x, n, stimulus, step, low_mv, high_mv, size, first, pre, end, n_blocks, facts,
         tables, ratio, head, hum, r, z, state, out):  # fmt: skip
    """Find the response in a row whose baseline is known."""
    spread = state[SPREAD]
    white = state[WHITE]
    if state[HUM] <= 0.0:
        white = max(white, 0.7 * spread)
    state[WHITE] = white
    sd = white / sqrt(size * 1.0)
    peak = int(state[TOP])
    height = r[peak]
    out[BASELINE] = state[LEVEL] + state[SLOPE] * (stimulus + end * size - state[ORIGIN])
    out[NOISE] = spread
    smallest = SMALLEST_SHARE * state[EARLY]
    if facts & ABSENT or height <= max(5.0 * sd, 1.5 * spread, smallest):
        if all_equal(x, n):
            out[BASELINE] = NAN
            out[NOISE] = NAN
            return FLAT
        return facts | ABSENT
    state[COLOR] = 0.0
    if height < OBVIOUS * max(white, spread) and not is_response(
        r, pre + first, peak, n_blocks, size, size * step, z, state
    ):
        return facts | ABSENT
    strong = max(SIGNIFICANT * height, 4.0 * sd, 2.0 * white, CLEAR_OF_COLOR * state[COLOR])
    weak = max(0.02 * height, 2.5 * sd, 1.5 * state[COLOR])
    low = max(RETURN_LEVEL * height, sd, 0.5 * state[COLOR])
    onset_block, dip = response_start(r, pre + first, peak, pre + max(first, end - 1), strong,
                                      weak, state)  # fmt: skip
    ahead(x, n, 2)
    first_end, last_end = scan_phases(r, n_blocks, onset_block, strong, low, size * step, height,
                                      state)  # fmt: skip
    if state[LATE_BLOCK] >= 0.0:
        facts |= LATE_RESPONSE
        out[LATE_LATENCY] = (state[LATE_BLOCK] * size + 0.5 * size - stimulus) * step
    # The positive peak lies before the end of the response or within 15 ms after it.
    stop = min(n_blocks, last_end + int(15.0 / (size * step)))
    trough = lowest(r, dip, stop)
    lo = max(0, dip * size)
    hi = min(n, stop * size)
    out[PEAK_TO_PEAK] = 0.0
    for j in range(2):
        sign = 1.0 - 2.0 * j
        at = peak if j == 0 else trough
        if sign * r[at] <= 0.0:
            continue
        if is_clipped(x, lo, hi, at * size + size // 2, sign, low_mv, high_mv):
            facts |= CLIPPED
        extreme, place = find_top(x, n, r, n_blocks, stimulus, size, at, sign, tables,
                                  ratio, head, hum, state, z)  # fmt: skip
        out[PEAK_TO_PEAK] += sign * extreme
        if j == 0:
            out[AMPLITUDE] = extreme
            out[PEAK] = (place - stimulus) * step
    if facts & CLIPPED or out[AMPLITUDE] > LARGEST_MV:
        facts = facts if facts & CLIPPED else facts | IMPLAUSIBLE
        for j in range(BASELINE):
            out[j] = NAN
        return facts
    facts |= time_phases(x, n, stimulus, step, size, n_blocks, onset_block, first_end,
                         last_end, tables, ratio, head, hum, r, z, state, out)  # fmt: skip
    return facts | doubts(onset_block - pre, size, tables[0], state, out)


def phase_end(r, n_blocks, b, low):
    """Give the first block from `b` on that has come down to `low`; n_blocks when none has."""
    while b < n_blocks and r[b] > low:
        b += 1
    return b


def scan_phases(r, n_blocks, b, strong, low, block_ms, height, state):
    """Follow the negative phases from block `b` on; give the ends of the first and the last.

    The end is n_blocks where the sweep is cut. A phase ends where it has come down to `low`;
    the next must reach `strong` within 12 ms. What follows a rest is another response.
    """
    gap = int(GAP_MS / block_ms)
    first_end = phase_end(r, n_blocks, b, low)
    top = largest(r, b, first_end) if b < first_end else 0.0
    state[FIRST_TOP] = top
    state[LATE_AREA] = 0.0
    state[LATE_BLOCK] = -1.0
    b = first_end
    limit = min(n_blocks, b + gap)
    end = b
    if b == limit or largest(r, b, limit) < strong:
        return first_end, end
    while b < limit:
        if r[b] < strong:
            b += 1
            continue
        reached = b
        while b > end and r[b - 1] > 0.0:
            b -= 1
        slow = reached - b > gap // 2
        start = b
        b = phase_end(r, n_blocks, reached, low)
        if slow and b == n_blocks:
            # What climbs this slowly and never comes down is drift, not a phase.
            break
        if is_swing(r, n_blocks, end, start, reached, block_ms):
            break
        rest = rest_before(r, end, start, max(REST_LEVEL * height, low)) * block_ms
        small = largest(r, start, b) < SMALL_SHARE * height
        if rest >= LONG_REST_MS or (small and rest >= REST_MS):
            state[LATE_BLOCK] = start * 1.0
            break
        area = 0.0
        for i in range(start, b):
            if r[i] > 0.0:
                area += r[i]
        state[LATE_AREA] += area
        end = b
        limit = min(n_blocks, b + gap)
    return first_end, end


def rest_before(r, end, start, level):
    """How many blocks before `start`, and after `end`, the trace lies at baseline."""
    b = start
    while b > end and -level < r[b - 1] < level:
        b -= 1
    return start - b


def is_swing(r, n_blocks, end, start, reached, block_ms):
    """Whether what follows a deeper positive phase falls as an exponential, and no further."""
    top = largest(r, start, min(n_blocks, reached + int(GAP_MS / block_ms)))
    at = place_of(r, start, n_blocks, top)
    half = at
    while half < n_blocks and r[half] > 0.5 * top:
        half += 1
    quarter = half
    while quarter < n_blocks and r[quarter] > 0.25 * top:
        quarter += 1
    falls = (half - at) * block_ms
    if falls < SWING_MS or quarter - half < SWING_SHARE * (half - at):
        return False
    if end >= start or smallest(r, end, start) > -top:
        return False
    return smallest(r, at, n_blocks) > -0.25 * top


def time_phases(x, n, stimulus, step, size, n_blocks, onset_block, first_end, last_end,
                tables, ratio, head, hum, r, z, state, out):  # fmt: skip
    """Place onset and returns between samples; give facts on the phases."""
    amplitude = out[AMPLITUDE]
    white = state[WHITE]
    per_ms = 1.0 / step
    # At most 0.25 ms is smoothed over, 0.45 ms where the response is small in its noise.
    # Noise ends the blocks of such a one early: its return may be farther on.
    wide, beyond = (0.25, 4) if amplitude > 40.0 * white else (0.45, 10)
    half = max(0, int((wide * per_ms - 1.0) * 0.5))
    ahead(x, n, 3)
    onset = 0.0
    total = NAN
    late = state[LATE_AREA] * size * step
    for j in range(2):
        # First from before the onset to after the first return, then about the last return.
        a = max(0, onset_block * size - int(3.0 * per_ms))
        b = min(n, (first_end + beyond) * size + half)
        i = (first_end - 2) * size
        if j == 1:
            if last_end == first_end:
                break
            a = max(0, (last_end - 4) * size - half)
            b = min(n, (last_end + beyond) * size + half)
            i = (last_end - 2) * size
        take_baseline_samples(part(x, a, b), a, b - a, stimulus, size, n_blocks, tables, ratio,
                              head, hum, state, z)  # fmt: skip
        if j == 0:
            c = onset_block
            while c < first_end - 1 and r[c] < 0.3 * state[FIRST_TOP]:
                c += 1
            onset = find_onset(z, b - a, c * size + size // 2 - a, amplitude,
                               state[FIRST_TOP], white, half)  # fmt: skip
            out[ONSET] = (onset + a - stimulus) * step
        # A late phase that is cut is late all the same: the first phase alone would mislead.
        cut = CUT if j == 0 or not late > 0.1 * out[AREA] else CUT | LATE
        if (first_end if j == 0 else last_end) >= n_blocks:
            return cut
        search = max(i - a, int(onset) + 1 if j == 0 else 0)
        # Judged against the highest peak: a small phase comes back to the same level.
        t = find_return(z, search, b - a, amplitude, white, half)
        if t < 0.0:
            return cut
        if j == 0:
            out[DURATION] = (t - onset) * step
            out[AREA] = area_between(z, onset, t) * step
            total = out[DURATION]
        else:
            total = (t + a - stimulus) * step - out[ONSET]
    out[TOTAL_DURATION] = total
    out[TOTAL_AREA] = out[AREA] + late
    if out[TOTAL_AREA] > 1.1 * out[AREA]:
        return LATE
    return 0


def doubts(onset_block, size, means, state, out):
    """Give facts on positivity, artefact and noise."""
    amplitude = out[AMPLITUDE]
    white = state[WHITE]
    facts = 0
    if state[DIP] < -max(0.03 * amplitude, 4.0 * white / sqrt(size * 1.0)):
        facts |= POSITIVITY
    if state[DECAY] != 0.0:
        p = min(onset_block, N_TABLE - 1) * N_DECAYS + int(state[AT])
        tail = abs(state[DECAY] * (state[W0] * means[p - 1] + state[W1] * means[p]
                                   + state[W2] * means[p + 1]))  # fmt: skip
        if tail > 0.005 * amplitude:
            facts |= ARTIFACT
        if tail > 0.02 * amplitude:
            facts |= ARTIFACT_AT_ONSET
    if white > 0.02 * amplitude:
        facts |= NOISY
    return facts


def measure_rows(samples, rows, stimuli, low_mv, high_mv, n, step, size, first, tables, ratio,
                 head, y, r, z, hum, s, g, state, out, facts):  # fmt: skip
    """Measure the rows of one rate named in `rows`, one after the other."""
    means, sums, squares, turns = tables
    tables = (pointer(means), pointer(sums), pointer(squares), pointer(turns))
    samples = pointer(samples)
    out = pointer(out)
    for j in range(len(rows)):
        i = rows[j]
        facts[i] = measure_row(
            part(samples, i * n, (i + 1) * n), n, stimuli[i], step, low_mv[i], high_mv[i], size,
            first, tables, pointer(ratio), pointer(head), pointer(y), pointer(r), pointer(z),
            pointer(hum), pointer(s), pointer(g), pointer(state),
            part(out, i * WIDTH, (i + 1) * WIDTH),
        )  # fmt: skip
