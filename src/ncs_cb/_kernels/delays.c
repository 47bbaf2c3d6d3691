/* What delay distributions make of a distal response, and how that changes with each parameter.
 *
 * The model stands in dispersion/deconvolution.py; tests/refine_oracle.py says the same in numpy.
 * Four distributions of a pair are computed side by side, one in a lane. */
#include "row.h"

enum { MOST_GROUPS = MOST_KINDS / LANES };

/* Places of the parameters. */
enum { MASS = 0, BLUR, SHARE, GAP, EXTENT, DELAY };

_Static_assert(PARAMETERS == DELAY + 1, "every parameter has its place");
_Static_assert(MOST_KINDS % LANES == 0, "kinds fill their groups");
_Static_assert(KEPT_KINDS == LANES, "the kept kinds are one group");

/* What is the same for all pairs. */
typedef struct {
    const double *radians;        /* per ms, of every frequency */
    const double *low, *high;     /* limits of the parameters */
    const double *mean, *precision; /* their normal priors */
    const double *grains;         /* squares of the sizes of grain ... */
    const double *tied;           /* ... and the error each allows, GRAINS x FREQUENCIES */
    Index rounds;                 /* steps before some kinds are dropped, and after */
    int cell[PERIOD];             /* of every frequency */
} Setting;

typedef struct {
    const double *distal, *proximal; /* PARTS */
    const double *distal_noise, *proximal_noise;
    double evidence;
    double signal[FREQUENCIES];   /* power of the distal spectrum */
    double window[PERIOD];        /* cuts a spectrum off as the proximal trace was */
} PairSpectra;

/* Distributions, one in a lane, and what their parameters give. */
typedef struct {
    int fitted[PARAMETERS];       /* whether a parameter is fitted in any lane */
    int has_late;                 /* whether any lane has a late group */
    /* From here on all are lanes. */
    Lanes theta[PARAMETERS];
    Choice is_even;               /* the late group is spread evenly, else exponentially */
    Choice fixed[PARAMETERS];     /* not fitted */
    Lanes damping, cost;
    Lanes certainty[FREQUENCIES];
    /* From here on all follow from the parameters. */
    Complex path[FREQUENCIES];    /* distal spectrum, delayed and blurred */
    Complex held[FREQUENCIES];    /* late group */
    Complex slope[FREQUENCIES];   /* its derivative by its width */
    Lanes power[FREQUENCIES];     /* of the transfer function of unit mass */
    Lanes unit[PARTS];            /* the windowed model of unit mass */
    Lanes by_share[PARTS];        /* its derivative by the share, where there is a late group */
    Lanes error[PARTS];           /* what the windowed model leaves of the proximal spectrum */
} Group;

/* The power of a spectrum at a frequency. */
static inline double size_at(const double *spectrum, int f)
{
    return spectrum[2 * f] * spectrum[2 * f] + spectrum[2 * f + 1] * spectrum[2 * f + 1];
}

/* -i w a */
INLINE Complex delayed(Complex a, double w) { return (Complex){a.im * w, -(a.re * w)}; }

INLINE int any_lane(Choice c)
{
    int64_t bits = 0;
    for (int i = 0; i < LANES; i++)
        bits |= c[i];
    return bits != 0;
}

/* exp(-w w blur / 2) at every frequency w: from one to the next it falls by an odd power. */
static void blur_all(const Lanes *first, Lanes *blur)
{
    Lanes fall = exponential(*first), next = fall, square = fall * fall;
    blur[0] = alike(1.0);
    for (int f = 1; f < FREQUENCIES; f++) {
        blur[f] = blur[f - 1] * next;
        next *= square;
    }
}

