/* Whether a response stands out of noise that is not white. */
#include "row.h"

/* How many blocks a time holds, at least one. */
static Index blocks_in(const Row *w, double ms)
{
    return later(1, whole(ms / ((double)w->size * w->step) + 0.5));
}

/* Write to z by how much so many blocks of the trace differ from those that lie `lag` to either
 * side; give how many there are.
 *
 * The second difference knows neither level nor slope, and little of what is slow: wander,
 * heart, recovery. */
static Index bumps(Row *w, Index a, Index wide, Index lag)
{
    const double *restrict r = w->r;
    double *restrict z = w->z;
    Index m = w->n_blocks - a - wide + 1;
    if (m <= 2 * lag)
        return 0;
    double total = 0.0;
    for (Index b = a; b < a + wide; b++)
        total += r[b];
    z[0] = total;
    for (Index b = 1; b < m; b++) {
        total += r[a + b + wide - 1] - r[a + b - 1];
        z[b] = total;
    }
    for (Index b = 0; b < m - 2 * lag; b++)
        z[b] = fabs((z[b + 2 * lag] - z[b + lag]) - (z[b + lag] - z[b]));
    return m - 2 * lag;
}

/* Whether the largest bump from block a on is more than the quieter stretches explain.
 *
 * Those are the second quietest of pieces of 3 ms: a response leaves some of the sweep quiet,
 * noise of any color and hum do not. */
static int stands_out(Row *w, Index a, double wide_ms, double lag_ms)
{
    Index blocks = blocks_in(w, wide_ms);
    Index m = bumps(w, a, blocks, blocks_in(w, lag_ms));
    Index piece = later(4, blocks_in(w, LULL_MS));
    if (m < 4 * piece)
        return 1;
    double most = 0.0, least = DBL_MAX, second = DBL_MAX;
    for (Index k = 0; k < m / piece; k++) {
        double squares = 0.0;
        for (Index b = k * piece; b < (k + 1) * piece; b++) {
            squares += w->z[b] * w->z[b];
            most = larger(most, w->z[b]);
        }
        if (squares < least) {
            second = least;
            least = squares;
        } else if (squares < second) {
            second = squares;
        }
    }
    double quiet = sqrt(second / (double)piece);
    double wide = (double)blocks;
    w->color = quiet / wide;
    /* White noise: six times the variance of a sum of so many blocks. */
    double white = sqrt(6.0 * wide / (double)w->size) * w->white;
    return most > (quiet < NEARLY_WHITE * white ? STANDS_OUT_OF_WHITE : STANDS_OUT) * quiet;
}

/* Whether a small negative peak is a response.
 *
 * The first 2 ms are left to the amplifier that recovers; what peaks there is a response only
 * if it comes down as fast as one. A sensory potential is over within 2 ms; what the end of the
 * sweep cuts off has no other side to compare. */
static int is_response(Row *w, Index peak)
{
    Index a = w->pre + w->first, lag = blocks_in(w, BUMP_MS), down = peak + lag;
    Index late = a + whole(RECOVERED_MS / ((double)w->size * w->step));
    int fast = stands_out(w, late, SHORT_SMOOTH_MS, SHORT_BUMP_MS);
    if (stands_out(w, late, SMOOTH_MS, BUMP_MS) || fast)
        return 1;
    if (down >= w->n_blocks)
        return w->r[peak] > STANDS_OUT * w->color;
    if (peak > late + lag || w->r[down] > RECOVERS * w->r[peak])
        return 0;
    fast = stands_out(w, a, SHORT_SMOOTH_MS, SHORT_BUMP_MS);
    return stands_out(w, a, SMOOTH_MS, BUMP_MS) || fast;
}
