"""Baseline and stimulus artefact, from block means."""

# Written for two readers, Python and numba: plain loops, on lists or arrays alike, so the
# arguments are not annotated. Names are explained in the package's docstring.
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from math import sqrt

from ncs_cb._kernels.correct import take_baseline
from ncs_cb._kernels.decay import fit_decay, grow_window, take_decay
from ncs_cb._kernels.facts import (
    BEFORE,
    BEND,
    DECAY,
    DIP,
    DRIFT_MS,
    EARLY,
    FAR_FIELD_SHARE,
    FIRST_PEAK_MS,
    HUM,
    LEVEL,
    LONG_QUIET_MS,
    LONGEST_BEFORE_MS,
    MOVED_SHARE,
    N_TABLE,
    ORIGIN,
    QUIET_FROM,
    QUIET_TO,
    SIGNIFICANT,
    SLOPE,
    SLOPE_MS,
    TOP,
    WHITE,
)
from ncs_cb._kernels.reduce import highest, lowest, mean_of


def quiet_line(y, a, b, size, per_block, state):
    """Take the baseline from the blocks a..b: their mean, and a slope where it is certain."""
    m = b - a
    middle = 0.5 * (a + b - 1)
    mean = mean_of(y, a, b)
    slope = 0.0
    if m >= 12:
        sxy = syy = 0.0
        for j in range(m // 2):
            before = y[a + j] - mean
            after = y[b - 1 - j] - mean
            sxy += (middle - (a + j)) * (after - before)
            syy += before * before + after * after
        if m % 2 == 1:
            syy += (y[a + m // 2] - mean) * (y[a + m // 2] - mean)
        sxx = m * (m * m - 1.0) / 12.0
        slope = sxy / sxx
        rest = syy - slope * sxy
        rest = max(rest, 0.0)
        error = 4.0 * (rest + 4.0 * per_block) / (m + 2.0) / sxx
        square = slope * slope
        # Shrunk by its uncertainty, so that noise is not extended under the response.
        if square > error:
            slope *= 1.0 - error / square
        else:
            slope = 0.0
    state[LEVEL] = mean
    state[SLOPE] = slope / size
    state[ORIGIN] = middle * size + 0.5 * (size - 1)
    state[QUIET_FROM] = a * 1.0
    state[QUIET_TO] = b * 1.0


def flat_before(y, pre, first, peak, per_block, reach, state):
    """Look for a flat stretch before the response; give its end, or -1 where there is none.

    `reach` is the number of blocks a baseline may use. The stretch must be flat, and what
    comes before it must be an artefact that dies away towards it.
    """
    start = pre + first
    sd = sqrt(per_block)
    # The level before the rise: the lowest on the way back from the peak, until nothing lower
    # comes for 1.6 ms or the trace rises again (an artefact, a dip, an earlier phase).
    low = peak
    b = peak
    margin = 4.0 * sd
    while b > start and low - b < 8:
        b -= 1
        if y[b] < y[low] - max(0.5 * sd, 0.005 * (y[peak] - y[low])):
            low = b
            margin = max(0.04 * (y[peak] - y[low]), 4.0 * sd)
        elif y[b] > y[low] + margin and y[low] < y[peak] - 2.0 * margin:
            break
    reference = mean_of(y, max(start, low - 4), low + 1)
    height = y[peak] - reference
    edge = reference + max(0.04 * height, 4.0 * sd)
    b = peak
    while b > start and y[b] > edge:
        b -= 1
    # Then on, while the trace still rises from about 1 ms before.
    margin = max(0.006 * height, 1.5 * sd)
    while b - 8 > start and y[b] > mean_of(y, b - 8, b - 3) + margin:
        b -= 1
    end = b
    if end - start < 8 or height <= 0.0:
        return -1
    level = mean_of(y, end - 8, end)
    bound = max(4.0 * sd, 0.01 * height)
    b = end
    while b > start and y[b - 1] - level < bound and level - y[b - 1] < bound:
        b -= 1
    if end - b < 8:
        return -1
    flat = b
    # Before the stretch only a tail that grows towards the stimulus may stand.
    last = bound * 0.5
    sign = 1.0
    if b > start and y[b - 1] < level:
        sign = -1.0
    while b > start:
        v = sign * (y[b - 1] - level)
        if v < 1.04 * last:
            return -1
        last = v
        b -= 1
    if flat > start:
        # The last of the tail hides in the noise.
        flat = min(flat + 5, end - 8)
    state[QUIET_FROM] = max(flat, end - reach) * 1.0
    return end


def response_start(r, start, peak, scan_from, strong, weak, state):
    """Give the first block of the response; an initial positivity belongs to it."""
    b = scan_from
    while b < peak and r[b] < strong:
        b += 1
    while b > start and r[b - 1] >= weak:
        b -= 1
    dip = b
    deepest = 0.0
    low = b - 1
    tries = 0
    # The dip may touch the onset or be a block or two away.
    while low >= start and tries < 2 and r[low] > -weak:
        low -= 1
        tries += 1
    while low >= start and r[low] <= -weak:
        deepest = min(deepest, r[low])
        dip = low
        low -= 1
    state[DIP] = deepest
    return b, dip


def settle(y, n_blocks, pre, first, size, step, n_pre, tables, s, state, r):
    """Find baseline and artefact; leave the corrected blocks in r.

    Gives the number of blocks after the stimulus that hold no response yet.
    """
    per_block = state[WHITE] * state[WHITE] / size
    peak_from = int(FIRST_PEAK_MS / (size * step))
    reach = int(5.0 / (size * step))
    state[DECAY] = 0.0
    state[DIP] = 0.0
    peak = highest(y, pre + peak_from, n_blocks)
    end = flat_before(y, pre, first, peak, per_block, reach, state)
    flat = end >= 0
    if flat:
        quiet_line(y, int(state[QUIET_FROM]), end, size, per_block, state)
        end -= pre
    else:
        end = peel_artifact(y, n_blocks, pre, first, size, n_pre, per_block, reach, peak_from,
                            tables, s, state, r)  # fmt: skip
    long = (state[QUIET_TO] - state[QUIET_FROM]) * size * step > LONG_QUIET_MS
    hold = DRIFT_MS if state[HUM] != 0.0 and long else SLOPE_MS
    state[BEND] = state[QUIET_TO] * size + hold / step
    state[EARLY] = abs(y[pre + first] - state[LEVEL])
    take_baseline(y, n_blocks, pre, size, tables[0], state, r)
    if n_pre > 0 and prefer_before(r, n_blocks, pre, first, peak, size, step, per_block, state):
        take_baseline(y, n_blocks, pre, size, tables[0], state, r)
    if not flat:
        peak = highest(r, max(pre + peak_from, min(pre + end, n_blocks - 2)), n_blocks)
    elif state[SLOPE] != 0.0:
        # Where the baseline is level the order of the blocks is unchanged.
        bend = min(int(state[BEND] / size) + 1, n_blocks)
        other = highest(r, pre + end, max(bend, peak + 1))
        if r[other] > r[peak]:
            peak = other
    state[TOP] = peak * 1.0
    return end


def prefer_before(r, n_blocks, origin, first, peak, size, step, per_block, state):
    """Take the level before the stimulus where something local lies before the response.

    A far-field potential moves the stretch before the response; drift and hum move it too, but
    drift goes on to the end of the sweep, and hum is seen there; an amplifier that recovers
    begins with the pulse. Whether the level was changed.
    """
    before = int(state[BEFORE])
    some = int(LONGEST_BEFORE_MS / (size * step))
    begin = max(0, before - some)
    quiet = int(state[QUIET_TO])
    last = n_blocks - some
    start = origin + first
    if before - begin < 2 or last < peak or quiet <= start:
        return False
    # All levels are against that of the stretch before the response, at its middle.
    slope = state[SLOPE] * size
    middle = 0.5 * (state[QUIET_FROM] + quiet)
    early = mean_of(r, begin, before) + slope * (0.5 * (begin + before) - middle)
    third = start + max(1, (quiet - start) // 3)
    recovering = mean_of(r, start, third) + slope * (0.5 * (start + third) - middle)
    end = mean_of(r, last, n_blocks)
    squares = 0.0
    for b in range(last, n_blocks):
        squares += (r[b] - end) * (r[b] - end)
    swing = sqrt(squares / (n_blocks - last))
    end += slope * (min(state[BEND] / size, n_blocks * 1.0) - middle)
    drift = abs(end - early) * (middle - before) / max(1, last - before)
    allowed = max(FAR_FIELD_SHARE * (r[peak] - early), 3.0 * swing, 4.0 * sqrt(per_block))
    if abs(early) <= allowed + 2.0 * drift or abs(recovering - early) > 0.5 * abs(early):
        return False
    state[LEVEL] += early + state[SLOPE] * (middle * size - state[ORIGIN])
    state[SLOPE] = 0.0
    return True


def spread_of_blocks(r, state, size):
    """Standard deviation of the samples about the baseline, from that of the blocks.

    What the mean over a block hides is white.
    """
    a = int(state[QUIET_FROM])
    b = int(state[QUIET_TO])
    squares = 0.0
    for i in range(a, b):
        squares += r[i] * r[i]
    return sqrt(state[WHITE] * state[WHITE] * (1.0 - 1.0 / size) + squares / max(1, b - a))


def peel_artifact(y, n_blocks, pre, first, size, n_pre, per_block, reach, peak_from, tables, s,
                  state, r):  # fmt: skip
    """Fit the artefact up to the response, find the response, and repeat with what was found."""
    n_after = n_blocks - pre
    top = y[highest(y, pre + peak_from, n_blocks)]
    span = top - y[lowest(y, pre + peak_from, n_blocks)]
    variance = per_block + (0.002 * span) * (0.002 * span) + 1e-30
    reference = y[n_blocks - 1]
    weight = 0.0
    if n_pre > 0:
        # As good as its noise, and as what hum and drift may have done since.
        moved = MOVED_SHARE * span
        weight = variance / (variance * size / n_pre + moved * moved)
        before = int(state[BEFORE])
        reference = mean_of(y, max(0, before - 25), before)
    for b in range(n_blocks):
        y[b] -= reference
    prior = mean_of(y, n_blocks - max(1, n_after // 5), n_blocks)
    prior_weight = 1e-6
    if span > 0.0:
        prior_weight = variance / (0.04 * span * span)
    limit = min(n_after, first + 22, N_TABLE)
    end = grow_window(y, pre, first, limit, weight, prior, prior_weight, variance, tables, s)
    sd = sqrt(per_block)
    dip = pre + end
    for _ in range(3):
        end = max(end, first + 2)
        fit_decay(y, pre, first, min(end, N_TABLE), weight, prior, prior_weight, variance,
                  tables, s, state)  # fmt: skip
        take_decay(y, n_blocks, pre, N_TABLE, tables[0], state, r)
        peak = highest(r, max(pre + peak_from, min(pre + end, n_blocks - 2)), n_blocks)
        strong = max(SIGNIFICANT * r[peak], 4.0 * sd)
        weak = max(0.02 * r[peak], 2.5 * sd)
        _, dip = response_start(r, pre + first, peak, pre + end - 1, strong, weak, state)
        # Two blocks of distance: the response may begin within the first of them.
        found = max(dip - 2 - pre, min(dip - 1 - pre, first + 3), first + 2)
        if end <= found <= end + 1:
            break
        end = found
    for b in range(n_blocks):
        y[b] += reference
    quiet_from = max(pre + first, pre + end - reach)
    quiet_to = min(pre + end, dip)
    level = state[LEVEL]
    if quiet_to - quiet_from >= 5:
        quiet_line(r, quiet_from, quiet_to, size, per_block, state)
        state[LEVEL] += level
    else:
        state[SLOPE] = 0.0
        state[QUIET_FROM] = quiet_from * 1.0
        state[QUIET_TO] = quiet_to * 1.0
    state[LEVEL] += reference
    return end
