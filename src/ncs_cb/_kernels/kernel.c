/* One row from samples to numbers, and the loop over rows: the one translation unit.
 *
 * The steps are included, so that the compiler sees all of them at once. Nothing is allocated,
 * nothing is kept between calls, nothing fails: what cannot be measured is NaN with its fact. */
#include "row.h"

#include "reduce.c"
#include "pulse.c"
#include "correct.c"
#include "decay.c"
#include "baseline.c"
#include "hum.c"
#include "markers.c"
#include "color.c"
#include "phases.c"

/* Find the response in a row whose baseline is known; `end` blocks hold none of it. */
static int64_t mark(Row *w, Index end, int64_t facts, double *out)
{
    const double *r = w->r;
    Index size = w->size, n_blocks = w->n_blocks;
    if (w->hum_state <= 0)
        w->white = larger(w->white, 0.7 * w->spread);
    double sd = w->white / sqrt((double)size);
    Index peak = w->top;
    double height = r[peak];
    out[BASELINE] = w->level + w->slope * ((double)(w->stimulus + end * size) - w->origin);
    out[NOISE] = w->spread;
    double smallest_height = SMALLEST_SHARE * w->early;
    if (facts & ABSENT
        || height <= larger(larger(5.0 * sd, 1.5 * w->spread), smallest_height)) {
        if (!all_equal(w->x, w->n))
            return facts | ABSENT;
        out[BASELINE] = NAN;
        out[NOISE] = NAN;
        return FLAT;
    }
    w->color = 0.0;
    if (height < OBVIOUS * larger(w->white, w->spread) && !is_response(w, peak))
        return facts | ABSENT;
    double strong = larger(larger(SIGNIFICANT * height, 4.0 * sd), 2.0 * w->white);
    strong = larger(strong, CLEAR_OF_COLOR * w->color);
    double weak = larger(larger(0.02 * height, 2.5 * sd), 1.5 * w->color);
    double low = larger(larger(RETURN_LEVEL * height, sd), 0.5 * w->color);
    Index dip;
    Index from = w->pre + later(w->first, end - 1);
    Index behind = behind_early(w, from, peak, strong, larger(REST_LEVEL * height, low));
    if (behind > from)
        facts |= EARLY_POTENTIAL;
    Index onset = response_start(w, peak, behind, strong, weak, &dip);
    ahead(w->x, w->n, 2);
    Phases phases = scan_phases(w, onset, strong, low, height);
    if (w->late_block >= 0) {
        facts |= LATE_RESPONSE;
        out[LATE_LATENCY] = (double)(w->late_block * size - w->stimulus) * w->step;
    }
    /* The positive peak lies before the end of the response or within 15 ms after it. */
    Index stop = phases.last_end + whole(15.0 / ((double)size * w->step));
    stop = earlier(n_blocks, later(stop, dip + 1));
    Index trough = lowest(r, dip, stop);
    Index lo = later(0, dip * size), hi = earlier(w->n, stop * size);
    out[PEAK_TO_PEAK] = 0.0;
    for (int j = 0; j < 2; j++) {
        double sign = j == 0 ? 1.0 : -1.0;
        Index at = j == 0 ? peak : trough;
        if (sign * r[at] <= 0.0)
            continue;
        if (is_clipped(w, lo, hi, at * size + size / 2, sign))
            facts |= CLIPPED;
        double place;
        double extreme = find_top(w, at, sign, &place);
        out[PEAK_TO_PEAK] += sign * extreme;
        if (j == 0) {
            out[AMPLITUDE] = extreme;
            out[PEAK] = (place - (double)w->stimulus) * w->step;
        }
    }
    if (facts & CLIPPED || out[AMPLITUDE] > LARGEST_MV) {
        for (int j = 0; j < BASELINE; j++)
            out[j] = NAN;
        return facts & CLIPPED ? facts : facts | IMPLAUSIBLE;
    }
    facts |= time_phases(w, phases, out);
    return facts | doubts(w, onset - w->pre, out);
}

/* Measure the noise of the sweep. */
static void take_noise(Row *w)
{
    w->spread = 0.0;
    if (w->n_pre > 0) {
        Samples before = w->x;
        w->white = larger(w->white, white_noise(before, w->n_pre));
        w->spread = deviation(before, w->n_pre);
    }
}

