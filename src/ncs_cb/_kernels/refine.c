/* Delay distributions of pairs of responses, refined by damped Gauss-Newton steps and weighed.
 *
 * What is computed, and why, stands in dispersion/deconvolution.py and dispersion/fitting.py;
 * tests/refine_oracle.py says the same in numpy. Every pair is computed by itself. */
#include <stddef.h>

#include "row.h"

/* Add the products of a parameter's derivatives, weighted by certainty, with those of all up to
 * it, and with the errors. `p` is known where it is used. */
INLINE void products_of(const Lanes (*jacobian)[PARTS], const Lanes *certainty,
                        const Lanes *error, const int p, Lanes *normal, Lanes *right)
{
    Lanes sum[PARAMETERS + 1];
    for (int q = 0; q <= p + 1; q++)
        sum[q] = alike(0.0);
    for (int j = 0; j < PARTS; j++) {
        Lanes weighted = jacobian[p][j] * certainty[j / 2];
        for (int q = 0; q <= p; q++)
            sum[q] += weighted * jacobian[q][j];
        sum[p + 1] += weighted * error[j];
    }
    for (int q = 0; q <= p; q++)
        normal[q] = sum[q];
    *right = sum[p + 1];
}

/* Write the normal matrix with the priors, and the products with the errors. */
static void normal_of(const Setting *set, const Group *k, const Lanes (*jacobian)[PARTS],
                      const Lanes *certainty, Lanes (*normal)[PARAMETERS], Lanes *right)
{
    const Lanes *error = k->error;
    products_of(jacobian, certainty, error, MASS, normal[MASS], right + MASS);
    products_of(jacobian, certainty, error, BLUR, normal[BLUR], right + BLUR);
    if (k->fitted[SHARE])
        products_of(jacobian, certainty, error, SHARE, normal[SHARE], right + SHARE);
    if (k->fitted[GAP])
        products_of(jacobian, certainty, error, GAP, normal[GAP], right + GAP);
    if (k->fitted[EXTENT])
        products_of(jacobian, certainty, error, EXTENT, normal[EXTENT], right + EXTENT);
    products_of(jacobian, certainty, error, DELAY, normal[DELAY], right + DELAY);
    for (int p = 0; p < PARAMETERS; p++) {
        normal[p][p] += set->precision[p];
        for (int q = 0; q < p; q++)
            normal[q][p] = normal[p][q];
    }
}

/* Write the lower triangle whose square is `a`; tell in which lanes there is one. */
static Choice root_of(const Lanes (*a)[PARAMETERS], Lanes (*triangle)[PARAMETERS])
{
    Choice found = alike(0.0) == 0.0;
    for (int i = 0; i < PARAMETERS; i++)
        for (int j = 0; j <= i; j++) {
            Lanes rest = a[i][j];
            for (int k = 0; k < j; k++)
                rest -= triangle[i][k] * triangle[j][k];
            if (i == j)
                found &= rest > 0.0;
            triangle[i][j] = i == j ? root(rest) : rest / triangle[j][j];
        }
    return found;
}

/* One over the expected squared deviation at every frequency under a size of grain; give the sum
 * of the deviations' logarithms, and of the squared errors against them. */
static Lanes expect(const Setting *set, const PairSpectra *pair, const Group *k, int grain,
                    Lanes *inverse, Lanes *ratio)
{
    Lanes mass = k->theta[MASS], product = alike(1.0), powers = alike(0.0);
    *ratio = alike(0.0);
    for (int f = 0; f < FREQUENCIES; f++) {
        double signal = pair->signal[f];
        Lanes ripple = set->grains[grain] * signal * mass
                       * larger_lanes(1.0 - k->power[f], alike(0.0));
        double tied = signal * set->tied[grain * FREQUENCIES + f];
        Lanes arrived = mass * mass * (pair->distal_noise[f] + tied);
        Lanes deviation = pair->proximal_noise[f] + ripple + arrived * k->power[f];
        Lanes re = k->error[2 * f], im = k->error[2 * f + 1];
        inverse[f] = 1.0 / deviation;
        *ratio += (re * re + im * im) * inverse[f];
        powers += power_off(&deviation);
        product *= deviation;
    }
    return logarithm_of(product, powers);
}

