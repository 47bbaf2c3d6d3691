/* Pairs of cleaned responses, windowed, on the frequency grid, with their noise.
 *
 * What is computed, and why, stands in dispersion/recordings.py; tests/recordings_oracle.py says
 * the same in numpy. */
#include "row.h"

enum {
    WAVES = 2 * PARTS,            /* numbers of a block: PARTS - 1 frequencies, and two zeros */
    CUT_PARTS = WAVES - 2
};

/* Responses of one grid. */
typedef struct {
    Index n;                      /* blocks */
    double step_ms;
    const double *time;           /* of each block */
    const double *waves;          /* n x WAVES: cosines and negative sines, times the step */
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

/* Write a window that rises after `start` and falls to zero at `end`; give the blocks that lie
 * within. */
static void gate(const Side *side, double start, double end, double rise_ms, double fall_ms,
                 double *window, Index *from, Index *to)
{
    *from = reach_of(side->time, side->n, start, 0);
    *to = later(reach_of(side->time, side->n, end, 1), *from);
    Index risen = earlier(reach_of(side->time, side->n, start + rise_ms, 1), *to);
    Index falls = later(earlier(reach_of(side->time, side->n, end - fall_ms, 0), *to), risen);
    for (Index i = 0; i < side->n; i++)
        window[i] = i >= risen && i < falls ? 1.0 : 0.0;
    bend_window(side, *from, risen, start, end, rise_ms, fall_ms, window);
    bend_window(side, falls, *to, start, end, rise_ms, fall_ms, window);
}

/* Fourier integrals of `n` rows of blocks, which begin each `stride` after the other, over some
 * columns of the waves at a time. `n` is known where it is used. */
INLINE void transform(const double *rows, Index stride, const int n, const double *waves,
                      Index from, Index to, int columns, double *const *out)
{
    for (int j = 0; j < columns; j += 4 * LANES) {
        Lanes sum[3][4];
        for (int r = 0; r < n; r++)
            for (int c = 0; c < 4; c++)
                sum[r][c] = alike(0.0);
        for (Index i = from; i < to; i++) {
            const double *wave = waves + i * WAVES + j;
            for (int r = 0; r < n; r++)
                for (int c = 0; c < 4; c++)
                    sum[r][c] += rows[r * stride + i] * lanes_at(wave + c * LANES);
        }
        for (int r = 0; r < n; r++)
            for (int c = 0; c < 4 * LANES && j + c < columns; c++)
                out[r][j + c] = sum[r][c / LANES][c % LANES];
    }
}

/* Write the noise of a windowed response at every frequency; give the span of the window. */
static double noise_of(const Windows *set, const Side *side, Index pair, const double *window,
                       Index from, Index to, const double *of_window, double *noise)
{
    double span = 0.0, sd = side->noise[pair], level = side->level_sd[pair];
    for (Index i = from; i < to; i++)
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

/* `work` holds three times the blocks of the side that has more. */
static void spectra_of(const Windows *set, const Side *near, const Side *far, Index i, double *work,
                       OfPair out)
{
    double of_window[PARTS], last = far->time[far->n - 1], most = 0.0;
    double end = smaller(last, far->onset_ms[i] + set->longest_ms);
    double end_near = smaller(end, near->time[near->n - 1]);
    double lag = larger(far->onset_ms[i] - near->onset_ms[i], 0.3);
    double start = near->onset_ms[i] - set->foot_ms;
    const double *d = near->samples + i * near->n, *p = far->samples + i * far->n;
    Index from, to, cut_from, cut_to;
    gate(near, start, smaller(end - lag, end_near), set->rise_ms, set->fall_ms, work + near->n,
         &cut_from, &cut_to);
    gate(near, start, end_near, set->rise_ms, larger(lag, 1.0), work, &from, &to);
    double *both[] = {of_window, out.distal, out.aligned};
    for (Index b = 0; b < near->n; b++) {
        work[2 * near->n + b] = d[b] * work[near->n + b];
        work[near->n + b] = d[b] * work[b];
    }
    transform(work, near->n, 3, near->waves, from, to, PARTS, both);
    noise_of(set, near, i, work, from, to, of_window, out.distal_noise);
    gate(far, far->onset_ms[i] - set->foot_ms, end, set->rise_ms, set->fall_ms, work, &from, &to);
    for (Index b = 0; b < far->n; b++)
        work[far->n + b] = p[b] * work[b];
    transform(work + far->n, 0, 1, far->waves, from, to, PARTS, &out.proximal);
    transform(work, 0, 1, far->waves, from, to, CUT_PARTS, &out.cut);
    double span = noise_of(set, far, i, work, from, to, out.cut, out.proximal_noise);
    for (int f = 0; f < FREQUENCIES; f++)
        most = larger(most, size_at(out.distal, f));
    /* Without any noise the fit would trust the last bits of what leaks between frequencies. */
    for (int f = 0; f < FREQUENCIES; f++)
        out.proximal_noise[f] += set->rounding * most;
    for (int k = 0; k < CUT_PARTS; k++)
        out.cut[k] *= set->per_ms;
    *out.evidence = smaller(1.0, set->per_ms * span);
}

/* Give the spectra of n pairs. `near` and `far` hold, one behind the other for each pair: onset,
 * noise, standard deviation of the level, wander. */
EXPORTED void JOIN(ncs_spectra_, BUILD)(
    int64_t n, int64_t near_blocks, double near_step, const double *near_time,
    const double *near_waves, const double *near_samples, const double *near_found,
    int64_t far_blocks, double far_step, const double *far_time, const double *far_waves,
    const double *far_samples, const double *far_found, const double *windows, const double *slow,
    double *work, double *distal, double *aligned, double *proximal, double *distal_noise,
    double *proximal_noise, double *cut, double *evidence)
{
    const double *w = windows, *a = near_found, *b = far_found;
    const Windows set = {w[0], w[1], w[2], w[3], w[4], slow, w[5], w[6]};
    const Side near = {near_blocks, near_step, near_time, near_waves,  near_samples,
                       a,           a + n,     a + 2 * n, a + 3 * n};
    const Side far = {far_blocks, far_step, far_time,  far_waves, far_samples,
                      b,          b + n,    b + 2 * n, b + 3 * n};
    for (int64_t i = 0; i < n; i++) {
        OfPair out = {distal + i * PARTS, aligned + i * PARTS, proximal + i * PARTS,
                      distal_noise + i * FREQUENCIES, proximal_noise + i * FREQUENCIES,
                      cut + i * CUT_PARTS, evidence + i};
        spectra_of(&set, &near, &far, i, work, out);
    }
}
