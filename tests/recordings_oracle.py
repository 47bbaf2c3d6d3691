"""The oracle of ``_kernels/clean.c`` and ``spectra.c``: the same steps in numpy, many together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ncs_cb.dispersion.deconvolution import (
    FREQUENCY_HZ,
    N_FREQUENCIES,
    STEP_HZ,
    Complexes,
    Floats,
    Integers,
    Spectra,
    Truths,
)
from ncs_cb.dispersion.recordings import (
    BLANKED_MS,
    FALL_MS,
    FOOT_MS,
    LONGEST_PULSE_MS,
    LONGEST_RESPONSE_MS,
    RISE_MS,
    WANDER_MS,
    Grid,
    Responses,
)

_SMOOTH_MS = 0.4
_SUSTAINED_MS = 0.8
_TAILS_MS = np.array([0.2, 0.4, 0.8])
_ROUNDS = 3
_ROUNDING = 1e-10
_ALIKE_MS = 6.0
_RIDGE = 1e-9 * np.eye(3)


def _means(samples_mv: Floats, grid: Grid) -> Floats:
    """Give the means over blocks, (n, n_blocks), of samples (n, n_samples)."""
    count = grid.time_ms.size
    used = samples_mv[:, grid.first : grid.first + count * grid.size]
    return np.asarray(used.reshape(len(used), count, grid.size).mean(axis=2))


@dataclass(frozen=True, slots=True, eq=False)
class _Basis:
    """Level, tails and tails times t on the quiet blocks of a grid, and their running products.

    ``rows`` (1 + 2 n_tails, n_blocks); ``normal`` (n_blocks + 1, n_tails, 3, 3) are the normal
    equations of the first blocks and ``count`` (n_blocks + 1,) their number; ``tails``
    (n_tails, 2, n_blocks) are a tail and the same times t, on all blocks.
    """

    rows: Floats
    normal: Floats
    count: Floats
    tails: Floats


def _basis_of(grid: Grid) -> _Basis:
    """Give the basis; the term in ``t exp(-t / tail_ms)`` makes up for the coarse grid of tails."""
    time = grid.time_ms
    quiet = ((time < -0.15) | (time >= BLANKED_MS)).astype(np.float64)
    late = np.maximum(time, 0.0)
    tail = np.where(time > 0, np.exp(-late / _TAILS_MS[:, None]), 0.0)
    tails = np.stack((tail, tail * late), axis=1)
    rows = np.concatenate((quiet[None], *(tails * quiet).swapaxes(0, 1)))
    number = len(_TAILS_MS)
    picks = [[0, 1 + k, 1 + number + k] for k in range(number)]
    designs = rows[picks]
    products = designs[:, :, None, :] * designs[:, None, :, :]
    normal = np.zeros((time.size + 1, number, 3, 3))
    normal[1:] = np.cumsum(products, axis=3).transpose(3, 0, 1, 2)
    return _Basis(rows, normal, np.concatenate(([0.0], np.cumsum(quiet))), tails)


@dataclass(frozen=True, slots=True, eq=False)
class _Quiet:
    """Baseline and artefact tail of every trace, (n,); ``tail`` is the tail's place in the list."""

    level_mv: Floats
    tail_mv: Floats
    drift_mv: Floats
    tail: Integers
    noise_mv: Floats
    level_variance: Floats


def _running(blocks: Floats, basis: _Basis, count: int) -> tuple[Floats, Floats]:
    """Give running products of the first `count` blocks with the basis, (n, 7, count + 1), and
    running squares.
    """
    blocks, rows = blocks[:, :count], basis.rows[:, :count]
    products = np.zeros((len(blocks), len(rows), count + 1))
    np.cumsum(blocks[:, None] * rows, axis=2, out=products[:, :, 1:])
    squares = np.zeros((len(blocks), count + 1))
    np.cumsum(blocks * blocks * rows[0], axis=1, out=squares[:, 1:])
    return products, squares


