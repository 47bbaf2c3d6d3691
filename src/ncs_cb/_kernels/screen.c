/* Where to begin: a coarse library of delay distributions, tried on every pair.
 *
 * The library stands in dispersion/screening.py; tests/screen_oracle.py says the same in numpy.
 * Four trials are computed side by side, one in a lane. */
#include "row.h"

_Static_assert(2 * TRIED == FREQUENCIES, "every other frequency is tried");
_Static_assert(MOST_TRIALS % LANES == 0, "trials fill their lanes");
_Static_assert(DELAYS % 2 == 1, "as many delays are tried before the middle one as after it");

enum { AFTER = DELAYS / 2 };

/* The library, and delays to try it at. */
typedef struct {
    Index n;                      /* trials, a multiple of LANES */
    const double *centered;       /* n / LANES x TRIED x 2 x LANES: about their mean, real and imaginary */
    const double *power;          /* n / LANES x TRIED x LANES */
    Index n_kinds;
    const int64_t *edges;         /* the first trial of every kind, and n */
    Index n_coarse;               /* coarse delays */
    const double *low;            /* 2 LOW_BAND x n_coarse, filled up to LANES: what agrees */
    const double *coarse;         /* n_coarse x TRIED x 2: turned back by each */
    const double *fine;           /* 2 x TRIED x AFTER: cosines and sines of by how much more */
    double grain;                 /* square of the size of grain ... */
    const double *tied;           /* ... and the error it allows, TRIED */
    double most;                  /* no more arrives than this */
} Trials;

/* The coarse delay at which the low band of the cross spectrum agrees best. */
static Index agrees_at(const Trials *t, const double *cross)
{
    Index best = 0;
    double most = -INFINITY;
    Index row = (t->n_coarse + LANES - 1) / LANES * LANES;
    for (Index at = 0; at < t->n_coarse; at += LANES) {
        Lanes sum = alike(0.0);
        for (int k = 0; k < 2 * LOW_BAND; k++)
            sum += cross[k] * lanes_at(t->low + k * row + at);
        for (int i = 0; i < LANES && at + i < t->n_coarse; i++)
            if (sum[i] > most) {
                most = sum[i];
                best = at + i;
            }
    }
    return best;
}

/* Add up values times the cosines, or the sines, of every delay after the middle one. */
INLINE void add_delays(const Lanes *values, const double *turns, Lanes *match)
{
    Lanes sum[AFTER];
    for (int d = 0; d < AFTER; d++)
        sum[d] = alike(0.0);
    for (int f = 0; f < TRIED; f++)
        for (int d = 0; d < AFTER; d++)
            sum[d] += values[f] * turns[f * AFTER + d];
    for (int d = 0; d < AFTER; d++)
        match[d] = sum[d];
}

/* What of a pair the trials are weighed with, at the tried frequencies. */
typedef struct {
    double noise[TRIED], ripple[TRIED], arrived[TRIED]; /* of the expected squared deviation */
    double sent[TRIED], power[TRIED]; /* proximal and aligned distal power */
    double cross[TRIED][2];       /* cross spectrum, turned back by the coarse delay */
} Tried;

/* Compare trials; give what they cost, the mass that suits them, and at which delay. What agrees
 * is a sum of cosines, alike for a delay more or less, and of sines, which change sign. */
static void compare(const Trials *t, const Tried *pair, const double *centered,
                    const double *power, Lanes *cost, Lanes *scale, Lanes *at)
{
    Lanes even[TRIED], odd[TRIED], of_even[AFTER], of_odd[AFTER], match[DELAYS];
    Lanes size = alike(0.0), rest = alike(0.0), product = alike(1.0), powers = alike(0.0);
    match[AFTER] = alike(0.0);
    for (int f = 0; f < TRIED; f++) {
        Lanes own = lanes_at(power + f * LANES);
        Lanes deviation = pair->noise[f] + pair->ripple[f] * larger_lanes(1.0 - own, alike(0.0))
                          + pair->arrived[f] * own;
        Lanes certainty = 1.0 / deviation;
        Lanes re = lanes_at(centered + 2 * f * LANES) * certainty;
        Lanes im = lanes_at(centered + (2 * f + 1) * LANES) * certainty;
        even[f] = re * pair->cross[f][0] + im * pair->cross[f][1];
        odd[f] = im * pair->cross[f][0] - re * pair->cross[f][1];
        match[AFTER] += even[f];
        size += own * certainty * pair->power[f];
        rest += certainty * pair->sent[f];
        powers += power_off(&deviation);
        product *= deviation;
    }
    add_delays(even, t->fine, of_even);
    add_delays(odd, t->fine + TRIED * AFTER, of_odd);
    for (int d = 0; d < AFTER; d++) {
        match[AFTER - 1 - d] = of_even[d] - of_odd[d];
        match[AFTER + 1 + d] = of_even[d] + of_odd[d];
    }
    Lanes top = match[0];
    *at = alike(0.0);
    for (int d = 1; d < DELAYS; d++) {
        Choice more = match[d] > top;
        top = chosen(more, match[d], top);
        *at = chosen(more, alike(d), *at);
    }
    top = larger_lanes(top, alike(0.0));
    *scale = top / size;
    *cost = rest - top * *scale + logarithm_of(product, powers);
}

