/* What delay distributions make of a distal response, and how that changes with each parameter.
 *
 * The model stands in dispersion/deconvolution.py; tests/refine_oracle.py says the same in numpy.
 * Four distributions of a pair are computed side by side, one in a lane. */
#include "row.h"

enum {
    PARTS = 2 * FREQUENCIES, /* real and imaginary parts alternate */
    MOST_GROUPS = MOST_KINDS / LANES
};

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
} Setting;

typedef struct {
    const double *distal, *proximal; /* PARTS */
    const double *distal_noise, *proximal_noise;
    double evidence;
    double signal[FREQUENCIES];   /* power of the distal spectrum */
    double window[PARTS][PARTS];  /* cuts a spectrum off as the proximal trace was */
} PairSpectra;

/* Distributions, one in a lane, and what their parameters give. */
typedef struct {
    int fitted[PARAMETERS];       /* whether a parameter is fitted in any lane */
    int has_late;                 /* whether any lane has a late group */
    int alike;                    /* whether one distribution stands in all lanes */
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

/* Make the matrix of a window from its transform at frequencies 0 to PARTS - 2: what lies at one
 * frequency is moved to all others, and from its mirror image. */
static void window_of(const double *transform, double (*restrict window)[PARTS])
{
    /* Frequencies from -(PARTS - 2) on; and times i. */
    double both[4 * PARTS - 6], turned[4 * PARTS - 6];
    const double *middle = both + 2 * (PARTS - 2), *turned_middle = turned + 2 * (PARTS - 2);
    for (int k = 0; k <= PARTS - 2; k++) {
        double *above = both + 2 * (PARTS - 2 + k), *below = both + 2 * (PARTS - 2 - k);
        below[0] = transform[2 * k];
        below[1] = -transform[2 * k + 1];
        above[0] = transform[2 * k];
        above[1] = transform[2 * k + 1];
    }
    for (int k = 0; k < 4 * PARTS - 6; k += 2) {
        turned[k] = -both[k + 1];
        turned[k + 1] = both[k];
    }
    for (int g = 0; g < FREQUENCIES; g++) {
        /* The mean value is its own mirror image and must not count twice. */
        double twice = g > 0 ? 1.0 : 0.0;
        for (int j = 0; j < PARTS; j++) {
            window[2 * g][j] = middle[j - 2 * g] + twice * middle[j + 2 * g];
            window[2 * g + 1][j] = turned_middle[j - 2 * g] - twice * turned_middle[j + 2 * g];
        }
    }
}

/* Cut `n` spectra of every lane off: some columns at a time, which stay in registers. `n` and
 * `columns` are known where it is used. */
INLINE void cut_columns(const Lanes (*v)[PARTS], const int n, const double (*window)[PARTS],
                        Lanes (*out)[PARTS], const int columns)
{
    for (int j = 0; j < PARTS; j += columns) {
        Lanes sum[PARAMETERS][12];
        for (int i = 0; i < n; i++)
            for (int c = 0; c < columns; c++)
                sum[i][c] = alike(0.0);
        for (int k = 0; k < PARTS; k++)
            for (int i = 0; i < n; i++)
                for (int c = 0; c < columns; c++)
                    sum[i][c] += v[i][k] * window[k][j + c];
        for (int i = 0; i < n; i++)
            for (int c = 0; c < columns; c++)
                out[i][j + c] = sum[i][c];
    }
}

/* The same of one spectrum that stands in all lanes: they hold neighboring columns meanwhile. */
static void cut_alike(const Lanes *v, const double (*window)[PARTS], Lanes *out)
{
    enum { AT_ONCE = 9 };
    _Static_assert(PARTS % (AT_ONCE * LANES) == 0, "columns fill the registers");
    for (int j = 0; j < PARTS; j += AT_ONCE * LANES) {
        Lanes sum[AT_ONCE];
        for (int c = 0; c < AT_ONCE; c++)
            sum[c] = alike(0.0);
        for (int k = 0; k < PARTS; k++)
            for (int c = 0; c < AT_ONCE; c++)
                sum[c] += v[k][0] * lanes_at(window[k] + j + c * LANES);
        for (int c = 0; c < AT_ONCE * LANES; c++)
            out[j + c] = alike(sum[c / LANES][c % LANES]);
    }
}

static void cut_one(const Lanes *v, const double (*window)[PARTS], Lanes *out)
{
    cut_columns((const Lanes (*)[PARTS])v, 1, window, (Lanes (*)[PARTS])out, 12);
}

static void cut_off(const Lanes (*v)[PARTS], int n, int are_alike, const double (*window)[PARTS],
                    Lanes (*out)[PARTS])
{
    for (; n > 0 && are_alike; n--, v++, out++)
        cut_alike(*v, window, *out);
    for (; n >= 5; n -= 5, v += 5, out += 5)
        cut_columns(v, 5, window, out, 2);
    for (; n >= 4; n -= 4, v += 4, out += 4)
        cut_columns(v, 4, window, out, 3);
    for (; n >= 2; n -= 2, v += 2, out += 2)
        cut_columns(v, 2, window, out, 6);
    for (; n > 0; n--, v++, out++)
        cut_one(*v, window, *out);
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
    Complex delay[FREQUENCIES];
    Lanes blur[FREQUENCIES], model[PARTS];
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
        Complex unit = times(k->path[f], mixed);
        model[2 * f] = unit.re;
        model[2 * f + 1] = unit.im;
        k->power[f] = blur[f] * blur[f] * (mixed.re * mixed.re + mixed.im * mixed.im);
    }
    if (k->alike)
        cut_alike(model, pair->window, k->unit);
    else
        cut_one(model, pair->window, k->unit);
    for (int j = 0; j < PARTS; j++)
        k->error[j] = pair->proximal[j] - k->theta[MASS] * k->unit[j];
}