/* Find the pulse, and what of the trace lies before it; let decays be counted from its end.
 * Gives the facts found. */
static int64_t place_pulse(Row *w)
{
    int64_t facts = 0;
    Index guard = whole(0.1 * w->per_ms + 0.5);
    Index tail = earlier(64, w->n - w->stimulus);
    w->white = white_noise(part(w->x, w->n - tail), tail);
    look_for_pulse(w);
    Index off = w->pulse_from - w->stimulus;
    if ((off < 0 ? -off : off) > later(1, whole(REALIGN_MS * w->per_ms)))
        facts |= REALIGNED;
    if ((double)w->railed * w->step >= CLIPPED_MS)
        facts |= ARTIFACT_CLIPPED;
    w->n_pre = later(0, earlier(w->stimulus, w->pulse_from) - guard);
    w->before = w->n_pre / w->size;
    if (!((double)w->n_pre * w->step >= BEFORE_MS && w->n_pre >= 3 && w->before >= 1)) {
        facts |= NO_BASELINE;
        w->n_pre = 0;
    }
    w->pre = later(w->pre, (w->pulse_to + guard + w->size - 1) / w->size - w->first);
    w->stimulus = w->pre * w->size;
    return facts;
}

/* Whether the level before the stimulus wanders more than noise does, and enough beside a response
 * of that height to be taken for its beginning: a crest of hum has no slope before the response. */
static int wanders_before(const Row *w, double height)
{
    return w->spread > WANDERS * w->white && w->spread > WANDERS_SHARE * height;
}

/* Find baseline, artefact and hum, in up to three attempts; give the blocks without response. */
static Index find_baseline(Row *w, int64_t *facts)
{
    double size = (double)w->size;
    Index end = 0, quiet_to = 0;
    for (int attempt = 0; attempt < 3; attempt++) {
        end = attempt == 0 ? settle_again(w) : settle(w);
        double hum_like = fabs(w->slope) * SLOPE_MS * w->per_ms;
        int weak = w->r[w->top] < larger(80.0 * larger(w->white, w->spread), 150.0 * hum_like)
                   || (double)(w->top - w->quiet_to) * size * w->step > SLOW_RISE_MS
                   || wanders_before(w, w->r[w->top]);
        if (attempt == 2 || (attempt == 0 && !weak))
            break;
        if (attempt == 1) {
            if (w->hum_state < 0
                || (double)(quiet_to - w->quiet_to) * size * w->step < UNDONE_MS)
                break;
            /* Without the "hum" less of the trace is quiet: it was none. */
            for (Index b = 0; b < w->n_blocks; b++)
                w->y[b] += w->hum[b];
            w->hum_state = 0;
            continue;
        }
        quiet_to = w->quiet_to;
        if (!look_for_hum(w)) {
            *facts |= ABSENT;
            break;
        }
        if (w->hum_state == 0) {
            take_baseline(w);
            break;
        }
    }
    return end;
}

/* Give the fact on samples that cannot be computed with; 0 when all can. `total` is the sum of the
 * block means. */
static int64_t beyond_numbers(const Row *w, Samples before, Index n_before, double total)
{
    Index stop = w->n_blocks * w->size;
    Samples rest = part(w->x, stop);
    /* A sum is finite where its samples are: of float32 nothing overflows. */
    if (!w->x.is_double && fabs(total) <= DBL_MAX
        && samples_within(before, n_before, HUGE_MV) && samples_within(rest, w->n - stop, HUGE_MV))
        return 0;
    Index n = n_before + w->n;
    if (samples_within(before, n, HUGE_MV))
        return 0;
    if (!samples_within(before, n, DBL_MAX))
        return NON_FINITE;
    return all_equal(w->x, w->n) ? FLAT : IMPLAUSIBLE;
}

/* Whether blocks differ, but by so little that squares of it vanish. */
static int is_tiny(const double *y, Index n)
{
    /* Where the first is not next to nothing, neither is the least difference from it. */
    if (fabs(y[0]) > 1e20 * TINY_MV)
        return 0;
    double span = largest(y, 0, n) - smallest(y, 0, n);
    return 0.0 < span && span < TINY_MV;
}

