/* What readers ask of raw sweeps: where the pulse lies, what stands out, which way is up.
 *
 * Every sweep has its own length, rate and stimulus, and is looked at by itself; only mirror_signs
 * holds sweeps against each other. The limits come in; what is fixed stands in facts.py.
 * tests/naive_sweeps.py says the same in numpy. A median is only taken where it decides. */
#include <string.h>

#include "row.h"

/* One sweep as it came, in float64. */
typedef struct {
    const double *x;
    int64_t n;          /* samples */
    int64_t stimulus;   /* sample of the stimulus; negative where the sweep begins after it */
    double rate;        /* samples per second */
    int64_t group;      /* those it is held against; negative for none */
    double skipped_ms;  /* behind the stimulus, before a response is looked for */
} Sweep;

/* The nearest whole number of one that is small; of two the even one, as Python rounds. */
static inline double rounded(double v) { return (v + SHIFT) - SHIFT; }

/* Samples in so many ms. */
static inline Index samples_in(double ms, double rate) { return whole(rounded(ms * rate / 1000.0)); }

static inline int is_finite(const double *v, Index n) { return all_within(v, n, DBL_MAX); }

/* Write the sizes of the n - 1 steps between n samples. */
static void step_sizes(const double *s, Index n, double *steps)
{
    for (Index i = 0; i + 1 < n; i++)
        steps[i] = fabs(s[i + 1] - s[i]);
}

static inline double extent_of(const double *v, Index a, Index b)
{
    return largest(v, a, b) - smallest(v, a, b);
}

/* --- the artefact of the stimulus ------------------------------------------------------------ */

typedef struct {
    double before_ms, after_ms, latest_ms, at_marker_ms; /* where it is looked for */
    double sharp, noisy, jump_noise; /* least step: of the 95th percentile, of the noise; of a jump */
    double edge_ms, longest_ms, larger; /* of an edge, of a pulse; another pulse that may be it */
} PulseLimits;

/* The part of a sweep in which the artefact is looked for. */
typedef struct {
    const double *s;
    const double *steps;
    Index n, marker;
    double rate;
} Window;

/* Whether a jump of `size` from sample i on comes out of quiet, and goes no farther. Before the
 * first sample the trace is taken to be as it begins. */
static int is_jump(const Window *w, Index i, Index lag, Index before, Index after)
{
    const double *s = w->s;
    double jump = s[i + lag] - s[i], size = fabs(jump);
    Index lo = later(i - before, 0);
    /* A slope is told from quiet by two samples; only what passes is looked at as a whole. */
    if (!(fabs(s[i] - s[lo]) < QUIET_PART * size
          && fabs(s[i] - s[later(i - before / 2, 0)]) < QUIET_PART * size
          && extent_of(s, lo, i + 1) < QUIET_PART * size))
        return 0;
    double sign = jump > 0.0 ? 1.0 : -1.0, rise = -INFINITY;
    for (Index j = lag; j < lag + after; j++)
        rise = larger(rise, (s[i + j] - s[i]) * sign);
    return rise < LONGER_RISE * size;
}

/* Mark the samples at which the trace jumps as no muscle's response does; whether there are any.
 * `keys` holds as many numbers as the window. */
