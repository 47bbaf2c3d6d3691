/* The stimulus pulse and what the amplifier does behind it, found in the samples. */
#include "row.h"

/* Second difference about sample i. */
static inline double bend_of(Samples x, Index i, Index lag)
{
    double middle = sample(x, i);
    return fabs((sample(x, i + lag) - middle) - (middle - sample(x, i - lag)));
}

/* Largest second difference of the blocks from `a` on: how sharply a response bends. */
static double sharpest_bend(const double *restrict y, Index a, Index n_blocks)
{
    /* In four lanes, so that no comparison waits for the one before. */
    double most[4] = {0.0};
    Index b = a;
    for (; b < n_blocks - 4; b += 4)
        for (Index k = 0; k < 4; k++) {
            const double *v = y + b + k;
            most[k] = larger(most[k], fabs((v[1] - v[0]) - (v[0] - v[-1])));
        }
    for (; b < n_blocks - 1; b++)
        most[0] = larger(most[0], fabs((y[b + 1] - y[b]) - (y[b] - y[b - 1])));
    return larger(larger(most[0], most[1]), larger(most[2], most[3]));
}

/* Follow the edges of a pulse from sample i on; give the first sample after the last edge, or
 * after the rail behind it.
 *
 * The next edge comes within the longest phase of a pulse; while the trace stands far from
 * `base`, where it came, or holds one value beyond `bend`, on a rail, the wait is longer. */
static Index follow_edges(Row *w, Index i, Index lag, double edge, double bend, double base)
{
    Index wait = whole(MARKER_MS * w->per_ms);
    Index last = earlier(w->n - lag - 1, i + whole(RAIL_MS * w->per_ms));
    Index end = i + lag, run = 0;
    for (; i < last; i++) {
        double v = sample(w->x, i);
        int far = fabs(v - base) > 2.0 * edge;
        int held = fabs(v - base) > 2.0 * bend && sample(w->x, i + 1) == v;
        if (i > end + wait && !far && !held)
            break;
        if (bend_of(w->x, i, lag) > edge)
            end = i + 1;
        run = held ? run + 1 : 0;
        if (run >= 2) {
            end = later(end, i + 2);
            w->railed = later(w->railed, run + 1);
        }
    }
    return end;
}

/* Whether the first edge of a faint pulse stands at the marker, before the edge found at `start`:
 * the second one of a biphasic pulse is twice as large. */
static int begins_at_marker(const Row *w, Index start, Index lag, double edge)
{
    Index a = later(lag, w->stimulus - lag - 1), b = earlier(w->n - lag, w->stimulus + 2);
    if (start <= b)
        return 0;
    double most = 0.0;
    for (Index i = a; i < b; i++)
        most = larger(most, bend_of(w->x, i, lag));
    return most > larger(edge, 15.0 * w->white);
}

/* Give the first sample behind an amplifier that is held at one value from the pulse on, far from
 * where the sweep ends; the stimulus where it is not. */
static Index behind_hold(const Row *w, Index reach)
{
    double rest = w->y[w->n_blocks - 1], far = 15.0 * w->white;
    Index last = earlier(w->n - 1, w->stimulus + whole(RAIL_MS * w->per_ms));
    Index enough = later(2, whole(CLIPPED_MS * w->per_ms)), end = w->stimulus, run = 0;
    for (Index i = w->stimulus; i < last; i++) {
        double v = sample(w->x, i);
        run = sample(w->x, i + 1) == v && fabs(v - rest) > far ? run + 1 : 0;
        if (run >= enough)
            end = i + 2;
        else if (run == 0 && i > end + reach)
            break;
    }
    return end;
}

/* Find the pulse about the marker: an edge bends the trace more sharply, and over a shorter
 * time, than anything later in the sweep does. Where none is seen it is taken to be at the
 * marker, and as long as the file says. */
static void look_for_pulse(Row *w)
{
    Index lag = later(1, whole(EDGE_MS * w->per_ms + 0.5));
    Index reach = whole(MARKER_MS * w->per_ms);
    Index lo = later(lag, w->stimulus - reach);
    Index hi = earlier(w->n - lag, w->stimulus + reach);
    double top = 0.0, wider = 0.0;
    w->pulse_from = w->pulse_to = w->stimulus;
    w->railed = 0;
    if (w->duration > 0.0)
        w->pulse_to = earlier(w->n, w->stimulus + whole(w->duration * w->per_ms + 0.5));
    for (Index i = lo; i < hi; i++) {
        top = larger(top, bend_of(w->x, i, lag));
        if (i >= 2 * lag && i + 2 * lag < w->n)
            wider = larger(wider, bend_of(w->x, i, 2 * lag));
    }
    /* Over twice the time a step bends as much, a smooth wave four times as much. */
    if (top <= 15.0 * w->white || wider > SMOOTH_BEND * top)
        return;
    Index from = w->pre + whole(RESPONSE_FROM_MS * w->per_ms / (double)w->size);
    /* The step by which a held amplifier is let go is no bend of the response. */
    from = later(from, behind_hold(w, reach) / w->size + 2);
    from = later(1, earlier(from, w->n_blocks - 2));
    double edge = larger(BENDS * sharpest_bend(w->y, from, w->n_blocks), 15.0 * w->white);
    if (top <= edge)
        return;
    int clear = top > 1.3 * edge;
    double bend = edge;
    edge = larger(edge, EDGE_SHARE * top);
    Index start = lo;
    while (bend_of(w->x, start, lag) <= edge)
        start++;
    /* Of a faint pulse the first edge may be missed; one that begins with the trace has no first
     * edge, and the trace does not come from where it ends. */
    int whole_pulse = (double)w->stimulus * w->step > BEFORE_MS
                      || fabs(sample(w->x, start - lag) - w->y[w->n_blocks - 1]) < edge;
    if (clear && start > lo && whole_pulse && !begins_at_marker(w, start, lag, EDGE_SHARE * top))
        w->pulse_from = start + lag;
    double base = start > lo ? sample(w->x, start - lag) : w->y[w->n_blocks - 1];
    Index end = follow_edges(w, start, lag, edge, bend, base);
    w->pulse_to = later(end, w->pulse_from + w->pulse_to - w->stimulus);
}