/* Write the windowed derivatives by each fitted parameter; zero in the lanes where it is fixed. */
static void derive(const Setting *set, const PairSpectra *pair, const Group *k,
                   Lanes (*jacobian)[PARTS])
{
    Lanes rows[PARAMETERS][PARTS], made[PARAMETERS][PARTS];
    Lanes mass = k->theta[MASS], share = k->theta[SHARE];
    int place[PARAMETERS] = {0}, n = 0;
    for (int p = BLUR; p < PARAMETERS; p++)
        if (k->fitted[p])
            place[p] = n++;
    for (int f = 0; f < FREQUENCIES; f++) {
        double w = set->radians[f];
        Complex arrived = scaled(k->path[f], mass), unit = arrived, by[PARAMETERS];
        if (k->has_late) {
            Complex held = k->held[f], late = scaled(times(arrived, held), share);
            unit.re = arrived.re * (1.0 - share) + late.re;
            unit.im = arrived.im * (1.0 - share) + late.im;
            by[SHARE] = times(arrived, (Complex){held.re - 1.0, held.im});
            by[GAP] = delayed(late, w);
            by[EXTENT] = scaled(times(arrived, k->slope[f]), share);
        }
        by[BLUR] = scaled(unit, alike(-0.5 * w * w));
        by[DELAY] = delayed(unit, w);
        for (int p = BLUR; p < PARAMETERS; p++)
            if (k->fitted[p]) {
                rows[place[p]][2 * f] = by[p].re;
                rows[place[p]][2 * f + 1] = by[p].im;
            }
    }
    cut_off((const Lanes (*)[PARTS])rows, n, k->alike, pair->window, made);
    for (int p = 0; p < PARAMETERS; p++)
        for (int j = 0; j < PARTS; j++) {
            Lanes own = p == MASS ? k->unit[j] : k->fitted[p] ? made[place[p]][j] : alike(0.0);
            jacobian[p][j] = chosen(k->fixed[p], alike(0.0), own);
        }
}
