/* Baseline and artefact taken from a trace, and where its response begins, for the estimate.
 *
 * What is computed, and why, stands in dispersion/recordings.py; tests/recordings_oracle.py says
 * the same in numpy. A block is a mean over 0.1 ms; every trace is computed by itself. */
#include "row.h"

enum { TAILS = 3, BASIS = 8, PRODUCTS_OF_BASIS = 16, CLEAN_ROUNDS = 3 };

/* What traces of one rate, length and stimulus share. */
typedef struct {
    Index size, first, n;         /* samples in a block; where the first begins; blocks */
    const double *time;           /* of each block, from the stimulus, in ms */
    const double *basis;          /* n x BASIS: one where it is quiet, tails, tails times time */
    const double *normal;         /* (n + 1) x PRODUCTS_OF_BASIS, of the first blocks: their number,
                                   * and for every tail t and its product l with time, filled up to
                                   * LANES: sums of t, l, t t, t l, l l */
    const double *tails;          /* TAILS x 2 x n: a tail, and the same times time, on all blocks */
    Index width, sustained;       /* blocks of the moving mean; of a departure that lasts */
    Index covered_from;           /* a long pulse is covered from here on, ... */
    Index early_from, early_to;   /* ... where bends here ... */
    Index about_from, about_to;   /* ... are sharper than a share of those here ... */
    Index late_from;              /* ... and than those later than this */
    Index last, wander;           /* blocks at the end, whose mean and whose deviation tell */
    double blanked_ms;
} BlockGrid;

/* What was taken from a trace and found in it; in this order it comes out. */
typedef struct {
    double level, tail_mv, drift, tail, noise, level_sd, onset_ms, peak, size, end, wander, present;
} Found;

_Static_assert(sizeof(Found) == FOUND * sizeof(double), "what is found fills its cells");

/* Cover what a long stimulus pulse leaves beyond the blanked time with what follows it. */
static void cover_pulse(const BlockGrid *g, double *y)
{
    Index bends = g->n - 2, sharp = -1;
    if (g->early_to <= g->early_from || bends <= g->late_from)
        return;
    Samples blocks = {y, 1};
    double limit = larger(0.25 * most_bend(blocks, g->about_from + 1, g->about_to + 1, 1),
                          1.5 * most_bend(blocks, g->late_from + 1, bends + 1, 1));
    for (Index i = g->early_from; i < g->early_to; i++)
        if (bend_of(blocks, i + 1, 1) > limit)
            sharp = i;
    if (sharp < 0)
        return;
    Index end = earlier(sharp + 3, g->n - 1);
    for (Index i = g->covered_from; i < end; i++)
        y[i] = y[end];
}

/* The first of time[0:n], which rises, that is larger than `ms`, or as large. */
static Index reach_of(const double *time, Index n, double ms, int or_alike)
{
    Index a = 0, b = n;
    while (a < b) {
        Index middle = (a + b) / 2;
        if (time[middle] < ms || (!or_alike && time[middle] == ms))
            a = middle + 1;
        else
            b = middle;
    }
    return a;
}

/* Running products of the first blocks with the basis, and their squares. */
typedef struct {
    Index done;
    Lanes sums[BASIS / LANES];
    double squares;
} Running;

static void run_to(const BlockGrid *g, const double *y, Index reach, Running *run)
{
    if (reach < run->done)
        *run = (Running){0};
    for (Index i = run->done; i < reach; i++) {
        const double *basis = g->basis + i * BASIS;
        for (int k = 0; k < BASIS / LANES; k++)
            run->sums[k] += y[i] * lanes_at(basis + k * LANES);
        run->squares += y[i] * y[i] * basis[0];
    }
    run->done = reach;
}

/* Invert symmetric matrices of three rows, one in a lane. */
static void invert(Lanes (*a)[3])
{
    for (int k = 0; k < 3; k++) {
        Lanes pivot = 1.0 / a[k][k];
        a[k][k] = alike(1.0);
        for (int j = 0; j < 3; j++)
            a[k][j] *= pivot;
        for (int i = 0; i < 3; i++) {
            if (i == k)
                continue;
            Lanes share = a[i][k];
            a[i][k] = alike(0.0);
            for (int j = 0; j < 3; j++)
                a[i][j] -= share * a[k][j];
        }
    }
}

