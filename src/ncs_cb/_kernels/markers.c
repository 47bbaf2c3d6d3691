/* Onset, peaks, returns and areas, from the samples about them. */
#include "row.h"

/* Sum of the 2 h + 1 values about the i-th. */
static double sum_about(const double *z, Index i, Index h)
{
    double total = 0.0;
    for (Index j = i - h; j <= i + h; j++)
        total += z[j];
    return total;
}

/* Walk back from *i to where the smoothed trace falls below level.
 * Gives the fractional index, and in *i the whole index after it to go on from. */
static double cross_back(const double *restrict z, Index *i, Index h, double level)
{
    Index at = *i;
    double total = sum_about(z, at, h);
    level *= (double)(2 * h + 1);
    if (h == 0 && at > 0) {
        /* Of single samples all but the last step can be left out. */
        at = later(1, last_on(z, 0, at, BELOW, level) + 1);
        total = z[at];
    }
    for (; at > h; at--) {
        double below = total - z[at + h] + z[at - 1 - h];
        if (below < level) {
            double f = total > below ? (level - below) / (total - below) : 0.0;
            *i = at;
            return (double)(at - 1) + smaller(f, 1.0);
        }
        total = below;
    }
    *i = at;
    return (double)h;
}

/* Sub-sample index at which the rising edge leaves 1 % of the negative peak.
 * Walks back from sample i of n, high on the edge of a phase of height `top`. */
static double find_onset(const double *restrict z, Index n, Index i, double height, double top,
                         double white, Index max_half)
{
    /* Smooth until 1 % of the peak stands clear of the noise, but not for long; then start from
     * the lowest level that does, and never from above a third of the phase. */
    double level = ONSET_LEVEL * height;
    Index h = 0;
    while (h < max_half && 2 * h + 3 <= n
           && level * level * (double)(2 * h + 1) < 9.0 * white * white)
        h++;
    double clear = 2.5 * white / sqrt(2.0 * (double)h + 1.0);
    int steps = 0;
    while (level < clear && steps < 5 && 8.0 * level < top) {
        level *= 2.0;
        steps++;
    }
    i = earlier(later(i, h), n - 1 - h);
    double total = sum_about(z, i, h);
    while (i < n - 1 - h && total < 4.0 * level * (double)(2 * h + 1)) {
        i++;
        total += z[i + h] - z[i - 1 - h];
    }
    double t4 = cross_back(z, &i, h, 4.0 * level);
    double t2 = cross_back(z, &i, h, 2.0 * level);
    double t1 = cross_back(z, &i, h, level);
    if (steps == 0)
        return t1;
    /* t(level) rises like a power of level; softened towards the usual shape. */
    double d = t2 - t1;
    double ratio = 1.0 / within((t4 - t2 + 5.1) / (d + 3.0), 1.5, 2.0);
    for (; steps > 0; steps--) {
        d *= ratio;
        t1 -= d;
    }
    return t1;
}

/* Sub-sample index from i on at which the falling edge is back at baseline; -1 when it is not. */
static double find_return(const double *restrict z, Index i, Index n, double height, double white,
                          Index max_half)
{
    double level = RETURN_LEVEL * height;
    Index h = 0;
    while (h < max_half && level * level * (double)(2 * h + 1) < 4.0 * white * white)
        h++;
    i = later(i, h);
    if (i >= n - h - 1)
        return -1.0;
    level *= (double)(2 * h + 1);
    double above = sum_about(z, i, h);
    for (; i < n - h - 1; i++) {
        double below = above + z[i + 1 + h] - z[i - h];
        if (below < level) {
            if (above <= level)
                return (double)i;
            return (double)i + (above - level) / (above - below);
        }
        above = below;
    }
    return -1.0;
}

/* The vertex of a parabola. */
typedef struct {
    double height, place, bend;
} Vertex;

/* Fit a parabola to v[a:b], three values or more. */
static Vertex fit_top(const double *restrict v, Index a, Index b)
{
    Index m = b - a;
    double k = (double)m;
    double middle = 0.5 * (double)(a + b - 1);
    double sy = 0.0, sy1 = 0.0, sy2 = 0.0;
    /* In pairs about the middle, which all but one of the powers cancel in. */
    for (Index j = 0; j < m / 2; j++) {
        double u = middle - (double)(a + j);
        double both = v[b - 1 - j] + v[a + j];
        sy += both;
        sy1 += u * (v[b - 1 - j] - v[a + j]);
        sy2 += u * u * both;
    }
    if (m % 2 == 1)
        sy += v[a + m / 2];
    double s2 = k * (k * k - 1.0) / 12.0;
    double s4 = s2 * (3.0 * k * k - 7.0) / 20.0;
    double det = k * s4 - s2 * s2;
    double c2 = (k * sy2 - s2 * sy) / det;
    double c0 = (sy - c2 * s2) / k;
    double c1 = sy1 / s2;
    Vertex top = {c0, middle, c2};
    if (c2 == 0.0)
        return top;
    double u = -0.5 * c1 / c2;
    if (u < (double)a - middle || u > (double)(b - 1) - middle) {
        top.bend = 0.0;
        return top;
    }
    top.height = c0 + 0.5 * c1 * u;
    top.place = middle + u;
    return top;
}