def _fit_quiet(blocks: Floats, basis: _Basis, reach: Integers) -> _Quiet:
    """Fit a level and, where it is significant, a decaying tail to the first `reach` blocks."""
    index = np.arange(len(reach))
    running = _running(blocks, basis, int(reach.max()))
    products, total = running[0][index, :, reach], running[1][index, reach]
    count = np.maximum(basis.count[reach], 1.0)
    freedom = np.maximum(count - 4.0, 1.0)
    level = products[:, 0] / count
    flat = np.maximum(total - count * level**2, 0.0)
    normal = basis.normal[reach]
    # The ridge keeps a stretch of few blocks, or none, solvable.
    inverse = np.linalg.inv(normal + _RIDGE)
    number = len(_TAILS_MS)
    right = np.stack(
        [
            np.repeat(products[:, :1], number, axis=1),
            products[:, 1 : 1 + number],
            products[:, 1 + number :],
        ],
        axis=2,
    )[..., None]
    found = inverse @ right
    fitted = found.swapaxes(2, 3) @ (normal @ found - 2.0 * right)
    rest = np.maximum(total[:, None] + fitted[:, :, 0, 0], 0.0)
    best = rest.argmin(axis=1)
    has_tail = rest[index, best] < flat * (1.0 - 12.0 / (freedom + 12.0))
    chosen = found[index, best, :, 0]
    noise = np.where(has_tail, rest[index, best], flat) / freedom
    spread = np.where(has_tail, inverse[index, best, 0, 0], 1.0 / count)
    return _Quiet(
        np.where(has_tail, chosen[:, 0], level),
        np.where(has_tail, chosen[:, 1], 0.0),
        np.where(has_tail, chosen[:, 2], 0.0),
        best,
        np.sqrt(noise),
        noise * spread,
    )


# ------------------------------------------------------------------ the response


def _smooth(blocks: Floats, width: int) -> Floats:
    """Give the moving mean over `width` blocks; the ends repeat the outermost whole one."""
    if width <= 1:
        return blocks
    inner = sum(blocks[:, i : blocks.shape[1] - width + 1 + i] for i in range(width)) / width
    before = (width - 1) // 2
    return np.pad(inner, ((0, 0), (before, width - 1 - before)), mode="edge")


def _departure(above: Truths, sustained: int) -> tuple[Integers, Truths]:
    """Give the first block that begins a run of `sustained` true ones, and whether there is one."""
    count = above.shape[1] - sustained + 1
    runs = above[:, :count].copy()
    for i in range(1, sustained):
        runs &= above[:, i : count + i]
    return runs.argmax(axis=1), np.asarray(runs.any(axis=1))


def _blocks_in(span_ms: float, grid: Grid) -> int:
    return max(1, round(span_ms / grid.step_ms))


def _without_pulse(raw: Floats, grid: Grid) -> Floats:
    """Cover what a long stimulus pulse leaves beyond the blanked time with what follows it.

    Its edges bend the trace more sharply than anything later in the sweep does.
    """
    time = grid.time_ms
    bend = np.abs(np.diff(raw, n=2, axis=1))
    about = time[1:-1]
    early = (about > BLANKED_MS - 0.2) & (about < LONGEST_PULSE_MS)
    start = (about > -0.3) & (about < LONGEST_PULSE_MS)
    late = about >= LONGEST_PULSE_MS + 0.5
    if not early.any() or not late.any():
        return raw
    limit = np.maximum(0.25 * bend[:, start].max(axis=1), 1.5 * bend[:, late].max(axis=1))
    sharp = early & (bend > limit[:, None])
    rows = np.flatnonzero(sharp.any(axis=1))
    if rows.size == 0:
        return raw
    out = raw.copy()
    first = int(np.searchsorted(time, BLANKED_MS))
    for row in rows:
        end = min(int(np.flatnonzero(sharp[row])[-1]) + 3, time.size - 1)
        out[row, first:end] = raw[row, end]
    return out


def _last(rows: Floats, ms: float, grid: Grid) -> Floats:
    """Give the last stretch of each row."""
    return rows[:, -max(2, _blocks_in(ms, grid)) :]


def clean(samples_mv: Floats, grid: Grid, after_ms: Floats) -> Responses:
    """Remove baseline and artefact and find the response of each trace after its `after_ms`."""
    raw = _without_pulse(_means(samples_mv, grid), grid)
    # Sums of squares about zero would drown in a large offset.
    offset = raw[:, -1:]
    blocks = raw - offset
    time, basis = grid.time_ms, _basis_of(grid)
    width, sustained = (_blocks_in(ms, grid) for ms in (_SMOOTH_MS, _SUSTAINED_MS))
    start = np.minimum(np.searchsorted(time, after_ms), time.size - sustained - 1)
    is_after = np.arange(time.size) >= start[:, None]
    until = after_ms
    for _ in range(_ROUNDS):
        quiet = _fit_quiet(blocks, basis, np.searchsorted(time, until, side="right"))
        tail, drift = basis.tails[quiet.tail].swapaxes(0, 1)
        artifact = quiet.tail_mv[:, None] * tail + quiet.drift_mv[:, None] * drift
        cleaned = blocks - quiet.level_mv[:, None] - artifact
        smooth = np.where(is_after, _smooth(cleaned, width), 0.0)
        largest = np.abs(smooth).max(axis=1)
        noise, level = quiet.noise_mv / np.sqrt(width), np.sqrt(quiet.level_variance)
        clear = np.maximum(noise, level)
        limit = np.maximum(0.015 * largest, 4.0 * clear)
        first, is_found = _departure(np.abs(smooth) > limit[:, None], sustained)
        onset = time[np.where(is_found, first, start)]
        # The quiet stretch may reach as far as the foot, once the response is found.
        until = np.maximum(onset - BLANKED_MS, BLANKED_MS + 0.4)
    return Responses(
        grid,
        cleaned,
        quiet.level_mv + offset[:, 0],
        quiet.tail_mv,
        quiet.drift_mv,
        _TAILS_MS[quiet.tail],
        quiet.noise_mv,
        level,
        onset,
        smooth.max(axis=1),
        largest,
        np.abs(_last(smooth, 1.0, grid)).mean(axis=1),
        np.sqrt(np.square(_last(smooth, WANDER_MS, grid)).mean(axis=1)),
        is_found & (largest > 5.0 * clear),
    )