/* Fit a level and, where it is significant, a decaying tail to the first blocks. */
static void fit_quiet(const BlockGrid *g, const Running *run, Found *found)
{
    const double *products = g->normal + run->done * PRODUCTS_OF_BASIS, ridge = 1e-9;
    double sums[BASIS], count = larger(products[0], 1.0), freedom = larger(count - 4.0, 1.0);
    for (int k = 0; k < BASIS; k++)
        sums[k] = run->sums[k / LANES][k % LANES];
    double level = sums[0] / count, flat = larger(run->squares - count * level * level, 0.0);
    Lanes normal[3][3], inverse[3][3], right[3], solved[3], fitted = alike(0.0);
    for (int t = 0; t < LANES; t++) {
        /* The last lane is one more of the last tail. */
        int own = t < TAILS ? t : TAILS - 1;
        const double *p = products + 1 + 5 * own;
        double rows[3][3] = {{products[0], p[0], p[1]}, {p[0], p[2], p[3]}, {p[1], p[3], p[4]}};
        for (int i = 0; i < 9; i++)
            normal[i / 3][i % 3][t] = rows[i / 3][i % 3];
        right[0][t] = sums[0];
        right[1][t] = sums[1 + own];
        right[2][t] = sums[1 + TAILS + own];
    }
    for (int i = 0; i < 9; i++)
        inverse[i / 3][i % 3] = normal[i / 3][i % 3] + (i % 4 == 0 ? ridge : 0.0);
    /* The ridge keeps a stretch of few blocks, or none, solvable. */
    invert(inverse);
    for (int i = 0; i < 3; i++)
        solved[i] = inverse[i][0] * right[0] + inverse[i][1] * right[1] + inverse[i][2] * right[2];
    for (int i = 0; i < 3; i++) {
        Lanes row = normal[i][0] * solved[0] + normal[i][1] * solved[1] + normal[i][2] * solved[2];
        fitted += solved[i] * (row - 2.0 * right[i]);
    }
    Lanes rest = larger_lanes(run->squares + fitted, alike(0.0));
    int best = 0;
    for (int t = 1; t < TAILS; t++)
        best = rest[t] < rest[best] ? t : best;
    int has_tail = rest[best] < flat * (1.0 - 12.0 / (freedom + 12.0));
    double noise = (has_tail ? rest[best] : flat) / freedom;
    found->level = has_tail ? solved[0][best] : level;
    found->tail_mv = has_tail ? solved[1][best] : 0.0;
    found->drift = has_tail ? solved[2][best] : 0.0;
    found->tail = best;
    found->noise = sqrt(noise);
    found->level_sd = sqrt(noise * (has_tail ? inverse[0][0][best] : 1.0 / count));
}

/* Take the fitted baseline and artefact from all blocks. */
static void take_quiet(const BlockGrid *g, const Found *found, const double *y, double *cleaned)
{
    const double *tail = g->tails + (Index)found->tail * 2 * g->n, *late = tail + g->n;
    for (Index i = 0; i < g->n; i++)
        cleaned[i] = y[i] - found->level - (found->tail_mv * tail[i] + found->drift * late[i]);
}

/* Write moving means from block `start` on, 0 before; the ends repeat the outermost whole one. */
static void smooth_from(const BlockGrid *g, const double *cleaned, Index start, double *smooth)
{
    Index before = (g->width - 1) / 2, whole_ones = g->n - g->width + 1;
    for (Index i = 0; i < start; i++)
        smooth[i] = 0.0;
    for (Index i = later(start, before); i < before + whole_ones; i++)
        smooth[i] = cleaned[i - before];
    for (Index k = 1; k < g->width; k++)
        for (Index i = later(start, before); i < before + whole_ones; i++)
            smooth[i] += cleaned[i - before + k];
    for (Index i = later(start, before); i < before + whole_ones; i++)
        smooth[i] /= (double)g->width;
    double sum = 0.0;
    for (Index k = 0; k < g->width; k++)
        sum += cleaned[k];
    for (Index i = start; i < before; i++)
        smooth[i] = sum / (double)g->width;
    for (Index i = later(start, before + whole_ones); i < g->n; i++)
        smooth[i] = smooth[before + whole_ones - 1];
}

/* The first block that begins a run beyond the limit, from `start` on; -1 when none does. */
static Index departure(const BlockGrid *g, const double *smooth, Index start, double limit)
{
    Index run = 0;
    for (Index i = start; i < g->n; i++) {
        run = fabs(smooth[i]) > limit ? run + 1 : 0;
        if (run == g->sustained)
            return i - g->sustained + 1;
    }
    return -1;
}

