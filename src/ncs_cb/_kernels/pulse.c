/* The stimulus pulse and what the amplifier does behind it, found in the samples. */
#include "row.h"

/* Second difference about sample i. */
static inline double bend_of(Samples x, Index i, Index lag)
{
    double middle = sample(x, i);
    return fabs((sample(x, i + lag) - middle) - (middle - sample(x, i - lag)));
}

/* The same about some samples from i on. */
static inline Wide bends_of(Samples x, Index i, Index lag)
{
    Wide middle = some(x, i);
    return size_of((some(x, i + lag) - middle) - (middle - some(x, i - lag)));
}

/* The largest second difference about the samples a..b; zero where there is none. */
static inline double most_bend(Samples x, Index a, Index b, Index lag)
{
    double top = 0.0;
    if (b - a < WIDE) {
        for (Index i = a; i < b; i++)
            top = larger(top, bend_of(x, i, lag));
        return top;
    }
    Wide p = bends_of(x, b - WIDE, lag), q = p;
    Index i = a;
    for (; i + 2 * WIDE <= b; i += 2 * WIDE) {
        p = larger_of(bends_of(x, i, lag), p);
        q = larger_of(bends_of(x, i + WIDE, lag), q);
    }
    if (i + WIDE <= b)
        p = larger_of(bends_of(x, i, lag), p);
    return most_in(larger_of(p, q), top);
}

/* The first sample from i on that bends by more than `edge`; b where none does. */
static Index first_bend(Samples x, Index i, Index b, Index lag, double edge)
{
    for (; i + WIDE <= b; i += WIDE) {
        uint32_t bits = bits_of(bends_of(x, i, lag) > edge);
        if (bits)
            return i + __builtin_ctz(bits);
    }
    while (i < b && !(bend_of(x, i, lag) > edge))
        i++;
    return i;
}

/* How far from `base` a sample may lie, and hold its value, without being held on a rail; and by how
 * much it may bend without being an edge. */
typedef struct {
    double base, off, edge;
    Index lag;
} Quiet;

/* The first sample from i on that is an edge, or begins a run of equal ones on a rail; b where none
 * is. */
static Index first_event(Samples x, Index i, Index b, Quiet q)
{
    for (; i + WIDE <= b; i += WIDE) {
        Wide v = some(x, i);
        Masks held = (size_of(v - q.base) > q.off) & (some(x, i + 1) == v);
        uint32_t bits = bits_of(held | (bends_of(x, i, q.lag) > q.edge));
        if (bits)
            return i + __builtin_ctz(bits);
    }
    for (; i < b; i++) {
        double v = sample(x, i);
        if ((fabs(v - q.base) > q.off && sample(x, i + 1) == v) || bend_of(x, i, q.lag) > q.edge)
            break;
    }
    return i;
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
    Index end = i + lag, run = 0, railed = 0;
    Samples x = w->x;
    const Quiet quiet = {base, 2.0 * bend, edge, lag};
    for (; i < last; i++) {
        if (run == 0)
            /* Nothing happens in between. */
            i = first_event(x, i, earlier(last, later(i, end + wait + 1)), quiet);
        if (i >= last)
            break;
        double v = sample(x, i);
        int far = fabs(v - base) > 2.0 * larger(edge, bend);
        int held = fabs(v - base) > 2.0 * bend && sample(x, i + 1) == v;
        if (i > end + wait && !far && !held)
            break;
        if (bend_of(x, i, lag) > edge)
            end = i + 1;
        run = held ? run + 1 : 0;
        if (run >= 2) {
            end = later(end, i + 2);
            railed = later(railed, run + 1);
        }
    }
    w->railed = railed;
    return end;
}

/* How far the samples a..b stray from `base`; zero where there are none. */
static double farthest(Samples x, Index a, Index b, double base)
{
    double most = 0.0;
    if (b - a < WIDE) {
        for (Index i = a; i < b; i++)
            most = larger(most, fabs(sample(x, i) - base));
        return most;
    }
    Wide far = size_of(some(x, b - WIDE) - base);
    for (Index i = a; i + WIDE <= b; i += WIDE)
        far = larger_of(size_of(some(x, i) - base), far);
    return most_in(far, most);
}

/* Let the pulse last until the end of a rail that shows noise: a run of samples near the extreme
 * that is longer than any pulse, or that the trace leaves more slowly than a pulse ends. */
