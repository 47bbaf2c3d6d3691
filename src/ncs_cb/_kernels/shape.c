/* The shapes of two responses compared, apart from delay, dispersion and loss.
 *
 * What is computed, and why, stands in quality/shape.py; tests/shape_oracle.py says the same in
 * numpy. Every pair is computed by itself. */
#include "row.h"

enum { LAGS_AT_ONCE = LAGS_FILLED / LANES }; /* registers of lags that are summed side by side */
_Static_assert(LAGS_FILLED % LANES == 0, "lags fill their registers");

/* Means over bins of `width` ms from the sample `first` on, which need not be a whole one; 0 off
 * the sweep. `sums` holds n + 1. */
static void bins_of(Samples x, Index n, double baseline, double step_ms, double first, double width,
                    Index n_bins, double *sums, double *bins)
{
    double before = 0.0, per_bin = width / step_ms;
    sums[0] = 0.0;
    for (Index i = 0; i < n; i++)
        sums[i + 1] = sums[i] + (sample(x, i) - baseline);
    for (Index k = 0; k <= n_bins; k++) {
        double at = within(first + (double)k * per_bin, 0.0, (double)n);
        Index i = earlier(whole(at), n - 1);
        double sum = sums[i] + (at - (double)i) * (sums[i + 1] - sums[i]);
        if (k > 0)
            bins[k - 1] = (sum - before) * step_ms / width;
        before = sum;
    }
}

/* Bins of n responses, each of its own length: n x n_bins. `work` holds one more than the longest
 * has samples. */
EXPORTED void JOIN(ncs_bins_, BUILD)(
    int64_t n, const int64_t *addresses, const int64_t *is_double, const int64_t *lengths,
    const double *baseline, const double *step_ms, const double *first, double width,
    int64_t n_bins, double *work, double *bins)
{
    for (int64_t i = 0; i < n; i++) {
        Samples x = {(const void *)(intptr_t)addresses[i], is_double[i] != 0};
        bins_of(x, lengths[i], baseline[i], step_ms[i], first[i], width, n_bins, work,
                bins + i * n_bins);
    }
}

/* Copies of a response: the first is early by `step` bins, the others are late by 0, 1, 2 ...
 * steps; and how they fit another. */
typedef struct {
    Index lags, filled;           /* copies; `filled` is a multiple of LAGS_FILLED */
    Index step, compared;         /* bins */
    const double *late;           /* the response; what copies reach back to lies before it */
    double *early;                /* its early copy */
    double *ends;                 /* 2 step x filled: the first bins of every copy, and the last */
    double *gram;                 /* lags x filled: products of two copies */
    double *gain, *shares, *ahead, *pushed; /* filled */
} Copies;

static inline const double *copy_of(const Copies *c, Index lag)
{
    return lag == 0 ? c->early : c->late - c->step * (lag - 1);
}

static void copy_ends(Copies *c, Index n_bins)
{
    for (Index k = 0; k < n_bins; k++)
        /* What lies behind the last bin of the early one is not known: the first bins again. */
        c->early[k] = c->late[k + c->step < n_bins ? k + c->step : k + c->step - n_bins];
    for (Index l = 0; l < c->lags; l++) {
        const double *copy = copy_of(c, l);
        for (Index k = 0; k < c->step; k++) {
            Index from_end = c->compared - 1 - k;
            c->ends[k * c->filled + l] = k < c->compared ? copy[k] : 0.0;
            c->ends[(c->step + k) * c->filled + l] = from_end >= 0 ? copy[from_end] : 0.0;
        }
    }
}

/* Products of all copies with the target, the early copy and the latest one. */
static void multiply_outer(Copies *c, const double *target)
{
    Index last = c->lags - 1, n = c->compared - c->compared % LANES;
    const double *const others[] = {target, c->early, copy_of(c, last)};
    double *const products[] = {c->gain, c->gram, c->gram + last * c->filled};
    for (Index l = 0; l < c->lags; l++) {
        const double *copy = copy_of(c, l);
        Lanes sum[3] = {alike(0.0), alike(0.0), alike(0.0)};
        for (Index k = 0; k < n; k += LANES)
            for (int i = 0; i < 3; i++)
                sum[i] += lanes_at(copy + k) * lanes_at(others[i] + k);
        for (int i = 0; i < 3; i++) {
            double product = (sum[i][0] + sum[i][1]) + (sum[i][2] + sum[i][3]);
            for (Index k = n; k < c->compared; k++)
                product += copy[k] * others[i][k];
            products[i][l] = product;
        }
    }
}

/* Products of all others: that of the two copies one step later, without what lies in their first
 * bins (hardly anything, before the response), and with what lies in the last ones. */
static void multiply_inner(Copies *c)
{
    Index last = c->lags - 1;
    for (Index l = last - 1; l > 0; l--) {
        double *restrict row = c->gram + l * c->filled;
        const double *later = row + c->filled;
        for (Index m = l; m < last; m++)
            row[m] = later[m + 1];
        for (Index k = 0; k < c->step; k++) {
            const double *first = c->ends + k * c->filled, *end = first + c->step * c->filled;
            for (Index m = l; m < last; m++)
                row[m] = (row[m] - first[l + 1] * first[m + 1]) + end[l] * end[m];
        }
        row[last] = c->gram[last * c->filled + l];
    }
    for (Index l = 0; l < c->lags; l++)
        for (Index m = l + 1; m < c->lags; m++)
            c->gram[m * c->filled + l] = c->gram[l * c->filled + m];
}