/* Make ready what of a pair is tried; give the coarse delay. */
static Index make_tried(const Trials *t, const double *distal, const double *aligned,
                        const double *proximal, const double *distal_noise,
                        const double *proximal_noise, Tried *pair)
{
    double cross[PARTS], low_sent = 0.0, low_power = 0.0;
    for (int f = 0; f < FREQUENCIES; f++) {
        const double *a = aligned + 2 * f, *p = proximal + 2 * f;
        cross[2 * f] = a[0] * p[0] + a[1] * p[1];
        cross[2 * f + 1] = a[0] * p[1] - a[1] * p[0];
        if (f < LOW_BAND) {
            low_power += size_at(aligned, f);
            low_sent += size_at(proximal, f);
        }
    }
    double scale = smaller(sqrt(low_sent / low_power), t->most);
    Index best = agrees_at(t, cross);
    for (int k = 0; k < TRIED; k++) {
        int f = 2 * k;
        const double *c = cross + 2 * f, *back = t->coarse + (best * TRIED + k) * 2;
        double signal = size_at(distal, f);
        pair->noise[k] = proximal_noise[f];
        pair->ripple[k] = t->grain * scale * signal;
        pair->arrived[k] = scale * scale * (distal_noise[f] + signal * t->tied[k]);
        pair->sent[k] = size_at(proximal, f);
        pair->power[k] = size_at(aligned, f);
        pair->cross[k][0] = c[0] * back[0] - c[1] * back[1];
        pair->cross[k][1] = c[0] * back[1] + c[1] * back[0];
    }
    return best;
}

/* Find the cheapest trial of each kind for n pairs: which, its mass, and its coarse and fine
 * delay. */
EXPORTED void JOIN(ncs_screen_, BUILD)(
    int64_t n, const double *distal, const double *aligned, const double *proximal,
    const double *distal_noise, const double *proximal_noise, int64_t n_trials,
    const double *centered, const double *power, int64_t n_kinds, const int64_t *edges,
    int64_t n_coarse, const double *low, const double *coarse, const double *fine,
    const double *tied, double grain, double most, int64_t *pick, double *scale, int64_t *coarse_at,
    int64_t *fine_at)
{
    const Trials t = {n_trials, centered, power, n_kinds, edges, n_coarse, low, coarse,
                      fine, grain, tied, most};
    if (n_trials > MOST_TRIALS)
        return;
    for (int64_t i = 0; i < n; i++) {
        Lanes cost[MOST_TRIALS / LANES], mass[MOST_TRIALS / LANES], at[MOST_TRIALS / LANES];
        Tried pair;
        coarse_at[i] = make_tried(&t, distal + i * PARTS, aligned + i * PARTS, proximal + i * PARTS,
                                  distal_noise + i * FREQUENCIES,
                                  proximal_noise + i * FREQUENCIES, &pair);
        for (Index g = 0; g < n_trials / LANES; g++)
            compare(&t, &pair, centered + g * 2 * TRIED * LANES, power + g * TRIED * LANES,
                    cost + g, mass + g, at + g);
        for (Index k = 0; k < n_kinds; k++) {
            Index best = edges[k];
            for (Index j = best + 1; j < edges[k + 1]; j++)
                if (cost[j / LANES][j % LANES] < cost[best / LANES][best % LANES])
                    best = j;
            pick[i * n_kinds + k] = best;
            scale[i * n_kinds + k] = mass[best / LANES][best % LANES];
            fine_at[i * n_kinds + k] = (int64_t)at[best / LANES][best % LANES];
        }
    }
}