/* Set the certainty by the grain that suits each distribution best; give its logarithms' sum. */
static void be_certain(const Setting *set, const PairSpectra *pair, Group *k, Lanes *of_best)
{
    Lanes least = alike(0.0);
    *of_best = alike(0.0);
    for (int g = 0; g < GRAINS; g++) {
        Lanes inverse[FREQUENCIES], ratio, logs = expect(set, pair, k, g, inverse, &ratio);
        Choice better = g > 0 ? ratio + logs < least : ~(Choice){0};
        least = chosen(better, ratio + logs, least);
        *of_best = chosen(better, logs, *of_best);
        for (int f = 0; f < FREQUENCIES; f++)
            k->certainty[f] = chosen(better, pair->evidence * inverse[f], k->certainty[f]);
    }
}

INLINE Lanes prior_cost(const Setting *set, const Group *k)
{
    Lanes sum = alike(0.0);
    for (int p = 0; p < PARAMETERS; p++) {
        Lanes off = k->theta[p] - set->mean[p];
        sum += chosen(k->fixed[p], alike(0.0), off * off * set->precision[p]);
    }
    return 0.5 * sum;
}

static void count_cost(const Setting *set, Group *k)
{
    Lanes sum = alike(0.0);
    for (int f = 0; f < FREQUENCIES; f++) {
        Lanes re = k->error[2 * f], im = k->error[2 * f + 1];
        sum += k->certainty[f] * (re * re + im * im);
    }
    k->cost = 0.5 * sum + prior_cost(set, k);
}

/* Take one damped step to `next`; parameters held fixed or at a bound stay. */
static void step_of(const Setting *set, const PairSpectra *pair, const Group *k, Lanes *next)
{
    Lanes jacobian[PARAMETERS][PARTS], normal[PARAMETERS][PARAMETERS] = {{{0}}};
    Lanes right[PARAMETERS] = {{0}}, triangle[PARAMETERS][PARAMETERS];
    Choice is_free[PARAMETERS];
    derive(set, pair, k, jacobian);
    normal_of(set, k, (const Lanes (*)[PARTS])jacobian, k->certainty, normal, right);
    for (int p = 0; p < PARAMETERS; p++) {
        Lanes theta = k->theta[p];
        right[p] -= (theta - set->mean[p]) * set->precision[p];
        is_free[p] = ~(k->fixed[p] | ((theta <= set->low[p]) & (right[p] < 0.0))
                       | ((theta >= set->high[p]) & (right[p] > 0.0)));
        right[p] = chosen(is_free[p], right[p], alike(0.0));
    }
    for (int p = 0; p < PARAMETERS; p++) {
        Lanes own = chosen(is_free[p], normal[p][p] * k->damping, alike(1.0));
        for (int q = 0; q < PARAMETERS; q++)
            normal[p][q] = chosen(is_free[p] & is_free[q], normal[p][q], alike(0.0));
        normal[p][p] += own;
    }
    Choice found = root_of((const Lanes (*)[PARAMETERS])normal, triangle);
    for (int p = 0; p < PARAMETERS; p++) {
        for (int q = 0; q < p; q++)
            right[p] -= triangle[p][q] * right[q];
        right[p] /= triangle[p][p];
    }
    for (int p = PARAMETERS - 1; p >= 0; p--) {
        for (int q = p + 1; q < PARAMETERS; q++)
            right[p] -= triangle[q][p] * right[q];
        right[p] /= triangle[p][p];
        Lanes moved = within_lanes(k->theta[p] + right[p], set->low[p], set->high[p]);
        next[p] = chosen(found, moved, k->theta[p]);
    }
}

/* Any lanes of a group, one after the other. */
typedef Lanes Cell __attribute__((may_alias));

enum {
    FIRST_CELL = offsetof(Group, theta) / sizeof(Lanes),
    CELLS = sizeof(Group) / sizeof(Lanes)
};

_Static_assert(offsetof(Group, theta) % sizeof(Lanes) == 0, "the lanes of a group are cells");

/* Take from `other` what it gives in some lanes. */
static void take_lanes(Group *k, const Group *other, Choice where)
{
    Cell *to = (Cell *)k;
    const Cell *from = (const Cell *)other;
    for (int i = FIRST_CELL; i < CELLS; i++)
        to[i] = chosen(where, from[i], to[i]);
}

/* Copy one lane. */
static void copy_lane(Group *k, int lane, const Group *other, int of)
{
    Cell *to = (Cell *)k;
    const Cell *from = (const Cell *)other;
    for (int i = FIRST_CELL; i < CELLS; i++)
        to[i][lane] = from[i][of];
}

