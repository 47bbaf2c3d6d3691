/* An exponential fitted to what follows the stimulus. */
#include "row.h"

/* What a level is held to besides the blocks: as if so many more blocks lay at it. */
typedef struct {
    double weight;  /* of the level before the stimulus, which is zero here */
    double level;   /* the level at the end of the sweep ... */
    double faint;   /* ... and its weight */
} Prior;

/* Residual squares that the k-th decay takes away. */
static inline double decay_gain(const Row *w, Index k, Index end, double n, double cross)
{
    double e = w->sums[end * N_DECAYS + k];
    double centered = w->squares[end * N_DECAYS + k] - e * e / n;
    return centered < 1e-12 ? 0.0 : cross * cross / centered;
}

/* Lengthen the fitted stretch from the artefact on while one decay explains it. */
static Index grow_window(Row *w, const double *restrict y, Index limit, Prior prior, double variance)
{
    double s[N_DECAYS] = {0.0};
    double sy = prior.faint * prior.level;
    double syy = sy * prior.level;
    double last = -1.0;
    Index first = w->first, checked = first, b = first;
    while (b < limit) {
        double v = y[w->pre + b];
        const double *e = w->means + b * N_DECAYS;
        sy += v;
        syy += v * v;
        for (Index k = 0; k < N_DECAYS; k++)
            s[k] += v * e[k];
        b++;
        if (b < first + 3 || (b > first + 8 && (b - first) % 2 == 1 && b < limit))
            continue;
        double n = (double)(b - first) + prior.weight + prior.faint;
        const double *sums = w->sums + b * N_DECAYS;
        double gain[N_DECAYS], best = 0.0;
        for (Index k = 0; k < N_DECAYS; k++)
            gain[k] = decay_gain(w, k, b, n, s[k] - sums[k] * sy / n);
        for (Index k = 0; k < w->n_decays; k++)
            best = larger(best, gain[k]);
        double rss = syy - sy * sy / n - best;
        if (last >= 0.0 && rss - last > 20.0 * variance)
            return checked;
        last = rss;
        checked = b;
    }
    return b;
}

/* Solve for level and size of the decay at index at + d; give a change of d. */
static double newton(Row *w, const double *restrict y, Index end, double n, Prior prior, Index at,
                     double d)
{
    double w0 = 0.5 * d * (d - 1.0), w1 = 1.0 - d * d, w2 = 0.5 * d * (d + 1.0);
    double v0 = d - 0.5, v1 = -2.0 * d, v2 = d + 0.5;
    double se = 0.0, sf = 0.0, see = 0.0, sef = 0.0, sff = 0.0, sey = 0.0, sfy = 0.0;
    double sy = prior.faint * prior.level;
    for (Index b = w->first; b < end; b++) {
        const double *m = w->means + b * N_DECAYS + at;
        double e = w0 * m[-1] + w1 * m[0] + w2 * m[1];
        double f = v0 * m[-1] + v1 * m[0] + v2 * m[1];
        double v = y[w->pre + b];
        se += e;
        sf += f;
        see += e * e;
        sef += e * f;
        sff += f * f;
        sy += v;
        sey += e * v;
        sfy += f * v;
    }
    see -= se * se / n;
    sef -= se * sf / n;
    sff -= sf * sf / n;
    sey -= se * sy / n;
    sfy -= sf * sy / n;
    w->w0 = w0;
    w->w1 = w1;
    w->w2 = w2;
    w->level = sy / n;
    w->decay = 0.0;
    if (see <= 0.0)
        return 0.0;
    double size = sey / see;
    /* A small ridge keeps the step sane where the window is too short to tell the decay. */
    double det = see * sff * 1.0001 - sef * sef;
    double shift = 0.0;
    if (det > 1e-18 && size != 0.0)
        shift = within((see * sfy - sef * sey) / det / size, -0.5, 0.5);
    w->level = (sy - size * se) / n;
    w->decay = size;
    return shift;
}

/* Fit level + size * exp(-t / tau) to the blocks first..end after the stimulus. */
static void fit_decay(Row *w, const double *restrict y, Index end, Prior prior, double variance)
{
    Index first = w->first;
    double sy = prior.faint * prior.level;
    for (Index b = first; b < end; b++)
        sy += y[w->pre + b];
    double n = (double)(end - first) + prior.weight + prior.faint;
    double level = sy / n;
    double s[N_DECAYS] = {0.0};
    for (Index b = first; b < end; b++) {
        double v = y[w->pre + b] - level;
        const double *e = w->means + b * N_DECAYS;
        for (Index k = 0; k < N_DECAYS; k++)
            s[k] += v * e[k];
    }
    double best = -1.0;
    Index at = 1;
    for (Index k = 0; k < w->n_decays; k++) {
        double gain = decay_gain(w, k, end, n, s[k]);
        if (gain > best) {
            best = gain;
            at = k;
        }
    }
    w->level = level;
    w->decay = 0.0;
    if (best < 12.0 * variance || end - first < 2)
        return;
    at = earlier(later(at, 1), w->n_decays - 2);
    double g0 = decay_gain(w, at - 1, end, n, s[at - 1]);
    double g1 = decay_gain(w, at, end, n, s[at]);
    double g2 = decay_gain(w, at + 1, end, n, s[at + 1]);
    double bend = g0 - 2.0 * g1 + g2;
    double d = bend < 0.0 ? within(0.5 * (g0 - g2) / bend, -1.0, 1.0) : 0.0;
    for (int i = 0; i < 2; i++)
        d = within(d + newton(w, y, end, n, prior, at, d), -1.3, 1.3);
    w->at = at;
}

/* Write block means less the fitted level and decay, which ends after `n_table` blocks. */
static void take_decay(const Row *w, const double *restrict y, Index n_table)
{
    double *restrict r = w->r;
    double level = w->level;
    for (Index b = 0; b < w->n_blocks; b++)
        r[b] = y[b] - level;
    if (w->decay != 0.0)
        take_decay_blocks(w, earlier(w->n_blocks - w->pre, n_table), r);
}