/* Height of the extreme of that sign at block `peak`, and in *place where it is, in samples. */
static double find_top(Row *w, Index peak, double sign, double *place)
{
    const double *restrict r = w->r;
    Index size = w->size;
    double share = sign > 0.0 ? 0.03 : 0.08;
    /* Down to four standard deviations: with fewer, noise chooses the blocks and lifts the top. */
    double drop = share * sign * r[peak] + 4.0 * w->white / sqrt((double)size);
    double bottom = sign * r[peak] - drop;
    Index a = later(0, peak - 12), b = earlier(w->n_blocks, peak + 13);
    if (sign > 0.0) {
        a = last_on(r, a, peak, AT_MOST, bottom) + 1;
        b = first_on(r, peak + 1, b, AT_MOST, bottom);
    } else {
        a = last_on(r, a, peak, AT_LEAST, -bottom) + 1;
        b = first_on(r, peak + 1, b, AT_LEAST, -bottom);
    }
    if (b - a >= 5) {
        Vertex top = fit_top(r, a, b);
        if (sign * top.bend < 0.0) {
            /* The mean over a block lies below its middle by the bend. */
            double k = (double)size;
            *place = top.place * k + 0.5 * (k - 1.0);
            return top.height - top.bend * (k * k - 1.0) / (12.0 * k * k);
        }
        /* No vertex among so many blocks: of their samples, noise would choose the highest. */
        a = later(a, peak - 1);
        b = earlier(b, peak + 2);
    }
    /* The samples of few blocks. */
    Index from = later(0, (a - 1) * size);
    Index n = earlier(w->n, (b + 1) * size) - from;
    const double *z = w->z;
    take_baseline_samples(w, from, from + n);
    a = a * size - from;
    b = earlier(b * size - from, n);
    Index at = a;
    for (Index i = a; i < b; i++)
        if (sign * z[i] > sign * z[at])
            at = i;
    if (b - a < 3 && 0 < at && at < n - 1) {
        a = at - 1;
        b = at + 2;
    }
    if (b - a >= 3) {
        Vertex top = fit_top(z, a, b);
        if (sign * top.bend < 0.0) {
            *place = (double)from + top.place;
            return top.height;
        }
    }
    *place = (double)(from + at);
    return z[at];
}

/* Integral of z from fractional index t0 to t1 by trapezoids, zero at both ends.
 * A slow rise may be taken back to an onset before the first value: it is a line from there. */
static double area_between(const double *z, double t0, double t1)
{
    Index i0 = later(whole(t0) + 1, 0);
    Index i1 = whole(t1);
    if (i1 < i0)
        return 0.0;
    double total = sum_of(z + i0, i1 + 1 - i0) - 0.5 * (z[i0] + z[i1]);
    return total + 0.5 * ((double)i0 - t0) * z[i0] + 0.5 * (t1 - (double)i1) * z[i1];
}

/* Whether the raw extreme at sample `at` is a run of equal values with an abrupt entry. */
static int runs_flat(Samples x, Index lo, Index hi, Index at, double sign)
{
    double value = sample(x, at);
    Index start = at, end = at + 1;
    while (start > lo && sample(x, start - 1) == value)
        start--;
    while (end < hi && sample(x, end) == value)
        end++;
    if (end - start < 3)
        return 0;
    /* Half a run outside a smooth top the trace has fallen by three times what it fell within
     * the run, which is at most one bit; outside a cut-off top by three times the cut. */
    Index reach = (end - start + 1) / 2;
    if (start - reach < lo || end + reach > hi) {
        reach = earlier(start - lo, hi - end);
        if (reach < 1)
            return 0;
    }
    double left = sign * (value - sample(x, start - reach));
    double right = sign * (value - sample(x, end + reach - 1));
    double fall = smaller(left, right);
    if (fall <= 0.0)
        return 0;
    double bit = fall;
    Index stop = earlier(hi, end + 4 * reach + 8);
    for (Index i = later(lo + 1, start - 4 * reach - 8); i < stop; i++) {
        double d = fabs(sample(x, i) - sample(x, i - 1));
        if (0.0 < d && d < bit)
            bit = d;
    }
    return fall > 16.0 * bit;
}

/* How many of the samples a..b equal the one before. */
static Index ties_in(Samples x, Index a, Index b)
{
    Masks ties = {0};
    Index i = a + 1, n = 0;
    for (; i + WIDE <= b; i += WIDE)
        ties -= some(x, i) == some(x, i - 1);
    for (int k = 0; k < WIDE; k++)
        n += ties[k];
    for (; i < b; i++)
        n += sample(x, i) == sample(x, i - 1);
    return n;
}

/* Whether the raw samples about the extreme `at` run into a limit. */
static int is_clipped(const Row *w, Index lo, Index hi, Index at, double sign)
{
    Samples x = w->x;
    Index a = later(lo, at - 12);
    Index b = earlier(hi, at + 13);
    double limit = sign > 0.0 ? w->high_mv : -w->low_mv;
    if (limit > UNLIMITED_MV && ties_in(x, a, b) < 2)
        return 0;
    double best = sign * sample(x, a);
    for (Index i = a + 1; i < b; i++)
        best = larger(best, sign * sample(x, i));
    if (limit < UNLIMITED_MV && best >= limit - 1e-6 * (w->high_mv - w->low_mv))
        return 1;
    for (Index i = a + 1; i < b; i++)
        if (sign * sample(x, i) == best && sample(x, i) == sample(x, i - 1)
            && runs_flat(x, lo, hi, i, sign))
            return 1;
    return 0;
}