static void follow_rail(Row *w, Index start, double base, Index reach)
{
    Samples x = w->x;
    double slack = RAIL_NOISE * w->white, rail = base;
    Index last = earlier(w->n, start + whole(RAIL_MS * w->per_ms));
    Index stop = earlier(last, start + reach);
    double height = farthest(x, start, stop, base);
    if (slack == 0.0 || !(height > RAIL_CLEAR * slack))
        return;
    for (Index i = start; i < stop && rail == base; i++)
        if (fabs(sample(x, i) - base) == height)
            rail = sample(x, i);
    /* Where the trace begins with the pulse, what it comes back to lies far from `base`, too. */
    double away = fabs(rail - w->y[w->n_blocks - 1]);
    if (!(away > 0.5 * height))
        return;
    Index enough = later(3, whole(CLIPPED_MS * w->per_ms)), run = 0, length = 0, end = start;
    /* A run that is long enough holds one of every `enough` samples. */
    Index held = start + enough - 1;
    while (held < last && held <= start + reach && !(fabs(sample(x, held) - rail) <= slack))
        held += enough;
    if (held >= last || held > start + reach)
        return;
    for (Index i = start; i < last && i <= later(end, start) + reach; i++) {
        run = fabs(sample(x, i) - rail) <= slack ? run + 1 : 0;
        if (run >= enough) {
            end = i + 1;
            length = run;
        }
    }
    Index behind = earlier(end + whole(2.0 * EDGE_MS * w->per_ms), w->n - 1);
    double left = (sample(x, behind) - base) / (rail - base);
    if (length < enough || (length <= reach && left < RAIL_LEFT))
        return;
    w->pulse_to = later(w->pulse_to, end);
    w->railed = later(w->railed, length);
}

/* How sharply the noise of the sweep bends, by the quieter half of its end, as the other may hold
 * something else; one half is enough where it bends no more than `little`. */
static double bend_of_noise(const Row *w, Index lag, double little)
{
    Index least = later(lag, w->stimulus + whole(RESPONSE_FROM_MS * w->per_ms));
    Index b = w->n - lag;
    Index half = earlier(whole(0.5 * QUIET_END_MS * w->per_ms), (b - least) / 2);
    if (half <= 0)
        return 0.0;
    double last = most_bend(w->x, b - half, b, lag);
    if (last <= little)
        return last;
    return smaller(most_bend(w->x, b - 2 * half, b - half, lag), last);
}

/* The longest run of equal samples from a to b. */
static Index longest_still(Samples x, Index a, Index b)
{
    Index run = 1, longest = 1;
    for (Index i = a + 1; i < b; i++) {
        run = sample(x, i) == sample(x, i - 1) ? run + 1 : 1;
        longest = later(longest, run);
    }
    return longest;
}

/* Let the pulse last until an amplifier is let go that stands still behind it, at any level. */
static void follow_still(Row *w, Index reach)
{
    Samples x = w->x;
    Index enough = later(STILL_SAMPLES, whole(STILL_MS * w->per_ms + 0.5));
    Index last = earlier(w->n - 1, w->stimulus + whole(RAIL_MS * w->per_ms));
    Index stop = earlier(last, w->pulse_to + reach), a = w->pulse_to, b = a;
    /* A run that is long enough holds one pair of every `enough` - 1. */
    for (Index i = a; i < stop && b + 1 - a < enough; i += enough - 1) {
        if (sample(x, i + 1) != sample(x, i))
            continue;
        for (a = i; a > w->pulse_from && sample(x, a - 1) == sample(x, a);)
            a--;
        for (b = i + 1; b < last && sample(x, b + 1) == sample(x, b);)
            b++;
    }
    Index run = b + 1 - a, behind = b + 1 + whole(RELEASE_MS * w->per_ms + 0.5);
    Index tail = earlier(w->n - behind, whole(QUIET_END_MS * w->per_ms));
    if (run < enough || b >= last || tail < run
        || run < STILL_RUNS * longest_still(x, w->n - tail, w->n)
        || run < STILL_RUNS * longest_still(x, 0, w->pulse_from - 1))
        return;
    w->pulse_to = later(w->pulse_to, behind);
    w->railed = later(w->railed, run);
}

/* Whether the first edge of a faint pulse stands at the marker, before the edge found at `start`:
 * the second one of a biphasic pulse is twice as large. */
static int begins_at_marker(const Row *w, Index start, Index lag, double edge)
{
    Index a = later(lag, w->stimulus - lag - 1), b = earlier(w->n - lag, w->stimulus + 2);
    if (start <= b)
        return 0;
    return most_bend(w->x, a, b, lag) > larger(edge, 15.0 * w->white);
}