static int mark_edges(const Window *w, const PulseLimits *limits, uint8_t *edge, int64_t *keys)
{
    Index n = w->n, n_steps = n - 1;
    double per_ms = w->rate / 1000.0, extent = extent_of(w->s, 0, n);
    Index lag = later(1, whole(rounded(limits->edge_ms * per_ms)));
    Index before = whole(rounded(0.5 * per_ms)), after = whole(rounded(per_ms));
    /* Of too few samples a jump cannot be told from a rise. */
    Index n_jumps = lag * 4 > after ? 0 : n - lag - after;
    int any_jump = 0, is_sharp = largest(w->steps, 0, n_steps) > EDGE_PART * extent;
    memset(edge, 0, (size_t)n);
    for (Index i = 0; i < n_jumps; i++) {
        double size = fabs(w->s[i + lag] - w->s[i]);
        edge[i] = size > JUMP_PART * extent && is_jump(w, i, lag, before, after);
        any_jump |= edge[i];
    }
    if (!any_jump && !is_sharp)
        return 0;
    double median = median_of(w->steps, n_steps, keys);
    double place = 0.95 * (double)(n_steps - 1);
    Index at = whole(place);
    double low = kth_of(w->steps, n_steps, at, keys);
    double high = kth_of(w->steps, n_steps, earlier(at + 1, n_steps - 1), keys);
    high = low + (high - low) * (place - (double)at);
    double usual = larger(larger(limits->sharp * high, limits->noisy * median), EDGE_PART * extent);
    double least = larger(limits->jump_noise * median, JUMP_PART * extent);
    /* From behind, so that no mark is read after it was set. */
    for (Index i = n_jumps; i-- > 0;) {
        if (!edge[i])
            continue;
        edge[i] = 0;
        if (fabs(w->s[i + lag] - w->s[i]) > least)
            edge[highest(w->steps, i, i + lag) + 1] |= 2;
    }
    for (Index i = 0; i < n; i++)
        edge[i] = edge[i] & 2 || (i > 0 && w->steps[i - 1] > usual);
    return 1;
}

/* Sample at which the artefact begins, or NOT_SEEN, or DOUBTED where another one is as likely.
 * `steps`, `keys` and `edge` hold n. */
static Index pulse_at(const Sweep *sweep, const PulseLimits *limits, double *steps, int64_t *keys,
                      uint8_t *edge)
{
    double rate = sweep->rate;
    Index marker = sweep->stimulus;
    if (marker < 0)
        return NOT_SEEN; /* the sweep begins after its stimulus */
    Index first = later(marker - samples_in(limits->before_ms, rate), 0);
    /* Where nothing lies before the marker, the times may count from the window's beginning. */
    int at_window = marker == 0;
    Index last = marker + samples_in((at_window ? 2.0 : 1.0) * limits->after_ms, rate);
    Index n = earlier(last, sweep->n) - first;
    if (n < FEWEST_SAMPLES || !is_finite(sweep->x + first, n))
        return NOT_SEEN;
    const double *s = sweep->x + first;
    double near = larger(limits->at_marker_ms * rate / 1000.0, 1.0);
    step_sizes(s, n, steps);
    Index sharpest = highest(steps, 0, n - 1) + 1 + first - marker;
    if (fabs((double)sharpest) <= near)
        return marker; /* nothing in the sweep is sharper than what lies at the marker */
    Window w = {s, steps, n, marker - first, rate};
    if (!mark_edges(&w, limits, edge, keys))
        return NOT_SEEN;
    /* A held amplifier is let go with a jump: that is the end of blanking, and no artefact. */
    Index held_to = w.marker + 1;
    while (held_to < n && s[held_to] == s[earlier(w.marker + 1, n - 1)])
        held_to++;
    double latest = at_window ? limits->after_ms : limits->latest_ms;
    Index apart = samples_in(limits->longest_ms, rate);
    /* The edges of one pulse lie close; its height is that of the highest. */
    Index n_pulses = 0, begin = 0, end = 0, only = NOT_SEEN, own = NOT_SEEN;
    double own_size = 0.0, other_size = 0.0;
    for (Index i = 0; i <= n; i++) {
        int is_edge = i < n && edge[i] && (double)(i - w.marker) * 1000.0 / rate <= latest
                      && !(i > w.marker + 4 && i <= held_to);
        if (n_pulses && (i == n || (is_edge && i - end > apart))) {
            double size = extent_of(s, later(begin - 1, 0), earlier(end + 2, n));
            if (fabs((double)(begin - w.marker)) <= near) {
                own = own == NOT_SEEN ? begin + first : own;
                own_size = larger(own_size, size);
            } else {
                other_size = larger(other_size, size);
            }
        }
        if (is_edge && (!n_pulses || i - end > apart)) {
            only = n_pulses++ ? DOUBTED : i + first;
            begin = i;
        }
        if (is_edge)
            end = i;
    }
    /* The trigger itself may be seen in the trace, and the pulse later. */
    if (own != NOT_SEEN)
        return other_size > limits->larger * own_size ? DOUBTED : own;
    return only;
}

