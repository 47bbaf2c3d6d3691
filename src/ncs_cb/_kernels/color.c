/* Whether a response stands out of noise that is not white. */
#include "row.h"

/* How many blocks 1 ms holds. */
static Index wide_of(const Row *w)
{
    return later(1, whole(SMOOTH_MS / ((double)w->size * w->step) + 0.5));
}

/* How many blocks lie from the middle of a bump to its surroundings. */
static Index lag_of(const Row *w)
{
    return later(1, whole(BUMP_MS / ((double)w->size * w->step) + 0.5));
}

/* Write to z by how much 1 ms of the trace differs from what lies 2.4 ms to either side; give
 * how many there are.
 *
 * The second difference knows neither level nor slope, and little of what is slow: wander,
 * heart, recovery. */
static Index bumps(Row *w, Index a)
{
    const double *restrict r = w->r;
    double *restrict z = w->z;
    Index wide = wide_of(w), lag = lag_of(w);
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
static int stands_out(Row *w, Index a)
{
    Index m = bumps(w, a);
    Index piece = later(4, whole(LULL_MS / ((double)w->size * w->step) + 0.5));
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
    double wide = (double)wide_of(w);
    w->color = quiet / wide;
    /* White noise: six times the variance of a sum of so many blocks. */
    double white = sqrt(6.0 * wide / (double)w->size) * w->white;
    return most > (quiet < NEARLY_WHITE * white ? STANDS_OUT_OF_WHITE : STANDS_OUT) * quiet;
}

/* Whether a small negative peak is a response.
 *
 * The first 2 ms are left to the amplifier that recovers; what peaks there is a response only
 * if it comes down as fast as one. */
static int is_response(Row *w, Index peak)
{
    Index a = w->pre + w->first, lag = lag_of(w), down = peak + lag;
    Index late = a + whole(RECOVERED_MS / ((double)w->size * w->step));
    if (stands_out(w, late))
        return 1;
    if (peak > late + lag || down >= w->n_blocks || w->r[down] > RECOVERS * w->r[peak])
        return 0;
    return stands_out(w, a);
}