/* Write the late groups and their derivatives by their width, delayed by the gap. */
static void hold_late(const Setting *set, Group *k)
{
    Complex fall[FREQUENCIES], gap[FREQUENCIES];
    Lanes extent = k->theta[EXTENT], per = 1.0 / extent;
    double step = set->radians[1];
    int some_spread = any_lane(~k->is_even), some_gap = any_lane(k->theta[GAP] != 0.0);
    turn_all(extent * step, fall, FREQUENCIES);
    if (some_gap)
        turn_all(k->theta[GAP] * step, gap, FREQUENCIES);
    for (int f = 0; f < FREQUENCIES; f++) {
        double w = set->radians[f];
        Complex group = {alike(1.0), alike(0.0)}, by_extent;
        if (f > 0) {
            Lanes turn = per * (1.0 / w);
            group = (Complex){-(fall[f].im * turn), (fall[f].re - 1.0) * turn};
        }
        by_extent = scaled((Complex){fall[f].re - group.re, fall[f].im - group.im}, per);
        if (some_spread) {
            Lanes turn = w * extent, size = 1.0 / (1.0 + turn * turn);
            Complex spread = {size, -(turn * size)}, slope = delayed(times(spread, spread), w);
            group.re = chosen(k->is_even, group.re, spread.re);
            group.im = chosen(k->is_even, group.im, spread.im);
            by_extent.re = chosen(k->is_even, by_extent.re, slope.re);
            by_extent.im = chosen(k->is_even, by_extent.im, slope.im);
        }
        k->slope[f] = some_gap ? times(by_extent, gap[f]) : by_extent;
        k->held[f] = some_gap ? times(group, gap[f]) : group;
    }
}

/* Compute what the parameters of distributions give. */
static void evaluate(const Setting *set, const PairSpectra *pair, Group *k)
{
    Complex delay[FREQUENCIES], unit[FREQUENCIES], by_share[FREQUENCIES];
    Lanes blur[FREQUENCIES];
    double step = set->radians[1];
    Lanes share = k->theta[SHARE], first = -0.5 * step * step * k->theta[BLUR];
    turn_all(k->theta[DELAY] * step, delay, FREQUENCIES);
    blur_all(&first, blur);
    if (k->has_late)
        hold_late(set, k);
    for (int f = 0; f < FREQUENCIES; f++) {
        Complex mixed = {alike(1.0), alike(0.0)};
        if (!k->has_late)
            k->held[f] = k->slope[f] = (Complex){alike(0.0), alike(0.0)};
        else
            mixed = (Complex){1.0 - share + share * k->held[f].re, share * k->held[f].im};
        Complex sent = {alike(pair->distal[2 * f]), alike(pair->distal[2 * f + 1])};
        k->path[f] = times(scaled(delay[f], blur[f]), sent);
        unit[f] = times(k->path[f], mixed);
        by_share[f] = times(k->path[f], (Complex){k->held[f].re - 1.0, k->held[f].im});
        k->power[f] = blur[f] * blur[f] * (mixed.re * mixed.re + mixed.im * mixed.im);
    }
    cut_off(unit, k->has_late ? by_share : NULL, pair->window, set->cell, k->unit, k->by_share);
    for (int j = 0; j < PARTS; j++)
        k->error[j] = pair->proximal[j] - k->theta[MASS] * k->unit[j];
}

/* Write the windowed derivatives by each fitted parameter; zero in the lanes where it is fixed. */
static void derive(const Setting *set, const PairSpectra *pair, const Group *k,
                   Lanes (*jacobian)[PARTS])
{
    Complex by[PARAMETERS][FREQUENCIES];
    Lanes mass = k->theta[MASS], share = k->theta[SHARE];
    for (int f = 0; f < FREQUENCIES; f++) {
        double w = set->radians[f];
        Complex arrived = scaled(k->path[f], mass), unit = arrived;
        if (k->has_late) {
            Complex late = scaled(times(arrived, k->held[f]), share);
            unit.re = arrived.re * (1.0 - share) + late.re;
            unit.im = arrived.im * (1.0 - share) + late.im;
            by[GAP][f] = delayed(late, w);
            by[EXTENT][f] = scaled(times(arrived, k->slope[f]), share);
        }
        by[BLUR][f] = scaled(unit, alike(-0.5 * w * w));
        by[DELAY][f] = delayed(unit, w);
    }
    cut_off(by[BLUR], by[DELAY], pair->window, set->cell, jacobian[BLUR], jacobian[DELAY]);
    if (k->fitted[EXTENT])
        cut_off(by[EXTENT], k->fitted[GAP] ? by[GAP] : NULL, pair->window, set->cell,
                jacobian[EXTENT], jacobian[GAP]);
    for (int j = 0; j < PARTS; j++) {
        jacobian[MASS][j] = k->unit[j];
        if (k->has_late)
            jacobian[SHARE][j] = mass * k->by_share[j];
    }
    for (int p = 0; p < PARAMETERS; p++)
        for (int j = 0; j < PARTS; j++)
            jacobian[p][j] = k->fitted[p] ? chosen(k->fixed[p], alike(0.0), jacobian[p][j])
                                          : alike(0.0);
}