/* --- what stands out --------------------------------------------------------------------------- */

typedef struct {
    double held_ms, step_share;  /* an amplifier held so long; a step by which nothing is let go */
    double lowest_rate, skipped_ms, stray_ratio, stray_share; /* one sample alone */
} OddLimits;

/* Whether a response is under way when the amplifier is let go: its onset is not seen. */
static int is_blanked(const Sweep *sweep, const OddLimits *limits, double *away, int64_t *keys)
{
    Index start = later(sweep->stimulus, 0) + 1, n = sweep->n - start;
    if (n < 2)
        return 0;
    const double *s = sweep->x + start;
    Index looked = earlier(n, whole(rounded(HELD_LOOKED_S * sweep->rate))), held = 1;
    while (held < looked && s[held] == s[held - 1])
        held++;
    if (held >= looked || (double)held * 1000.0 / sweep->rate < limits->held_ms || !is_finite(s, n))
        return 0;
    Index n_free = n - held;
    double level = median_of(s + held, n_free, keys);
    for (Index i = 0; i < n_free; i++)
        away[i] = fabs(s[held + i] - level);
    /* Let go from a rail to the baseline, nothing is under way yet. */
    double step = smaller(fabs(s[held] - s[held - 1]), away[0]);
    return step > limits->step_share * largest(away, 0, n_free);
}

/* By how much the sample that stands farthest from both its neighbors does so, on one side. */
static double most_alone(const double *s, Index n)
{
    Wide most = {0.0};
    Index i = 0;
    for (; i + WIDE + 2 <= n; i += WIDE) {
        Wide middle = *(const Wide *)(s + i + 1);
        Wide there = middle - *(const Wide *)(s + i), back = middle - *(const Wide *)(s + i + 2);
        Wide one = size_of(there), other = size_of(back);
        Masks less = one < other, same = there * back > 0.0;
        Masks both = ((Masks)one & less) | ((Masks)other & ~less);
        most = larger_of((Wide)(both & same), most);
    }
    double alone = 0.0;
    for (int k = 0; k < WIDE; k++)
        alone = larger(alone, most[k]);
    for (; i + 2 < n; i++) {
        double there = s[i + 1] - s[i], back = s[i + 1] - s[i + 2];
        double both = smaller(fabs(there), fabs(back));
        alone = larger(alone, there * back > 0.0 ? both : 0.0);
    }
    return alone;
}

/* Whether one sample alone stands out, as no muscle's response does. */
static int has_stray(const Sweep *sweep, const OddLimits *limits, double *steps, int64_t *keys)
{
    if (sweep->rate < limits->lowest_rate)
        return 0;
    Index start = later(sweep->stimulus + samples_in(limits->skipped_ms, sweep->rate), 0);
    Index n = sweep->n - start;
    if (n < FEWEST_SAMPLES || !is_finite(sweep->x + start, n))
        return 0;
    const double *s = sweep->x + start;
    double alone = most_alone(s, n);
    if (alone <= limits->stray_share * extent_of(s, 0, n))
        return 0;
    step_sizes(s, n, steps);
    double usual = median_of(steps, n - 1, keys);
    return usual > 0.0 && alone > limits->stray_ratio * usual;
}

/* How far the samples of a sweep reach behind what is skipped; NaN where these are few or no
 * numbers. */
static double extent_behind(const Sweep *sweep)
{
    Index from = later(sweep->stimulus, 0) + samples_in(sweep->skipped_ms, sweep->rate);
    Index left = sweep->n - from;
    if (left < FEWEST_OF_RESPONSE || !is_finite(sweep->x + from, left))
        return NAN;
    return extent_of(sweep->x, from, sweep->n);
}

/* --- which way is up --------------------------------------------------------------------------- */

