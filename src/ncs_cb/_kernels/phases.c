/* The phases of a response, and what is doubtful about it. */
#include "row.h"

/* Where the phases begin and end, in blocks. */
typedef struct {
    Index onset;     /* first block of the response */
    Index first_end; /* end of the first negative phase; n_blocks where the sweep is cut */
    Index last_end;  /* end of the last one */
} Phases;

/* Give the first block from b on that has come down to `low`; n_blocks when none has. */
static Index phase_end(const Row *w, Index b, double low)
{
    return first_on(w->r, b, w->n_blocks, AT_MOST, low);
}

/* How many blocks before b, and after `end`, the trace lies within `level` of the baseline; b is
 * first taken back to where its phase leaves that. */
static Index rest_before(const double *r, Index end, Index b, double level)
{
    while (b > end && r[b - 1] >= level)
        b--;
    Index start = b;
    while (b > end && -level < r[b - 1] && r[b - 1] < level)
        b--;
    return start - b;
}

/* Give the block from which the response is sought: `from`, or behind the long rest that parts a
 * smaller potential from it. */
static Index behind_early(const Row *w, Index from, Index peak, double strong, double level)
{
    const double *r = w->r;
    Index enough = whole(LONG_REST_MS / ((double)w->size * w->step)), run = 0, b = peak - enough;
    /* A rest that long holds one of every `enough` blocks; at low rates that is not even one. */
    while (enough > 0 && b >= from && !(-level < r[b] && r[b] < level))
        b -= enough;
    if (b < from)
        return from;
    b = peak;
    while (b > from && run < enough) {
        b--;
        run = -level < r[b] && r[b] < level ? run + 1 : 0;
    }
    if (run < enough || b <= from)
        return from;
    double most = largest(r, from, b);
    return most >= strong && most < EARLY_SHARE * r[peak] ? b + run - 1 : from;
}

/* Whether what follows a deeper positive phase is the swing of a high-pass filter: it falls as
 * an exponential does, and no further. `end` bounds the positive phase, `start` ends it. */
static int is_swing(const Row *w, Index end, Index start, Index reached)
{
    const double *r = w->r;
    Index n_blocks = w->n_blocks;
    double block_ms = (double)w->size * w->step;
    double top = largest(r, reached, earlier(n_blocks, reached + whole(GAP_MS / block_ms) + 1));
    Index at = place_of(r, reached, n_blocks, top);
    Index half = at;
    while (half < n_blocks && r[half] > 0.5 * top)
        half++;
    Index quarter = half;
    while (quarter < n_blocks && r[quarter] > 0.25 * top)
        quarter++;
    if ((double)(half - at) * block_ms < SWING_MS
        || (double)(quarter - half) < SWING_SHARE * (double)(half - at))
        return 0;
    if (end >= start || smallest(r, end, start) > -top)
        return 0;
    return smallest(r, at, n_blocks) > -0.25 * top;
}

/* Give where a late phase ends, `end` where it comes down: sooner, on a straight line from its top,
 * where most of the way down is quick and the rest is the slow swing of a high-pass filter. */
static Index before_swing(const Row *w, Index reached, Index end)
{
    const double *r = w->r;
    double top = largest(r, reached, end);
    Index at = place_of(r, reached, end, top), knee = at;
    while (knee < end && r[knee] > SWING_FROM * top)
        knee++;
    double rest = (double)((end - knee) * w->size) * w->step;
    if (rest < SWING_MS || end - knee < SWING_LASTS * (knee - at))
        return end;
    return earlier(end, knee + (Index)(SWING_FROM / (1.0 - SWING_FROM) * (double)(knee - at)) + 1);
}

/* Give where another response begins from block b on, after a long rest: an F wave; -1 for none. */
static Index late_response(const Row *w, Index end, Index b, double strong, double level)
{
    const double *r = w->r;
    b = first_on(r, b, w->n_blocks, AT_LEAST, strong);
    if (b >= w->n_blocks || phase_end(w, b, level) == w->n_blocks)
        return -1;
    if ((double)(rest_before(r, end, b, level) * w->size) * w->step < LONG_REST_MS)
        return -1;
    while (r[b - 1] > 0.0)
        b--;
    return b;
}

/* Follow the negative phases from block b on.
 * A phase ends where it has come down to `low`; the next must reach `strong` within 12 ms. What
 * follows a rest is another response. */
static Phases scan_phases(Row *w, Index b, double strong, double low, double height)
{
    const double *restrict r = w->r;
    double block_ms = (double)w->size * w->step;
    Index gap = whole(GAP_MS / block_ms);
    Phases found = {b, 0, 0};
    Index end = phase_end(w, b, low);
    w->first_top = b < end ? largest(r, b, end) : 0.0;
    w->last_top = w->first_top;
    w->late_area = 0.0;
    w->late_block = -1;
    w->swings = 0;
    found.first_end = end;
    b = end;
    Index limit = earlier(w->n_blocks, b + gap);
    if (b < limit && !(largest(r, b, limit) < strong)) {
        while (b < limit) {
            if (r[b] < strong) {
                b++;
                continue;
            }
            Index reached = b;
            while (b > end && r[b - 1] > 0.0)
                b--;
            int slow = reached - b > gap / 2;
            Index start = b;
            b = phase_end(w, reached, low);
            if (b == reached || (slow && b == w->n_blocks) || is_swing(w, end, start, reached))
                /* What climbs this slowly and never comes down is drift, not a phase. */
                break;
            Index whole_end = b;
            b = before_swing(w, reached, b);
            double level = larger(REST_LEVEL * height, low);
            double rest = (double)rest_before(r, end, reached, level) * block_ms;
            if (rest >= LONG_REST_MS
                || (rest >= REST_MS && largest(r, start, b) < SMALL_SHARE * height)) {
                w->late_block = start;
                break;
            }
            double area = 0.0;
            for (Index i = start; i < b; i++)
                if (r[i] > 0.0)
                    area += r[i];
            w->late_area += area;
            w->last_top = largest(r, start, b);
            end = b;
            limit = earlier(w->n_blocks, whole_end + gap);
            w->swings = b < whole_end;
            if (w->swings)
                break;
        }
    }
    if (w->late_block < 0 && end < w->n_blocks)
        w->late_block = late_response(w, end, later(end, limit), strong, larger(REST_LEVEL * height, low));
    found.last_end = end;
    return found;
}

