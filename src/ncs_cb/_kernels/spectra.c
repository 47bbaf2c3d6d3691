/* Pairs of cleaned responses, windowed, on the frequency grid, with their noise.
 *
 * What is computed, and why, stands in dispersion/recordings.py; tests/recordings_oracle.py says
 * the same in numpy. */
#include "row.h"

enum {
    WAVES = 2 * PARTS,            /* numbers of a block: PARTS - 1 frequencies, and two zeros */
    CUT_PARTS = WAVES - 2,
    AT_ONCE = FREQUENCIES / LANES /* registers of cosines or sines that are summed side by side */
};

_Static_assert(FREQUENCIES % LANES == 0, "frequencies fill their registers");
_Static_assert(PARTS % (6 * LANES) == 0, "waves are summed in six registers");

/* Responses of one grid. */
typedef struct {
    Index n;                      /* blocks */
    double step_ms;
    const double *time;           /* of each block */
    const double *waves;          /* (n + 1) x WAVES: cosines and negative sines, times the step;
                                   * one row more, of the block behind the last */
    const double *sums;           /* WAVES: times what a wave is less than one block ago, its sum */
    const double *turns;          /* (n / 2 + 1) x PARTS: cosines and sines of so many blocks */
    const double *samples;        /* of each response, n */
    const double *onset_ms, *noise, *level_sd, *wander;
} Side;

/* How windows begin and end, and what noise is made of. */
typedef struct {
    double foot_ms, rise_ms, fall_ms, longest_ms;
    double alike_ms;              /* slow noise stays alike for so long ... */
    const double *slow;           /* ... and has this share at each frequency */
    double rounding;              /* noise that is there at least, of the highest power */
    double per_ms;                /* step of the frequencies */
} Windows;

/* 1 - cos(pi share), 0 below and 2 above. */
INLINE Lanes turn_of(Lanes share)
{
    return 1.0 - turned_by(3.14159265358979323846 * within_lanes(share, 0.0, 1.0)).re;
}

/* Write the blocks of a window from a to b, where it rises or falls. */
static void bend_window(const Side *side, Index a, Index b, double start, double end,
                        double rise_ms, double fall_ms, double *window)
{
    for (Index i = a; i < b; i += LANES) {
        Lanes time;
        for (int k = 0; k < LANES; k++)
            time[k] = side->time[earlier(i + k, b - 1)];
        Lanes made = 0.25 * turn_of((time - start) / rise_ms) * turn_of((end - time) / fall_ms);
        for (int k = 0; k < LANES && i + k < b; k++)
            window[i + k] = made[k];
    }
}

/* The blocks that lie within a window; it is 1 from `risen` to where it falls. */
typedef struct {
    Index from, risen, falls, to;
} Gate;

/* Write a window that rises after `start` and falls to zero at `end`. */
static Gate gate(const Side *side, double start, double end, double rise_ms, double fall_ms,
                 double *window)
{
    Gate g;
    g.from = reach_of(side->time, side->n, start, 0);
    g.to = later(reach_of(side->time, side->n, end, 1), g.from);
    g.risen = earlier(reach_of(side->time, side->n, start + rise_ms, 1), g.to);
    g.falls = later(earlier(reach_of(side->time, side->n, end - fall_ms, 0), g.to), g.risen);
    for (Index i = 0; i < side->n; i++)
        window[i] = i >= g.risen && i < g.falls ? 1.0 : 0.0;
    bend_window(side, g.from, g.risen, start, end, rise_ms, fall_ms, window);
    bend_window(side, g.falls, g.to, start, end, rise_ms, fall_ms, window);
    return g;
}

/* Add blocks of a window, each times the first `columns` numbers of its waves. */
static void add_waves(const Side *side, const double *window, Index from, Index to, int columns,
                      double *out)
{
    for (int j = 0; j < columns; j += 6 * LANES) {
        Lanes sum[6];
        for (int c = 0; c < 6; c++)
            sum[c] = lanes_at(out + j + c * LANES);
        for (Index i = from; i < to; i++)
            for (int c = 0; c < 6; c++)
                sum[c] += window[i] * lanes_at(side->waves + i * WAVES + j + c * LANES);
        for (int c = 0; c < 6; c++)
            put_lanes(out + j + c * LANES, sum[c]);
    }
}