typedef struct {
    double skipped_ms, compared_ms; /* what of a sweep is held against another */
    double noise_ratio;             /* a response stands so far out of the noise */
    double correlation, lead;       /* of a mirror image: the least, and by how much the better */
} MirrorLimits;

/* Write the response of a sweep at 10 kHz or less, without artefact and level, to `curve`, which
 * has room; give its samples, 0 where these are few or no numbers. */
static Index curve_of(const Sweep *sweep, const MirrorLimits *limits, Index room, double *curve,
                      int64_t *keys)
{
    double rate = sweep->rate;
    Index step = whole(rate / CURVE_HZ);
    step = later(1, (double)step * CURVE_HZ > rate ? step - 1 : step);
    Index from = later(sweep->stimulus, 0) + samples_in(limits->skipped_ms, rate), n = 0;
    Index stop = earlier(sweep->stimulus + samples_in(limits->compared_ms, rate), sweep->n);
    for (Index i = from; i < stop && n < room; i += step)
        curve[n++] = sweep->x[i];
    if (n < FEWEST_SAMPLES || !is_finite(curve, n))
        return 0;
    double level = median_of(curve, n, keys);
    for (Index i = 0; i < n; i++)
        curve[i] -= level;
    return n;
}

static inline double largest_size(const double *v, Index a, Index b)
{
    return larger(largest(v, a, b), -smallest(v, a, b));
}

/* Sum of the products of two curves, the other one `lag` samples later. */
static double overlap(const double *one, Index n, const double *other, Index m, Index lag)
{
    double sum = 0.0;
    for (Index i = later(lag, 0); i < n && i - lag < m; i++)
        sum += one[i] * other[i - lag];
    return sum;
}

/* Place of the first sample that strays farthest. */
static Index peak_of(const double *v, Index n)
{
    double up = largest(v, 0, n), down = smallest(v, 0, n);
    Index top = up >= -down ? place_of(v, 0, n, up) : n;
    return up <= -down ? earlier(top, place_of(v, 0, n, down)) : top;
}

/* -1 where one curve is the mirror image of the other, 1 where it is its like, else 0. */
static int64_t sign_of(const double *one, Index n, const double *other, Index m,
                       const MirrorLimits *limits, double size)
{
    double like = -INFINITY, mirror = -INFINITY;
    for (Index lag = 1 - m; lag < n; lag++) {
        double alike = overlap(one, n, other, m, lag);
        like = larger(like, alike);
        mirror = larger(mirror, -alike);
    }
    like /= size;
    mirror /= size;
    if (mirror > limits->correlation && mirror > like + limits->lead)
        return -1;
    return like > mirror;
}

/* Whether a response stands clear of the noise. */
static int is_clear(const double *curve, Index n, double ratio, double *steps, int64_t *keys)
{
    if (!n)
        return 0;
    step_sizes(curve, n, steps);
    double noise = ratio * median_of(steps, n - 1, keys);
    return noise > 0.0 && largest_size(curve, 0, n) > noise;
}

/* Which of n curves strays farthest; -1 for none. */
static Index largest_of(const double *curves, Index room, const Index *sizes, Index n)
{
    double most = 0.0;
    Index best = -1;
    for (Index i = 0; i < n; i++) {
        double size = sizes[i] ? largest_size(curves + i * room, 0, sizes[i]) : 0.0;
        if (size > most) {
            most = size;
            best = i;
        }
    }
    return best;
}

/* Hold n sweeps against the one with the largest clear response; give the signs of those that are
 * clear, UNCLEAR for others. Where none can be a mirror image all signs are 0.
 *
 * `room` is for the samples of one curve; `work` holds n + 2 times that. */