/* Give the first sample behind an amplifier that is held at one value from the pulse on, far from
 * where the sweep ends; the stimulus where it is not. */
static Index behind_hold(const Row *w, Index reach)
{
    double rest = w->y[w->n_blocks - 1], far = 15.0 * w->white;
    Index last = earlier(w->n - 1, w->stimulus + whole(RAIL_MS * w->per_ms));
    Index enough = later(2, whole(CLIPPED_MS * w->per_ms)), end = w->stimulus, run = 0;
    /* A run that is long enough holds one of every `enough` samples. */
    Index pair = end + enough - 1;
    while (pair < last && pair <= end + reach + enough
           && sample(w->x, pair + 1) != sample(w->x, pair))
        pair += enough;
    if (pair >= last || pair > end + reach + enough)
        return end;
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

/* Where a pulse that was found to begin at sample i does begin: a filter rounds its first edge. */
static Index first_departure(const Row *w, Index i, Index lag)
{
    Index least = later(later(lag, i - lag - 1), 1);
    while (i > least && fabs(sample(w->x, i - 1) - sample(w->x, i - 1 - lag)) > 8.0 * w->white)
        i--;
    return i;
}

/* Whether what bends so much over a time bends so much more over twice the time: a smooth wave
 * four times as much, a step no more, and a short pulse that a filter rounds hardly more. */
static int is_wave(const Row *w, Index lo, Index hi, Index lag, double bend)
{
    return most_bend(w->x, later(lo, lag), earlier(hi, w->n - lag), lag) > STEP_BEND * bend;
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
    w->pulse_from = w->pulse_to = w->stimulus;
    w->railed = 0;
    if (w->duration > 0.0)
        w->pulse_to = earlier(w->n, w->stimulus + whole(w->duration * w->per_ms + 0.5));
    double top = most_bend(w->x, lo, hi, lag);
    double wider = most_bend(w->x, later(lo, 2 * lag), earlier(hi, w->n - 2 * lag), 2 * lag);
    if (top <= 15.0 * w->white || (wider > SMOOTH_BEND * top && is_wave(w, lo, hi, 4 * lag, wider)))
        return;
    double noise = bend_of_noise(w, lag, EDGE_SHARE / OUT_OF_NOISE * top);
    noise = larger(15.0 * w->white, OUT_OF_NOISE * noise);
    if (top <= noise)
        return;
    Index from = w->pre + whole(RESPONSE_FROM_MS * w->per_ms / (double)w->size);
    /* The step by which a held amplifier is let go is no bend of the response. */
    from = later(from, behind_hold(w, reach) / w->size + 2);
    from = later(1, earlier(from, w->n_blocks - 2));
    /* How sharply a response bends. */
    Samples blocks = {w->y, 1};
    double sharpest = most_bend(blocks, from, w->n_blocks - 1, 1);
    double edge = larger(BENDS * sharpest, noise), bend = edge;
    int clear = top > 1.3 * edge;
    if (top <= edge) {
        /* A step or a spike is no part of a response, however little it bends. */
        edge = larger(FAINT_BENDS * sharpest, noise);
        int wave = wider > STEP_BEND * top && is_wave(w, lo, hi, 4 * lag, wider);
        if (wave || top <= edge || w->white == 0.0 || !((double)lag * w->step < 1.5 * EDGE_MS))
            return;
        clear = 1;
    }
    edge = larger(edge, EDGE_SHARE * top);
    Index start = first_bend(w->x, lo, hi, lag, edge);
    /* Of a faint pulse the first edge may be missed; one that begins with the trace has no first
     * edge, and the trace does not come from where it ends. */
    int whole_pulse = (double)w->stimulus * w->step > BEFORE_MS
                      || fabs(sample(w->x, start - lag) - w->y[w->n_blocks - 1]) < edge;
    if (clear && start > lo && whole_pulse && !begins_at_marker(w, start, lag, EDGE_SHARE * top))
        w->pulse_from = first_departure(w, start + lag, lag);
    double base = start > lo ? sample(w->x, start - lag) : w->y[w->n_blocks - 1];
    Index end = follow_edges(w, start, lag, edge, bend, base);
    w->pulse_to = later(end, w->pulse_from + w->pulse_to - w->stimulus);
    follow_rail(w, start, base, reach);
    follow_still(w, reach);
}