/* Whether a response may have begun before a sweep that began `missed` samples after its stimulus.
 *
 * It may where no quiet stretch lies before it, or something large lies before that stretch. A
 * trace is level for a while in the midst of a response, too, but never comes back to that level.
 * Where no response is seen it may have been over by then, unless no peak ever lies so early. */
static int may_have_begun(const Row *w, int64_t facts, Index missed)
{
    double block_ms = (double)w->size * w->step, missed_ms = (double)missed * w->step;
    if (facts & ABSENT)
        return missed_ms > FIRST_PEAK_MS;
    double quiet_ms = (double)(w->quiet_to - w->quiet_from) * block_ms;
    if (quiet_ms < larger(QUIET_START_MS, QUIET_SHARE * missed_ms))
        return 1;
    Index last = later(0, w->n_blocks - later(1, whole(END_MS / block_ms)));
    double height = w->r[w->top];
    return !(w->early <= SMALL_TAIL * height)
           || fabs(mean_of(w->r, last, w->n_blocks)) > BACK_SHARE * height;
}

/* Take back what was measured where the response may have begun before the sweep; give the facts. */
static int64_t of_late_sweep(const Row *w, int64_t facts, Index missed, double *out)
{
    if (facts & (FLAT | CLIPPED | IMPLAUSIBLE) || !may_have_begun(w, facts, missed))
        return facts;
    for (int j = 0; j < WIDTH; j++)
        out[j] = NAN;
    return (facts & ~(int64_t)ABSENT) | BEGUN_BEFORE;
}

static double extent_of_samples(Samples x, Index a, Index b)
{
    double low = sample(x, a), high = low;
    for (Index i = a + 1; i < b; i++) {
        double v = sample(x, i);
        low = smaller(low, v);
        high = larger(high, v);
    }
    return high - low;
}

/* Whether the n samples, of which so many lie before the marker, hold something there as large as
 * a response beside what they end with: its stimulus was given before the marker. */
static int lies_before(Samples x, Index n, Index n_before, double per_ms)
{
    Index stop = n_before - whole(GUARD_MS * per_ms + 0.5);
    Index last = later(n_before, n - whole(QUIET_END_MS * per_ms));
    if (stop < 3 || n - last < 3)
        return 0;
    return extent_of_samples(x, 0, stop) > LARGE_BEFORE * extent_of_samples(x, last, n);
}

/* Measure n samples with a stimulus; write every cell of `out`; return facts as bits. */
static int64_t measure_row(Row *w, Samples x, Index n, Index stimulus, double *out)
{
    for (int j = 0; j < WIDTH; j++)
        out[j] = NAN;
    w->has_baseline = 0;
    /* Of a sweep that begins after its stimulus the first sample stands for it meanwhile. */
    Index missed = later(0, -stimulus);
    stimulus += missed;
    if (stimulus >= n || (double)missed * w->step > LATEST_START_MS)
        return STIMULUS_OUTSIDE;
    w->pre = earlier(stimulus, whole(10.0 * w->per_ms)) / w->size;
    Index start = stimulus - w->pre * w->size;
    /* From here on the trace begins with its first block, so that a shift changes nothing. */
    w->x = part(x, start);
    w->n = n - start;
    w->stimulus = w->pre * w->size;
    w->n_blocks = w->n / w->size;
    double total = block_means(w->x, w->size, w->n_blocks, w->y);
    ahead(w->x, w->n, 0);
    int64_t facts = beyond_numbers(w, x, start, total);
    if (facts)
        return facts;
    Index marker = w->stimulus;
    facts = place_pulse(w);
    if (missed > 0)
        facts = (facts & ~(int64_t)(REALIGNED | ARTIFACT_CLIPPED)) | STARTS_LATE;
    if (w->n_blocks - w->pre < w->first + 6)
        return all_equal(w->x, w->n) ? FLAT : facts | CUT;
    take_noise(w);
    if (is_tiny(w->y, w->n_blocks)) {
        out[BASELINE] = mean_of(w->y, 0, w->n_blocks);
        out[NOISE] = larger(w->white, w->spread);
        facts |= ABSENT;
        return missed > 0 ? of_late_sweep(w, facts, missed, out) : facts;
    }
    w->hum_state = 0;
    ahead(w->x, w->n, 1);
    Index end = find_baseline(w, &facts);
    w->has_baseline = 1;
    if (w->n_pre == 0)
        w->spread = spread_of_blocks(w);
    facts = mark(w, end, facts, out);
    if (missed > 0)
        facts = of_late_sweep(w, facts, missed, out);
    else if ((facts & ABSENT) && lies_before(x, n, stimulus, w->per_ms))
        facts = (facts & ~(int64_t)ABSENT) | BEGUN_BEFORE;
    Index zero = facts & REALIGNED ? w->pulse_from : marker - missed;
    if (w->stimulus != zero) {
        double moved = (double)(w->stimulus - zero) * w->step;
        out[ONSET] += moved;
        out[PEAK] += moved;
        out[LATE_LATENCY] += moved;
    }
    return facts;
}