static void mirror_signs(const Sweep *sweeps, Index n, const MirrorLimits *limits, Index room,
                         double *work, Index *signs)
{
    double *steps = work + n * room;
    int64_t *keys = (int64_t *)(steps + room);
    Index *sizes = signs; /* samples of each curve, until its sign is known */
    for (Index i = 0; i < n; i++)
        sizes[i] = curve_of(sweeps + i, limits, room, work + i * room, keys);
    Index best = largest_of(work, room, sizes, n);
    if (best >= 0 && !is_clear(work + best * room, sizes[best], limits->noise_ratio, steps, keys)) {
        for (Index i = 0; i < n; i++)
            if (!is_clear(work + i * room, sizes[i], limits->noise_ratio, steps, keys))
                sizes[i] = 0;
        best = largest_of(work, room, sizes, n);
    }
    const double *one = work + best * room;
    Index n_one = best < 0 ? 0 : sizes[best], n_open = 0;
    Index top = n_one ? peak_of(one, n_one) : 0;
    double energy = overlap(one, n_one, one, n_one, 0);
    for (Index i = 0; i < n; i++) {
        const double *other = work + i * room;
        Index m = best < 0 ? 0 : sizes[i];
        if (!m || i == best)
            continue;
        Index lag = top - peak_of(other, m);
        double size = sqrt(energy * overlap(other, m, other, m, 0));
        /* No correlation is above 1: what is so much alike at one lag is no mirror image. */
        n_open += !(overlap(one, n_one, other, m, lag) >= (1.0 + 1e-9 - limits->lead) * size);
    }
    for (Index i = 0; i < n; i++) {
        const double *other = work + i * room;
        Index m = sizes[i];
        signs[i] = m ? 0 : UNCLEAR;
        if (!m || !n_open)
            continue;
        signs[i] = UNCLEAR;
        if (!is_clear(other, m, limits->noise_ratio, steps, keys))
            continue;
        double size = sqrt(energy * overlap(other, m, other, m, 0));
        signs[i] = sign_of(one, n_one, other, m, limits, size);
    }
}

typedef struct {
    PulseLimits pulse;
    OddLimits odd;
    MirrorLimits mirror;
} Questions;

/* Write the signs of those of n sweeps that belong to one group; `members` and `signs` hold n. */
static void answer_group(const Sweep *sweeps, Index n, int64_t group, const MirrorLimits *limits,
                         Index room, double *work, Sweep *members, Index *signs, double *found)
{
    Index m = 0;
    for (Index i = 0; i < n; i++)
        if (sweeps[i].group == group)
            members[m++] = sweeps[i];
    if (m < 2)
        return; /* nothing to hold it against */
    mirror_signs(members, m, limits, room, work, signs);
    m = 0;
    for (Index i = 0; i < n; i++)
        if (sweeps[i].group == group)
            found[ANSWERS * i + 2] = (double)signs[m++];
}

/* Answer what is asked of each of n sweeps, in four cells: the sample of its artefact; what is odd
 * about it, as bits; its sign beside the others of its group, of `n_groups`; how far it reaches.
 *
 * `room` is for the samples of one curve. `work` holds three times the longest sweep and n + 2
 * curves; and seven cells for each sweep. */
EXPORTED void JOIN(ncs_answers_, BUILD)(const Sweep *sweeps, int64_t n, const Questions *limits,
                                        int64_t n_groups, int64_t longest, int64_t room,
                                        double *work, double *found)
{
    int64_t *keys = (int64_t *)(work + longest);
    uint8_t *edge = (uint8_t *)(work + 2 * longest);
    for (int64_t i = 0; i < n; i++) {
        const Sweep *sweep = sweeps + i;
        double *out = found + ANSWERS * i;
        out[0] = (double)pulse_at(sweep, &limits->pulse, work, keys, edge);
        out[1] = (is_blanked(sweep, &limits->odd, work, keys) ? HELD_INTO_RESPONSE : 0)
                 | (has_stray(sweep, &limits->odd, work, keys) ? STRAY : 0);
        out[2] = UNCLEAR;
        out[3] = extent_behind(sweep);
    }
    double *curves = work + 3 * longest;
    Sweep *members = (Sweep *)(curves + (n + 2) * room);
    Index *signs = (Index *)(members + n);
    for (int64_t group = 0; group < n_groups; group++)
        answer_group(sweeps, n, group, &limits->mirror, room, curves, members, signs, found);
}