/* Take some steps; one that does not lower the cost is taken back, and damped more. */
static void improve(const Setting *set, const PairSpectra *pair, Group *k)
{
    count_cost(set, k);
    for (Index i = 0; i < set->rounds; i++) {
        Group trial;
        memcpy(&trial, k, offsetof(Group, path));
        step_of(set, pair, k, trial.theta);
        evaluate(set, pair, &trial);
        count_cost(set, &trial);
        Choice better = trial.cost <= k->cost;
        take_lanes(k, &trial, better);
        k->damping = chosen(better, k->damping * 0.2, k->damping * 10.0);
    }
}

/* Laplace evidence of distributions under every grain, how sure the mass is, and the misfit. */
static void weigh(const Setting *set, const PairSpectra *pair, const Group *k, Lanes *evidence,
                  Lanes *mass_pivot, Lanes *misfit)
{
    Lanes jacobian[PARAMETERS][PARTS];
    derive(set, pair, k, jacobian);
    for (int g = 0; g < GRAINS; g++) {
        Lanes certainty[FREQUENCIES], ratio, right[PARAMETERS] = {{0}};
        Lanes normal[PARAMETERS][PARAMETERS] = {{{0}}}, turned_round[PARAMETERS][PARAMETERS];
        Lanes triangle[PARAMETERS][PARAMETERS], pivots = alike(0.0);
        Lanes logs = expect(set, pair, k, g, certainty, &ratio);
        for (int f = 0; f < FREQUENCIES; f++)
            certainty[f] *= pair->evidence;
        normal_of(set, k, (const Lanes (*)[PARTS])jacobian, certainty, normal, right);
        /* The mass comes last, so that its variance is the last pivot's alone. */
        for (int p = 0; p < PARAMETERS; p++)
            for (int q = 0; q < PARAMETERS; q++)
                turned_round[p][q] = normal[PARAMETERS - 1 - p][PARAMETERS - 1 - q];
        root_of((const Lanes (*)[PARAMETERS])turned_round, triangle);
        for (int p = 0; p < PARAMETERS; p++)
            pivots += logarithm(triangle[p][p]);
        evidence[g] = -0.5 * pair->evidence * (ratio + logs) - prior_cost(set, k) - pivots;
        mass_pivot[g] = triangle[PARAMETERS - 1][PARAMETERS - 1];
        misfit[g] = ratio * (1.0 / FREQUENCIES);
    }
}

/* Tell what is fitted in any lane. */
static void begin(Group *k)
{
    for (int p = 0; p < PARAMETERS; p++)
        k->fitted[p] = any_lane(~k->fixed[p]);
    k->has_late = k->fitted[SHARE] || k->fitted[GAP] || k->fitted[EXTENT]
                  || any_lane(k->theta[SHARE] != 0.0);
}

/* The kinds of all pairs: parameters, shape, what is fixed. */
typedef struct {
    Index n;
    const double *theta;
    const int64_t *shape;
    const uint8_t *fixed;
} Kinds;

/* Put the kinds of a pair into lanes, those with the same parameters fixed together; the last one
 * fills what lanes are left. Give the number of groups; `place` says which kind is where. */
static int put_in_lanes(Kinds all, Index pair, Group *groups, int *place)
{
    int n = (int)all.n, fixed[MOST_KINDS] = {0}, count = (n + LANES - 1) / LANES;
    for (int j = 0; j < n; j++) {
        for (int p = 0; p < PARAMETERS; p++)
            fixed[j] += all.fixed[(pair * n + j) * PARAMETERS + p] != 0;
        int at = j;
        for (; at > 0 && fixed[place[at - 1]] > fixed[j]; at--)
            place[at] = place[at - 1];
        place[at] = j;
    }
    for (int i = 0; i < count * LANES; i++) {
        Group *k = groups + i / LANES;
        int lane = i % LANES;
        Index at = pair * n + place[i < n ? i : n - 1];
        for (int p = 0; p < PARAMETERS; p++) {
            k->theta[p][lane] = all.theta[at * PARAMETERS + p];
            k->fixed[p][lane] = all.fixed[at * PARAMETERS + p] ? -1 : 0;
        }
        k->is_even[lane] = all.shape[at] == 0 ? -1 : 0;
        k->damping[lane] = 1e-2;
    }
    return count;
}

