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

/* Copies of a response, delayed by every lag, and how they fit another: rows of `filled` lags. */
typedef struct {
    Index lags, filled;           /* `filled` is a multiple of LAGS_FILLED */
    Index compared;               /* bins */
    double *copies;               /* compared x filled */
    double *gram;                 /* filled x filled */
    double *gain, *shares, *ahead, *moved; /* filled */
} Copies;

/* Write the copies: the first is early by `step` bins, the others are late by 0, 1, 2 ... steps. */
static void copy_all(Copies *c, const double *near, Index n_lags, Index n_bins, Index step)
{
    for (Index k = 0; k < c->compared; k++) {
        double *row = c->copies + k * c->filled;
        /* What lies behind the last bin of the early one is not known: the first bins again. */
        row[0] = near[n_lags + (k + step) % n_bins];
        for (Index l = 1; l < c->lags; l++)
            row[l] = near[n_lags - step * (l - 1) + k];
        for (Index l = c->lags; l < c->filled; l++)
            row[l] = 0.0;
    }
}

/* Products of two lags with some, and of the target with them. */
static void multiply(Copies *c, const double *target)
{
    for (Index m = 0; m < c->filled; m += LAGS_FILLED) {
        for (Index l = m; l < c->filled; l += 2) {
            Lanes sum[2][LAGS_AT_ONCE];
            for (int r = 0; r < LAGS_AT_ONCE; r++)
                sum[0][r] = sum[1][r] = alike(0.0);
            for (Index k = 0; k < c->compared; k++) {
                const double *row = c->copies + k * c->filled;
                for (int r = 0; r < LAGS_AT_ONCE; r++) {
                    Lanes others = lanes_at(row + m + r * LANES);
                    sum[0][r] += row[l] * others;
                    sum[1][r] += row[l + 1] * others;
                }
            }
            for (int r = 0; r < 2 * LAGS_FILLED; r++) {
                Index one = l + r / LAGS_FILLED, other = m + r % LAGS_FILLED;
                double product = sum[r / LAGS_FILLED][r % LAGS_FILLED / LANES][r % LANES];
                c->gram[one * c->filled + other] = c->gram[other * c->filled + one] = product;
            }
        }
        Lanes gain[LAGS_AT_ONCE];
        for (int r = 0; r < LAGS_AT_ONCE; r++)
            gain[r] = alike(0.0);
        for (Index k = 0; k < c->compared; k++)
            for (int r = 0; r < LAGS_AT_ONCE; r++)
                gain[r] += target[k] * lanes_at(c->copies + k * c->filled + m + r * LANES);
        for (int r = 0; r < LAGS_FILLED; r++)
            c->gain[m + r] = gain[r / LANES][r % LANES];
    }
}

/* Make the products a step down the slope: ahead - step * (gram @ ahead - gain). */
static void make_steps(Copies *c)
{
    double bound = 0.0;
    for (Index l = 0; l < c->lags; l++) {
        double sum = 0.0;
        for (Index m = 0; m < c->lags; m++)
            sum += fabs(c->gram[l * c->filled + m]);
        bound = larger(bound, sum); /* an upper bound of the curvature */
    }
    double step = bound > 0.0 ? 1.0 / bound : 1.0;
    for (Index l = 0; l < c->filled; l++) {
        for (Index m = 0; m < c->filled; m++)
            c->gram[l * c->filled + m] = (l == m ? 1.0 : 0.0) - step * c->gram[l * c->filled + m];
        c->gain[l] *= step;
        c->shares[l] = c->ahead[l] = 0.0;
    }
}

/* Non-negative least squares by accelerated projected gradient. `used` holds `filled`. */
static void fit_shares(Copies *c, Index rounds, Index *used)
{
    double momentum = 1.0;
    for (Index round = 0; round < rounds; round++) {
        Index n_used = 0;
        double next = 0.5 * (1.0 + sqrt(1.0 + 4.0 * momentum * momentum));
        double push = (momentum - 1.0) / next;
        /* Most shares are nothing. */
        for (Index l = 0; l < c->lags; l++)
            if (c->ahead[l] != 0.0)
                used[n_used++] = l;
        for (Index m = 0; m < c->filled; m += LAGS_FILLED) {
            Lanes sum[LAGS_AT_ONCE];
            for (int r = 0; r < LAGS_AT_ONCE; r++)
                sum[r] = lanes_at(c->gain + m + r * LANES);
            for (Index u = 0; u < n_used; u++) {
                const double *row = c->gram + used[u] * c->filled + m;
                for (int r = 0; r < LAGS_AT_ONCE; r++)
                    sum[r] += c->ahead[used[u]] * lanes_at(row + r * LANES);
            }
            for (int r = 0; r < LAGS_FILLED; r++)
                c->moved[m + r] = larger(sum[r / LANES][r % LANES], 0.0);
        }
        for (Index l = 0; l < c->filled; l++) {
            double moved = c->moved[l];
            c->ahead[l] = moved + push * (moved - c->shares[l]);
            c->shares[l] = moved;
        }
        momentum = next;
    }
}

/* Write squares of what the fit leaves, of the shares, and of the target. */
static void leave(const Copies *c, const double *target, double *found)
{
    found[0] = found[1] = found[2] = 0.0;
    for (Index k = 0; k < c->compared; k++) {
        Lanes sum = alike(0.0);
        for (Index l = 0; l < c->filled; l += LANES)
            sum += lanes_at(c->shares + l) * lanes_at(c->copies + k * c->filled + l);
        double rest = target[k] - ((sum[0] + sum[1]) + (sum[2] + sum[3]));
        found[0] += rest * rest;
        found[2] += target[k] * target[k];
    }
    for (Index l = 0; l < c->lags; l++)
        found[1] += c->shares[l] * c->shares[l];
}

/* Fit delayed copies of one response to another for n pairs, rows `near` and `far` of `bins`
 * (n_lags + n_bins each; before the bin `quiet` there is no response), over `compared` bins. For
 * each pair come out: squares of what is left, of the shares, and of the target. `work` holds
 * (n_bins + filled + 4) x filled + n_lags + n_bins numbers, `used` as many as are filled. */
EXPORTED void JOIN(ncs_correlate_, BUILD)(
    int64_t n, const double *bins, int64_t n_lags, int64_t n_bins, int64_t quiet, int64_t step,
    int64_t filled, int64_t rounds, const int64_t *near, const int64_t *far,
    const int64_t *compared, double *work, int64_t *used, double *found)
{
    double *gram = work + n_bins * filled, *cells = gram + filled * filled;
    double *own = cells + 4 * filled;
    Copies c = {n_lags / step + 2, filled, 0, work, gram, cells, cells + filled, cells + 2 * filled,
                cells + 3 * filled};
    for (int64_t i = 0; i < n; i++) {
        const double *target = bins + far[i] * (n_lags + n_bins) + n_lags;
        c.compared = compared[i];
        memcpy(own, bins + near[i] * (n_lags + n_bins), sizeof *own * (size_t)(n_lags + n_bins));
        for (Index k = 0; k < quiet; k++)
            own[k] = 0.0;
        copy_all(&c, own, n_lags, n_bins, step);
        multiply(&c, target);
        make_steps(&c);
        fit_shares(&c, rounds, used);
        leave(&c, target, found + 3 * i);
    }
}