def _transform(rows: list[Floats], grid: Grid, count: int) -> Complexes:
    """Give Fourier integrals (mV ms), (n, n_rows, count), at multiples of the grid step."""
    angle = 2e-3 * np.pi * STEP_HZ * grid.time_ms[:, None] * np.arange(count)
    # The mean over a block has lost a little at high frequency.
    turn = np.pi * STEP_HZ * np.arange(count) / grid.rate_hz
    lost = np.ones(count)
    lost[1:] = np.sin(grid.size * turn[1:]) / (grid.size * np.sin(turn[1:]))
    return np.stack(rows, axis=1) @ (np.exp(-1j * angle) * (grid.step_ms / lost))


def _gate(time_ms: Floats, start_ms: Floats, end_ms: Floats, fall_ms: Floats) -> Floats:
    """Give windows that rise after `start_ms` and fall to zero at `end_ms`, (n, n_blocks)."""
    rise = _turn((time_ms - start_ms[:, None]) / RISE_MS)
    fall = _turn((end_ms[:, None] - time_ms) / fall_ms[:, None])
    return np.asarray(0.25 * rise * fall)


def _turn(share: Floats) -> Floats:
    """Give ``1 - cos(pi share)``, 0 below and 2 above."""
    return np.asarray(1.0 - np.cos(np.pi * np.clip(share, 0.0, 1.0)))


# Of noise that stays alike for a while, the share at each frequency.
_SLOW: Floats = 1.0 / (1.0 + (2e-3 * np.pi * FREQUENCY_HZ * _ALIKE_MS) ** 2)


def spectra(distal: Responses, proximal: Responses) -> Spectra:
    """Window the responses of many pairs and give them on the frequency grid, with their noise."""
    time_d, time_p = distal.grid.time_ms, proximal.grid.time_ms
    end = np.minimum(time_p[-1], proximal.onset_ms + LONGEST_RESPONSE_MS)
    lag = np.maximum(proximal.onset_ms - distal.onset_ms, 0.3)
    first, far = distal.onset_ms - FOOT_MS, proximal.onset_ms - FOOT_MS
    end_d, fall = np.minimum(end, time_d[-1]), np.full(len(end), FALL_MS)
    whole = _gate(time_d, first, end_d, np.maximum(lag, 1.0))
    cut = _gate(time_d, first, np.minimum(end - lag, end_d), fall)
    seen = _gate(time_p, far, end, fall)
    d = distal.samples_mv
    near = _transform([d * whole, d * cut, whole], distal.grid, N_FREQUENCIES)
    gone = _transform([proximal.samples_mv * seen, seen], proximal.grid, 2 * N_FREQUENCIES - 1)
    grid = slice(0, N_FREQUENCIES)
    noises, spans = [], []
    for found, window, gate in (
        (distal, whole, near[:, 2]),
        (proximal, seen, gone[:, 1, grid]),
    ):
        spans.append(np.sum(window * window, axis=1) * found.grid.step_ms)
        white = found.noise_mv**2 * found.grid.step_ms * spans[-1]
        slow = found.wander_mv**2 * spans[-1] * 2.0 * _ALIKE_MS
        level = found.baseline_sd_mv[:, None] ** 2 * np.abs(gate) ** 2
        noises.append(white[:, None] + level + slow[:, None] * _SLOW)
    # Without any noise the fit would trust the last bits of what leaks between frequencies.
    noises[1] += _ROUNDING * (np.abs(near[:, 0]) ** 2).max(axis=1, keepdims=True)
    return Spectra(
        near[:, 0],
        near[:, 1],
        np.ascontiguousarray(gone[:, 0, grid]),
        noises[0],
        noises[1],
        gone[:, 1] * (STEP_HZ * 1e-3),
        np.minimum(1.0, STEP_HZ * 1e-3 * spans[1]),
    )