/* Choose the kinds that go on, in the order in which they came; `lanes` says where each is. */
static void choose_kinds(const Lanes *score, const int *place, int n, int *kept, int *lanes)
{
    double of_kind[MOST_KINDS];
    int where[MOST_KINDS];
    for (int i = 0; i < n; i++) {
        of_kind[place[i]] = score[i / LANES][i % LANES];
        where[place[i]] = i;
    }
    for (int j = 0, found = 0; j < n && found < KEPT_KINDS; j++) {
        int before = 0;
        for (int other = 0; other < n; other++)
            before += of_kind[other] < of_kind[j] || (of_kind[other] == of_kind[j] && other < j);
        if (before >= KEPT_KINDS)
            continue;
        kept[found] = j;
        lanes[found++] = where[j];
    }
}

/* What comes out, for the kept kinds of every pair. */
typedef struct {
    double *theta;                /* KEPT_KINDS x PARAMETERS */
    int64_t *place;               /* among the kinds */
    double *evidence, *pivot, *misfit; /* GRAINS x KEPT_KINDS; pivot of the mass */
    double *error;                /* KEPT_KINDS x PARTS */
} Kept;

static void refine_pair(const Setting *set, const PairSpectra *pair, Kinds all, Index i, Kept out)
{
    Group groups[MOST_GROUPS], best;
    Lanes score[MOST_GROUPS], of_kind[3][GRAINS];
    int place[MOST_KINDS], kept[KEPT_KINDS], lanes[KEPT_KINDS];
    int count = put_in_lanes(all, i, groups, place);
    for (int g = 0; g < count; g++) {
        Group *k = groups + g;
        Lanes logs;
        begin(k);
        evaluate(set, pair, k);
        be_certain(set, pair, k, &logs);
        improve(set, pair, k);
        be_certain(set, pair, k, &logs);
        count_cost(set, k);
        score[g] = k->cost + 0.5 * pair->evidence * logs;
    }
    choose_kinds(score, place, (int)all.n, kept, lanes);
    for (int j = 0; j < KEPT_KINDS; j++)
        copy_lane(&best, j, groups + lanes[j] / LANES, lanes[j] % LANES);
    begin(&best);
    improve(set, pair, &best);
    weigh(set, pair, &best, of_kind[0], of_kind[1], of_kind[2]);
    for (int j = 0; j < KEPT_KINDS; j++) {
        Index at = i * KEPT_KINDS + j;
        out.place[at] = kept[j];
        for (int p = 0; p < PARAMETERS; p++)
            out.theta[at * PARAMETERS + p] = best.theta[p][j];
        for (int k = 0; k < PARTS; k++)
            out.error[at * PARTS + k] = best.error[k][j];
        for (int g = 0; g < GRAINS; g++) {
            Index cell = (i * GRAINS + g) * KEPT_KINDS + j;
            out.evidence[cell] = of_kind[0][g][j];
            out.pivot[cell] = of_kind[1][g][j];
            out.misfit[cell] = of_kind[2][g][j];
        }
    }
}

/* Refine the kinds of n pairs; leave KEPT_KINDS of each. `window` holds, for each pair, the
 * transform of what its proximal response was cut off with, PARTS - 1 complex numbers. */
EXPORTED void JOIN(ncs_refine_, BUILD)(
    int64_t n, int64_t n_kinds, const double *theta, const int64_t *shape, const uint8_t *fixed,
    const double *distal, const double *proximal, const double *distal_noise,
    const double *proximal_noise, const double *window, const double *evidence,
    const double *radians, const double *low, const double *high, const double *mean,
    const double *precision, const double *grains, const double *tied, int64_t rounds,
    double *kept_theta, int64_t *kept_place, double *kept_evidence, double *kept_pivot,
    double *kept_misfit, double *kept_error)
{
    Setting set = {radians, low, high, mean, precision, grains, tied, rounds, {0}};
    const Kept out = {kept_theta, kept_place, kept_evidence, kept_pivot, kept_misfit, kept_error};
    const Kinds all = {n_kinds, theta, shape, fixed};
    if (n_kinds < KEPT_KINDS || n_kinds > MOST_KINDS)
        return;
    for (int k = 0; k < PERIOD; k++)
        set.cell[k] = cell_of(k);
    for (int64_t i = 0; i < n; i++) {
        PairSpectra pair;
        pair.distal = distal + i * PARTS;
        pair.proximal = proximal + i * PARTS;
        pair.distal_noise = distal_noise + i * FREQUENCIES;
        pair.proximal_noise = proximal_noise + i * FREQUENCIES;
        pair.evidence = evidence[i];
        for (int f = 0; f < FREQUENCIES; f++)
            pair.signal[f] = size_at(pair.distal, f);
        window_of(window + i * 2 * (PARTS - 1), pair.window);
        refine_pair(&set, &pair, all, i, out);
    }
}