/* Clean one trace after `after` ms; `y` and `smooth` are for working. */
static Found clean_one(const BlockGrid *g, Samples x, double after, double *y, double *smooth,
                       double *cleaned)
{
    Found found = {0};
    Running run = {0};
    block_means(part(x, g->first), g->size, g->n, y);
    cover_pulse(g, y);
    /* Sums of squares about zero would drown in a large offset. */
    double offset = y[g->n - 1], until = after, clear = 0.0;
    for (Index i = 0; i < g->n; i++)
        y[i] -= offset;
    Index start = earlier(reach_of(g->time, g->n, after, 1), g->n - g->sustained - 1), at = -1;
    for (int round = 0; round < CLEAN_ROUNDS; round++) {
        run_to(g, y, reach_of(g->time, g->n, until, 0), &run);
        fit_quiet(g, &run, &found);
        take_quiet(g, &found, y, cleaned);
        smooth_from(g, cleaned, start, smooth);
        double highest_mv = largest(smooth, 0, g->n), lowest_mv = smallest(smooth, 0, g->n);
        found.peak = highest_mv;
        found.size = larger(highest_mv, -lowest_mv);
        clear = larger(found.noise / sqrt((double)g->width), found.level_sd);
        at = departure(g, smooth, start, larger(0.015 * found.size, 4.0 * clear));
        found.onset_ms = g->time[at >= 0 ? at : start];
        /* The quiet stretch may reach as far as the foot, once the response is found. */
        until = larger(found.onset_ms - g->blanked_ms, g->blanked_ms + 0.4);
    }
    found.level += offset;
    for (Index i = g->n - g->last; i < g->n; i++)
        found.end += fabs(smooth[i]) / (double)g->last;
    for (Index i = g->n - g->wander; i < g->n; i++)
        found.wander += smooth[i] * smooth[i] / (double)g->wander;
    found.wander = sqrt(found.wander);
    found.present = at >= 0 && found.size > 5.0 * clear;
    return found;
}

/* Look at n traces: the lowest and highest of the samples from `first` on, the more often of both,
 * and whether all samples are finite; four numbers each. */
EXPORTED void JOIN(ncs_look_, BUILD)(
    int64_t n, const int64_t *addresses, const int64_t *is_double, int64_t n_samples, int64_t first,
    double *work, double *found)
{
    for (int64_t i = 0; i < n; i++) {
        Samples x = {(const void *)(intptr_t)addresses[i], is_double[i] != 0};
        double *own = found + 4 * i, *v = work;
        Index lows = 0, highs = 0;
        for (Index j = 0; j < n_samples; j++)
            v[j] = sample(x, j);
        own[0] = own[1] = own[2] = 0.0;
        own[3] = all_within(v, n_samples, DBL_MAX);
        if (!own[3] || first >= n_samples)
            continue;
        own[0] = smallest(v, first, n_samples);
        own[1] = largest(v, first, n_samples);
        for (Index j = first; j < n_samples; j++) {
            lows += v[j] == own[0];
            highs += v[j] == own[1];
        }
        own[2] = (double)later(lows, highs);
    }
}

/* Clean n traces of one grid, each after its own time: blocks (n x n_blocks) and what was found
 * (n x FOUND). Each trace begins at its own address; `work` holds two times n_blocks. */
EXPORTED void JOIN(ncs_clean_, BUILD)(
    int64_t n, const int64_t *addresses, const int64_t *is_double, const int64_t *whole_numbers,
    const double *time, const double *basis, const double *normal, const double *tails,
    double blanked_ms, const double *after, double *work, double *cleaned, double *found)
{
    const int64_t *w = whole_numbers;
    const BlockGrid g = {w[0], w[1], w[2],  time, basis, normal, tails, w[3],  w[4],
                         w[5], w[6], w[7],  w[8], w[9],  w[10],  w[11], w[12], blanked_ms};
    for (int64_t i = 0; i < n; i++) {
        Samples x = {(const void *)(intptr_t)addresses[i], is_double[i] != 0};
        Found own = clean_one(&g, x, after[i], work, work + g.n, cleaned + i * g.n);
        memcpy(found + i * FOUND, &own, sizeof own);
    }
}