/* Place onset and returns between samples; give facts on the phases. */
static int64_t time_phases(Row *w, Phases at, double *out)
{
    double amplitude = out[AMPLITUDE];
    double step = w->step;
    Index size = w->size;
    /* At most 0.25 ms is smoothed over, 0.45 ms where the response is small in its noise.
     * Noise ends the blocks of such a one early: its return may be farther on. */
    int small = !(amplitude > 40.0 * w->white);
    Index beyond = small ? 10 : 4;
    Index half = later(0, whole(((small ? 0.45 : 0.25) * w->per_ms - 1.0) * 0.5));
    double total = NAN, onset = 0.0;
    double late = w->late_area * (double)size * step;
    ahead(w->x, w->n, 3);
    for (int j = 0; j < 2; j++) {
        /* First from before the onset to after the first return, then about the last return. */
        Index a = later(0, at.onset * size - whole(3.0 * w->per_ms));
        Index end = at.first_end;
        if (j == 1) {
            if (at.last_end == at.first_end)
                break;
            end = at.last_end;
            a = later(0, (end - 4) * size - half);
        }
        Index b = earlier(w->n, (end + beyond) * size + half);
        take_baseline_samples(w, a, b);
        if (j == 0) {
            Index c = first_on(w->r, at.onset, at.first_end - 1, AT_LEAST, 0.3 * w->first_top);
            onset = find_onset(w->z, b - a, c * size + size / 2 - a, amplitude, w->first_top,
                               w->white, half);
            out[ONSET] = (onset + (double)a - (double)w->stimulus) * step;
        }
        /* A late phase that is cut is late all the same: the first alone would mislead. */
        int64_t cut = j == 0 || !(late > 0.1 * out[AREA]) ? CUT : CUT | LATE;
        if (end >= w->n_blocks)
            return cut;
        Index search = later((end - 2) * size - a, j == 0 ? whole(onset) + 1 : 0);
        /* Judged against the highest peak: a small phase comes back to the same level. */
        double own = RETURN_OWN * (j == 0 ? w->first_top : w->last_top);
        double t = find_return(w->z, search, b - a, smaller(amplitude, own), w->white, half);
        /* Or, where it ends in a long tail, to the level at which its blocks ended. */
        if (t < 0.0 && own < amplitude)
            t = find_return(w->z, search, b - a, amplitude, w->white, half);
        if (t < 0.0 && j == 1 && w->swings)
            t = (double)(end * size - a);
        if (t < 0.0)
            return cut;
        if (j == 0) {
            out[DURATION] = (t - onset) * step;
            out[AREA] = area_between(w->z, onset, t) * step;
            total = out[DURATION];
        } else {
            total = (t + (double)a - (double)w->stimulus) * step - out[ONSET];
        }
    }
    out[TOTAL_DURATION] = total;
    out[TOTAL_AREA] = out[AREA] + late;
    return out[TOTAL_AREA] > 1.1 * out[AREA] ? LATE : 0;
}

/* By how much noise may move an edge as steep as that from the onset to a tenth of the peak, in ms.
 * The foot of it, where the onset is read, is some five times as flat. */
static double moved_by_noise(const Row *w, const double *out)
{
    double block_ms = (double)w->size * w->step, tenth = 0.1 * out[AMPLITUDE];
    Index onset = whole(out[ONSET] / block_ms) + w->pre;
    Index b = first_on(w->r, later(0, onset), w->n_blocks - 1, AT_LEAST, tenth);
    double rise = ((double)(b * w->size - w->stimulus) * w->step) - out[ONSET];
    double white = w->white * w->white / (double)w->size;
    return sqrt(w->color * w->color + white) * larger(rise, block_ms) / tenth;
}

/* Give facts on positivity, artefact and noise; `onset` in blocks after the stimulus. */
static int64_t doubts(const Row *w, Index onset, const double *out)
{
    double amplitude = out[AMPLITUDE];
    int64_t facts = 0;
    if (w->dip < -larger(0.03 * amplitude, 4.0 * w->white / sqrt((double)w->size)))
        facts |= POSITIVITY;
    if (w->decay != 0.0) {
        const double *e = w->means + earlier(onset, N_TABLE - 1) * N_DECAYS + w->at;
        double tail = fabs(w->decay * (w->w0 * e[-1] + w->w1 * e[0] + w->w2 * e[1]));
        if (tail > 0.005 * amplitude)
            facts |= ARTIFACT;
        if (tail > 0.02 * amplitude)
            facts |= ARTIFACT_AT_ONSET;
    }
    if (w->white > 0.02 * amplitude || w->color > NOISY_COLOR * amplitude
        || moved_by_noise(w, out) > NOISY_ONSET_MS)
        facts |= NOISY;
    return facts;
}