/* Set up a row for traces of n samples of one rate; `work` holds four times n. */
static Row row_of(Index n, double step, Index size, Index first, const double *means,
                  const double *courses, const double *sums, const double *squares,
                  const double *turns, const double *ratio, const double *head, double *work)
{
    Row w = {0};
    w.step = step;
    w.per_ms = 1.0 / step;
    w.size = size;
    w.first = first;
    w.means = means;
    w.courses = courses;
    w.sums = sums;
    w.squares = squares;
    w.turns = turns;
    w.ratio = ratio;
    w.head = head;
    w.y = work;
    w.r = work + n;
    w.z = work + 2 * n;
    w.hum = work + 3 * n;
    return w;
}

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

/* Measure the rows of one rate named in `rows`, one after the other; `work` holds four times n. */
EXPORTED void JOIN(ncs_measure_rows_, BUILD)(
    const void *samples, int64_t is_double, const int64_t *rows, int64_t n_rows,
    const int64_t *stimuli, const double *low_mv, const double *high_mv, const double *pulse_ms,
    const double *unit_mv, int64_t n, double step,
    int64_t size, int64_t first, const double *means, const double *courses, const double *sums,
    const double *squares, const double *turns, const double *ratio, const double *head,
    double *work, double *out, int64_t *facts)
{
    Row w = row_of(n, step, size, first, means, courses, sums, squares, turns, ratio, head, work);
    Samples all = {samples, is_double != 0};
    for (int64_t j = 0; j < n_rows; j++) {
        int64_t i = rows[j];
        w.low_mv = low_mv[i];
        w.high_mv = high_mv[i];
        w.duration = pulse_ms[i];
        w.unit_mv = unit_mv[i];
        facts[i] = measure_row(&w, part(all, i * n), n, stimuli[i], out + i * WIDTH);
    }
}

/* Write one trace less baseline, artefact and hum, as its row was measured; NaN where the row has
 * no baseline. `zero` is the sample from which times count. `work` holds four times n. */
EXPORTED void JOIN(ncs_correct_row_, BUILD)(
    const void *samples, int64_t is_double, int64_t stimulus, double low_mv, double high_mv,
    double pulse_ms, int64_t n, double step, int64_t size, int64_t first, const double *means,
    const double *courses, const double *sums, const double *squares, const double *turns,
    const double *ratio, const double *head, double *work, double *corrected, int64_t *zero)
{
    Row w = row_of(n, step, size, first, means, courses, sums, squares, turns, ratio, head, work);
    Samples x = {samples, is_double != 0};
    double out[WIDTH];
    w.low_mv = low_mv;
    w.high_mv = high_mv;
    w.duration = pulse_ms;
    int64_t facts = measure_row(&w, x, n, stimulus, out);
    *zero = stimulus;
    for (Index i = 0; i < n; i++)
        corrected[i] = NAN;
    if (!w.has_baseline)
        return;
    Index start = n - w.n;
    if (facts & REALIGNED)
        *zero = start + w.pulse_from;
    take_baseline_samples(&w, 0, w.n);
    for (Index i = 0; i < w.n; i++)
        corrected[start + i] = w.z[i];
    /* What lies more than 10 ms before the stimulus was not looked at: the same level there. */
    double level = w.level - w.slope * w.origin;
    for (Index i = 0; i < start; i++)
        corrected[i] = sample(x, i) - level;
}

/* Pairs of responses. */
#include "elementary.c"
#include "window.c"
#include "delays.c"
#include "clean.c"
#include "spectra.c"
#include "screen.c"
#include "refine.c"
#include "shape.c"
#include "kth.c"
#include "sweep.c"
#include "deflection.c"