/* Make the products a step down the slope: ahead - step * (gram @ ahead - gain). */
static void make_steps(Copies *c)
{
    double bound = 0.0; /* an upper bound of the curvature */
    for (Index m = 0; m < c->filled; m += LANES) {
        Lanes sum = alike(0.0);
        for (Index l = 0; l < c->lags; l++) {
            Lanes own = lanes_at(c->gram + l * c->filled + m);
            sum += larger_lanes(own, -own);
        }
        for (int i = 0; i < LANES; i++)
            bound = larger(bound, sum[i]);
    }
    double step = bound > 0.0 ? 1.0 / bound : 1.0;
    for (Index l = 0; l < c->lags; l++) {
        double *row = c->gram + l * c->filled, own = 1.0 - step * row[l];
        for (Index m = 0; m < c->filled; m++)
            row[m] = 0.0 - step * row[m];
        row[l] = own;
    }
    for (Index l = 0; l < c->filled; l++) {
        c->gain[l] *= step;
        c->shares[l] = c->ahead[l] = 0.0;
    }
}

/* How far each round of an accelerated gradient goes on in the direction of the last one. */
static void momentum_of(Index rounds, double *push)
{
    double momentum = 1.0;
    for (Index round = 0; round < rounds; round++) {
        double next = 0.5 * (1.0 + sqrt(1.0 + 4.0 * momentum * momentum));
        push[round] = (momentum - 1.0) / next;
        momentum = next;
    }
}

/* Non-negative least squares by accelerated projected gradient. `used` holds `filled`. */
static void fit_shares(Copies *c, Index rounds, const double *push, Index *used)
{
    for (Index round = 0; round < rounds; round++) {
        Index n_used = 0;
        /* Most shares are nothing. */
        for (Index l = 0; l < c->lags; l++) {
            used[n_used] = l;
            c->pushed[n_used] = c->ahead[l];
            n_used += c->ahead[l] != 0.0;
        }
        for (Index m = 0; m < c->filled; m += LAGS_FILLED) {
            Lanes sum[LAGS_AT_ONCE];
            for (int r = 0; r < LAGS_AT_ONCE; r++)
                sum[r] = lanes_at(c->gain + m + r * LANES);
            for (Index u = 0; u < n_used; u++) {
                const double *row = c->gram + used[u] * c->filled + m;
                for (int r = 0; r < LAGS_AT_ONCE; r++)
                    sum[r] += c->pushed[u] * lanes_at(row + r * LANES);
            }
            for (int r = 0; r < LAGS_AT_ONCE; r++) {
                double *shares = c->shares + m + r * LANES;
                Lanes moved = larger_lanes(sum[r], alike(0.0));
                put_lanes(c->ahead + m + r * LANES, moved + push[round] * (moved - lanes_at(shares)));
                put_lanes(shares, moved);
            }
        }
    }
}

/* Write squares of what the fit leaves, of the shares, and of the target. `rest` holds the
 * compared bins. */
static void leave(const Copies *c, const double *target, double *restrict rest, double *found)
{
    found[0] = found[1] = found[2] = 0.0;
    for (Index k = 0; k < c->compared; k++)
        rest[k] = target[k];
    for (Index l = 0; l < c->lags; l++) {
        double share = c->shares[l];
        const double *copy = copy_of(c, l);
        for (Index k = 0; share != 0.0 && k < c->compared; k++)
            rest[k] -= share * copy[k];
        found[1] += share * share;
    }
    for (Index k = 0; k < c->compared; k++) {
        found[0] += rest[k] * rest[k];
        found[2] += target[k] * target[k];
    }
}

/* Fit delayed copies of one response to another for n pairs, rows `near` and `far` of `bins`
 * (n_lags + n_bins each; before the bin `quiet` there is no response), over `compared` bins. For
 * each pair come out: squares of what is left, of the shares, and of the target. `work` holds
 * (filled + 2 step + 4) x filled + n_lags + 3 n_bins + rounds numbers, `used` as many as are
 * filled. */
EXPORTED void JOIN(ncs_correlate_, BUILD)(
    int64_t n, const double *bins, int64_t n_lags, int64_t n_bins, int64_t quiet, int64_t step,
    int64_t filled, int64_t rounds, const int64_t *near, const int64_t *far,
    const int64_t *compared, double *work, int64_t *used, double *found)
{
    double *cells = work + filled * filled, *ends = cells + 4 * filled;
    double *early = ends + 2 * step * filled, *rest = early + n_bins, *own = rest + n_bins;
    double *push = own + n_lags + n_bins;
    Copies c = {n_lags / step + 2, filled, step, 0, own + n_lags, early, ends, work,
                cells, cells + filled, cells + 2 * filled, cells + 3 * filled};
    momentum_of(rounds, push);
    /* What the fill holds stays nothing. */
    memset(work, 0, sizeof *work * (size_t)(filled * filled + filled));
    for (int64_t i = 0; i < n; i++) {
        const double *target = bins + far[i] * (n_lags + n_bins) + n_lags;
        c.compared = compared[i];
        memcpy(own, bins + near[i] * (n_lags + n_bins), sizeof *own * (size_t)(n_lags + n_bins));
        for (Index k = 0; k < quiet; k++)
            own[k] = 0.0;
        copy_ends(&c, n_bins);
        multiply_outer(&c, target);
        multiply_inner(&c);
        make_steps(&c);
        fit_shares(&c, rounds, push, used);
        leave(&c, target, rest, found + 3 * i);
    }
}
