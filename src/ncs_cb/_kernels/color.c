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
    Index b = 0;
    for (; b + WIDE <= m - 2 * lag; b += WIDE) {
        Wide middle = wide_at(z, b + lag);
        *(Wide *)(z + b) = size_of((wide_at(z, b + 2 * lag) - middle) - (middle - wide_at(z, b)));
    }
    for (; b < m - 2 * lag; b++)
        z[b] = fabs((z[b + 2 * lag] - z[b + lag]) - (z[b + lag] - z[b]));
    return m - 2 * lag;
}

/* Whether a bump near the peak, from block a on, is more than the quieter stretches explain.
 *
 * Those are the second quietest of pieces of 3 ms: a response leaves some of the sweep quiet,
 * noise of any color and hum do not. */
static int stands_out(Row *w, Index a, Index peak, double wide_ms, double lag_ms)
{
    Index blocks = blocks_in(w, wide_ms), lag = blocks_in(w, lag_ms);
    Index m = bumps(w, a, blocks, lag);
    Index piece = later(4, blocks_in(w, LULL_MS));
    if (m < 4 * piece)
        return 1;
    double least = DBL_MAX, second = DBL_MAX;
    for (Index k = 0; k < m / piece; k++) {
        double squares = 0.0;
        for (Index b = k * piece; b < (k + 1) * piece; b++)
            squares += w->z[b] * w->z[b];
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
    /* The edges of a potential bend most, within some ms of its peak. */
    Index near = blocks_in(w, NEAR_MS), at = peak - a - lag - blocks / 2;
    Index from = later(0, at - near), to = earlier(m, at + near + 1);
    double most = from < to ? largest(w->z, from, to) : 0.0;
    /* White noise: six times the variance of a sum of so many blocks. */
    double white = sqrt(6.0 * wide / (double)w->size) * w->white;
    return most > (quiet < NEARLY_WHITE * white ? STANDS_OUT_OF_WHITE : STANDS_OUT) * quiet;
}

/* How long the potential about the peak stays above half of it, in ms. */
static double half_width(const Row *w, Index peak)
{
    double half = 0.5 * w->r[peak];
    Index a = peak, b = peak;
    while (a > 0 && w->r[a - 1] > half)
        a--;
    while (b < w->n_blocks && w->r[b] > half)
        b++;
    return (double)((b - a) * w->size) * w->step;
}

/* Whether a motor unit that fires by itself would look like this: a potential no larger than one
 * and slower than that of a sensory nerve; or a little larger, where no nerve is that fast or
 * slow or where another as large stands elsewhere in the sweep. */
static int may_be_voluntary(Row *w, Index peak)
{
    double height = w->r[peak], block_ms = (double)w->size * w->step;
    double latency = (double)(peak - w->pre) * block_ms;
    int narrow = latency < SENSORY_LATEST_MS && half_width(w, peak) <= SENSORY_HALF_MS;
    if (height >= SUM_OF_UNITS * w->unit_mv || narrow || w->white < SINGLE_SWEEP_MV)
        return 0;
    if (height < w->unit_mv || latency > LATEST_SMALL_MS)
        return 1;
    Index lag = blocks_in(w, BUMP_MS), wide = blocks_in(w, SMOOTH_MS);
    Index m = bumps(w, 0, wide, lag), at = peak - lag - wide / 2;
    double mine = 0.0, other = 0.0;
    for (Index b = 0; b < m; b++) {
        double ms = (double)(b - at) * block_ms, pulse = (double)(b + lag - w->pre) * block_ms;
        if (-NEAR_MS <= ms && ms <= NEAR_MS)
            mine = larger(mine, w->z[b]);
        else if ((ms < -OWN_BEFORE_MS || ms > OWN_AFTER_MS) && fabs(pulse - 1.0) > 5.0)
            other = larger(other, w->z[b]);
    }
    return other > LIKE_SHARE * mine;
}

/* Whether a small negative peak is a response.
 *
 * The first 2 ms are left to the amplifier that recovers; what peaks there is a response only
 * if it comes down as fast as one. A sensory potential is over within 2 ms; what the end of the
 * sweep cuts off has no other side to compare: it must have risen as fast as a response. */
static int is_response(Row *w, Index peak)
{
    Index a = w->pre + w->first, lag = blocks_in(w, BUMP_MS), down = peak + lag;
    Index late = a + whole(RECOVERED_MS / ((double)w->size * w->step));
    if (may_be_voluntary(w, peak))
        return 0;
    int fast = stands_out(w, late, peak, SHORT_SMOOTH_MS, SHORT_BUMP_MS);
    if (stands_out(w, late, peak, SMOOTH_MS, BUMP_MS) || fast)
        return 1;
    if (down >= w->n_blocks)
        return w->r[peak] > STANDS_OUT * w->color
               && w->r[later(a, peak - 2 * lag)] < RECOVERS * w->r[peak];
    if (peak > late + lag || w->r[down] > RECOVERS * w->r[peak])
        return 0;
    fast = stands_out(w, a, peak, SHORT_SMOOTH_MS, SHORT_BUMP_MS);
    return stands_out(w, a, peak, SMOOTH_MS, BUMP_MS) || fast;
}