/* Fourier integrals of a window. Where it is 1 the waves are a geometric series. */
static void transform_window(const Side *side, const double *window, Gate g, int columns,
                             double *out)
{
    const double *first = side->waves + g.risen * WAVES, *behind = side->waves + g.falls * WAVES;
    for (int k = 0; k < columns; k += 2) {
        const double *sum = side->sums + k;
        double re = first[k] - behind[k], im = first[k + 1] - behind[k + 1];
        out[k] = re * sum[0] - im * sum[1];
        out[k + 1] = re * sum[1] + im * sum[0];
    }
    out[0] = (double)(g.falls - g.risen) * side->waves[0];
    add_waves(side, window, g.from, g.risen, columns, out);
    add_waves(side, window, g.falls, g.to, columns, out);
}

/* Sums of values times the cosines, or the sines, of as many blocks. */
INLINE void add_turns(const double *values, const double *turns, Index n, double *out)
{
    Lanes sum[AT_ONCE];
    for (int c = 0; c < AT_ONCE; c++)
        sum[c] = alike(0.0);
    for (Index j = 0; j < n; j++)
        for (int c = 0; c < AT_ONCE; c++)
            sum[c] += values[j] * lanes_at(turns + j * PARTS + c * LANES);
    for (int c = 0; c < AT_ONCE; c++)
        put_lanes(out + c * LANES, sum[c]);
}

/* Fourier integrals of some blocks, folded about the middle one: what is alike on both sides goes
 * with the cosines, what differs with the sines. `folded` holds as many numbers as there are
 * blocks, and two. */
static void transform(const Side *side, const double *row, Index from, Index to, double *folded,
                      double *out)
{
    Index middle = from + (to - from) / 2, n = middle - from + 1;
    double cosines[FREQUENCIES], sines[FREQUENCIES], *apart = folded + n;
    for (int k = 0; k < PARTS; k++)
        out[k] = 0.0;
    if (to <= from)
        return;
    folded[0] = row[middle];
    apart[0] = 0.0;
    for (Index j = 1; j < n; j++) {
        double above = middle + j < to ? row[middle + j] : 0.0, below = row[middle - j];
        folded[j] = above + below;
        apart[j] = above - below;
    }
    add_turns(folded, side->turns, n, cosines);
    add_turns(apart, side->turns + FREQUENCIES, n, sines);
    for (int f = 0; f < FREQUENCIES; f++) {
        const double *wave = side->waves + middle * WAVES + 2 * f;
        out[2 * f] = cosines[f] * wave[0] + sines[f] * wave[1];
        out[2 * f + 1] = cosines[f] * wave[1] - sines[f] * wave[0];
    }
}

/* Write the noise of a windowed response at every frequency; give the span of the window. */
static double noise_of(const Windows *set, const Side *side, Index pair, const double *window,
                       Gate g, const double *of_window, double *noise)
{
    double span = 0.0, sd = side->noise[pair], level = side->level_sd[pair];
    for (Index i = g.from; i < g.to; i++)
        span += window[i] * window[i];
    span *= side->step_ms;
    double white = sd * sd * side->step_ms * span;
    double slow = side->wander[pair] * side->wander[pair] * span * 2.0 * set->alike_ms;
    for (int f = 0; f < FREQUENCIES; f++)
        noise[f] = white + level * level * size_at(of_window, f) + slow * set->slow[f];
    return span;
}

/* What comes out, for one pair. */
typedef struct {
    double *distal, *aligned, *proximal; /* PARTS */
    double *distal_noise, *proximal_noise;
    double *cut;                  /* CUT_PARTS */
    double *evidence;
} OfPair;

/* Spectra of the distal response, as far as the proximal window looks, and cut off at the same
 * distance from the response: what lies between is taken from the former. */
static void spectra_near(const Windows *set, const Side *near, Index i, double lag, double end,
                         double *work, OfPair out)
{
    double of_window[PARTS], between[PARTS], *window = work, *cut = work + near->n;
    double *row = cut, *folded = row + near->n;
    const double *samples = near->samples + i * near->n;
    double start = near->onset_ms[i] - set->foot_ms;
    double end_near = smaller(end, near->time[near->n - 1]);
    gate(near, start, smaller(end - lag, end_near), set->rise_ms, set->fall_ms, cut);
    Gate g = gate(near, start, end_near, set->rise_ms, larger(lag, 1.0), window);
    Index differ = g.from;
    while (differ < g.to && cut[differ] == window[differ])
        differ++;
    for (Index b = g.from; b < g.to; b++)
        row[b] = samples[b] * (window[b] - cut[b]);
    transform(near, row, differ, g.to, folded, between);
    for (Index b = g.from; b < g.to; b++)
        row[b] = samples[b] * window[b];
    transform(near, row, g.from, g.to, folded, out.distal);
    for (int k = 0; k < PARTS; k++)
        out.aligned[k] = out.distal[k] - between[k];
    transform_window(near, window, g, PARTS, of_window);
    noise_of(set, near, i, window, g, of_window, out.distal_noise);
}

/* `work` holds three times the blocks of the side that has more, and two numbers. */
static void spectra_of(const Windows *set, const Side *near, const Side *far, Index i, double *work,
                       OfPair out)
{
    double of_window[WAVES], most = 0.0, *window = work, *row = work + far->n;
    const double *samples = far->samples + i * far->n;
    double end = smaller(far->time[far->n - 1], far->onset_ms[i] + set->longest_ms);
    double lag = larger(far->onset_ms[i] - near->onset_ms[i], 0.3);
    spectra_near(set, near, i, lag, end, work, out);
    Gate g = gate(far, far->onset_ms[i] - set->foot_ms, end, set->rise_ms, set->fall_ms, window);
    for (Index b = g.from; b < g.to; b++)
        row[b] = samples[b] * window[b];
    transform(far, row, g.from, g.to, row + far->n, out.proximal);
    transform_window(far, window, g, WAVES, of_window);
    double span = noise_of(set, far, i, window, g, of_window, out.proximal_noise);
    for (int f = 0; f < FREQUENCIES; f++)
        most = larger(most, size_at(out.distal, f));
    /* Without any noise the fit would trust the last bits of what leaks between frequencies. */
    for (int f = 0; f < FREQUENCIES; f++)
        out.proximal_noise[f] += set->rounding * most;
    for (int k = 0; k < CUT_PARTS; k++)
        out.cut[k] = of_window[k] * set->per_ms;
    *out.evidence = smaller(1.0, set->per_ms * span);
}

/* Give the spectra of n pairs. `near` and `far` hold, one behind the other for each pair: onset,
 * noise, standard deviation of the level, wander. */
EXPORTED void JOIN(ncs_spectra_, BUILD)(
    int64_t n, int64_t near_blocks, double near_step, const double *near_time,
    const double *near_waves, const double *near_sums, const double *near_turns,
    const double *near_samples, const double *near_found, int64_t far_blocks, double far_step,
    const double *far_time, const double *far_waves, const double *far_sums,
    const double *far_turns, const double *far_samples, const double *far_found,
    const double *windows, const double *slow,
    double *work, double *distal, double *aligned, double *proximal, double *distal_noise,
    double *proximal_noise, double *cut, double *evidence)
{
    const double *w = windows, *a = near_found, *b = far_found;
    const Windows set = {w[0], w[1], w[2], w[3], w[4], slow, w[5], w[6]};
    const Side near = {near_blocks, near_step,    near_time, near_waves, near_sums,
                       near_turns,  near_samples, a,         a + n,      a + 2 * n, a + 3 * n};
    const Side far = {far_blocks, far_step,    far_time, far_waves, far_sums,
                      far_turns,  far_samples, b,        b + n,     b + 2 * n, b + 3 * n};
    for (int64_t i = 0; i < n; i++) {
        OfPair out = {distal + i * PARTS, aligned + i * PARTS, proximal + i * PARTS,
                      distal_noise + i * FREQUENCIES, proximal_noise + i * FREQUENCIES,
                      cut + i * CUT_PARTS, evidence + i};
        spectra_of(&set, &near, &far, i, work, out);
    }
}
