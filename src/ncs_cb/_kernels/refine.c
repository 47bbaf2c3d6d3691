/* Delay distributions of pairs of responses, refined by damped Gauss-Newton steps and weighed.
 *
 * What is computed, and why, stands in dispersion/deconvolution.py and dispersion/fitting.py;
 * tests/refine_oracle.py says the same in numpy. Every pair is computed by itself. */
#include "elementary.c"

enum {
    FREQUENCIES = 36,
    PARTS = 2 * FREQUENCIES, /* real and imaginary parts alternate */
    PARAMETERS = 6,
    GRAINS = 3,
    MOST_KINDS = 16,
    KEPT_KINDS = 4
};

/* Places of the parameters. */
enum { MASS = 0, BLUR, SHARE, GAP, EXTENT, DELAY };

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
    const Complex *distal;
    const double *proximal;       /* PARTS */
    const double *distal_noise, *proximal_noise;
    const double *window;         /* PARTS x PARTS */
    double evidence;
    double signal[FREQUENCIES];   /* power of the distal spectrum */
} PairSpectra;

/* One distribution, and what its parameters give. */
typedef struct {
    double theta[PARAMETERS];
    int is_even;                  /* the late group is spread evenly, else exponentially */
    int fixed[PARAMETERS];        /* not fitted */
    double damping, cost;
    double certainty[FREQUENCIES];
    Complex path[FREQUENCIES];    /* distal spectrum, delayed and blurred */
    Complex held[FREQUENCIES];    /* late group */
    Complex slope[FREQUENCIES];   /* its derivative by its width */
    double power[FREQUENCIES];    /* of the transfer function of unit mass */
    double error[PARTS];          /* what the windowed model leaves of the proximal spectrum */
} Kind;

static inline Complex times(Complex a, Complex b)
{
    return (Complex){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

static inline Complex scaled(Complex a, double by) { return (Complex){a.re * by, a.im * by}; }

/* -i w a */
static inline Complex delayed(Complex a, double w) { return (Complex){a.im * w, -a.re * w}; }

/* Powers of one turn: those up to twice as high are products of known ones. */
static void turn_all(double angle, Complex *restrict waves)
{
    waves[0] = (Complex){1.0, 0.0};
    waves[1] = turned_by(angle);
    for (int done = 2; done < FREQUENCIES; done *= 2) {
        Complex highest = times(waves[done - 1], waves[1]);
        for (int i = 0; i < done && done + i < FREQUENCIES; i++)
            waves[done + i] = times(waves[i], highest);
    }
}

/* exp(-w w blur / 2) at every frequency w: from one to the next it falls by an odd power. */
static void blur_all(double first, double *restrict blur)
{
    double fall = exponential(first), next = fall, square = fall * fall;
    blur[0] = 1.0;
    for (int f = 1; f < FREQUENCIES; f++) {
        blur[f] = blur[f - 1] * next;
        next *= square;
    }
}

/* Cut `n` spectra off as the proximal trace was: some columns at a time, which stay in registers.
 * `n` and `columns` are known where it is used. */
static inline __attribute__((always_inline)) void
cut_off(const double (*v)[PARTS], const int n, const double *window, double (*out)[PARTS],
        const int columns)
{
    for (int j = 0; j < PARTS; j += columns) {
        Wide sum[PARAMETERS][6];
        for (int i = 0; i < n; i++)
            for (int c = 0; c < columns / WIDE; c++)
                sum[i][c] = (Wide){0.0};
        for (int k = 0; k < PARTS; k++) {
            const Wide *row = (const Wide *)(window + k * PARTS + j);
            for (int i = 0; i < n; i++)
                for (int c = 0; c < columns / WIDE; c++)
                    sum[i][c] += v[i][k] * row[c];
        }
        for (int i = 0; i < n; i++)
            for (int c = 0; c < columns / WIDE; c++)
                *(Wide *)(out[i] + j + c * WIDE) = sum[i][c];
    }
}

/* Compute what the parameters of a kind give. */
static void evaluate(const Setting *set, const PairSpectra *pair, Kind *k)
{
    Complex fall[FREQUENCIES], gap[FREQUENCIES], delay[FREQUENCIES];
    double blur[FREQUENCIES], model[1][PARTS], seen[1][PARTS];
    double step = set->radians[1], share = k->theta[SHARE], extent = k->theta[EXTENT];
    turn_all(extent * step, fall);
    turn_all(k->theta[GAP] * step, gap);
    turn_all(k->theta[DELAY] * step, delay);
    blur_all(-0.5 * step * step * k->theta[BLUR], blur);
    for (int f = 0; f < FREQUENCIES; f++) {
        double w = set->radians[f], turn = w * extent;
        Complex group = {1.0, 0.0}, by_extent;
        if (k->is_even) {
            if (f > 0)
                group = (Complex){-fall[f].im / turn, (fall[f].re - 1.0) / turn};
            by_extent = scaled((Complex){fall[f].re - group.re, fall[f].im - group.im}, 1.0 / extent);
        } else {
            double size = 1.0 + turn * turn;
            group = (Complex){1.0 / size, -turn / size};
            by_extent = delayed(times(group, group), w);
        }
        k->slope[f] = times(by_extent, gap[f]);
        k->held[f] = times(group, gap[f]);
        Complex mixed = {1.0 - share + share * k->held[f].re, share * k->held[f].im};
        k->path[f] = times(scaled(delay[f], blur[f]), pair->distal[f]);
        Complex arrived = scaled(times(k->path[f], mixed), k->theta[MASS]);
        model[0][2 * f] = arrived.re;
        model[0][2 * f + 1] = arrived.im;
        k->power[f] = blur[f] * blur[f] * (mixed.re * mixed.re + mixed.im * mixed.im);
    }
    cut_off(model, 1, pair->window, seen, 6 * WIDE);
    for (int j = 0; j < PARTS; j++)
        k->error[j] = pair->proximal[j] - seen[0][j];
}

/* Write the windowed derivatives by each parameter; zero where it is fixed. */
static void derive(const Setting *set, const PairSpectra *pair, const Kind *k,
                   double (*jacobian)[PARTS])
{
    double rows[PARAMETERS][PARTS];
    double mass = k->theta[MASS], share = k->theta[SHARE];
    for (int f = 0; f < FREQUENCIES; f++) {
        double w = set->radians[f];
        Complex held = k->held[f], arrived = scaled(k->path[f], mass);
        Complex mixed = {1.0 - share + share * held.re, share * held.im};
        Complex unit = times(k->path[f], mixed), late = scaled(times(arrived, held), share);
        Complex by[PARAMETERS];
        by[MASS] = unit;
        by[BLUR] = scaled(unit, -0.5 * w * w * mass);
        by[SHARE] = times(arrived, (Complex){held.re - 1.0, held.im});
        by[GAP] = delayed(late, w);
        by[EXTENT] = scaled(times(arrived, k->slope[f]), share);
        by[DELAY] = delayed(scaled(unit, mass), w);
        for (int p = 0; p < PARAMETERS; p++) {
            rows[p][2 * f] = k->fixed[p] ? 0.0 : by[p].re;
            rows[p][2 * f + 1] = k->fixed[p] ? 0.0 : by[p].im;
        }
    }
    cut_off(rows, PARAMETERS, pair->window, jacobian, 2 * WIDE);
}

/* Write the normal matrix with the priors. */
static void normal_of(const Setting *set, const double (*jacobian)[PARTS],
                      const double *certainty, double (*normal)[PARAMETERS])
{
    for (int p = 0; p < PARAMETERS; p++) {
        double weighted[PARTS];
        for (int j = 0; j < PARTS; j++)
            weighted[j] = jacobian[p][j] * certainty[j / 2];
        for (int q = 0; q <= p; q++) {
            double lane[4] = {0.0, 0.0, 0.0, 0.0};
            for (int j = 0; j < PARTS; j += 4)
                for (int i = 0; i < 4; i++)
                    lane[i] += weighted[j + i] * jacobian[q][j + i];
            double sum = (lane[0] + lane[1]) + (lane[2] + lane[3]);
            normal[p][q] = normal[q][p] = sum + (p == q ? set->precision[p] : 0.0);
        }
    }
}

/* Write the lower triangle whose square is `a`; 0 when there is none. */
static int root_of(const double (*a)[PARAMETERS], double (*root)[PARAMETERS])
{
    for (int i = 0; i < PARAMETERS; i++)
        for (int j = 0; j <= i; j++) {
            double rest = a[i][j];
            for (int k = 0; k < j; k++)
                rest -= root[i][k] * root[j][k];
            if (i == j && !(rest > 0.0))
                return 0;
            root[i][j] = i == j ? sqrt(rest) : rest / root[j][j];
        }
    return 1;
}

/* Expected squared deviation at every frequency under a size of grain. */
static void expect(const Setting *set, const PairSpectra *pair, const Kind *k, int grain,
                   double *deviation)
{
    double mass = k->theta[MASS];
    for (int f = 0; f < FREQUENCIES; f++) {
        double ripple = set->grains[grain] * mass * pair->signal[f] * larger(1.0 - k->power[f], 0.0);
        double tied = pair->signal[f] * set->tied[grain * FREQUENCIES + f];
        double arrived = mass * mass * (pair->distal_noise[f] + tied);
        deviation[f] = pair->proximal_noise[f] + ripple + arrived * k->power[f];
    }
}

static inline double square_at(const Kind *k, int f)
{
    return k->error[2 * f] * k->error[2 * f] + k->error[2 * f + 1] * k->error[2 * f + 1];
}

/* Sums over the frequencies: misfit against a deviation, and the logarithms of that. */
static void misfit_of(const Kind *k, const double *deviation, double *ratio, double *logs)
{
    *ratio = *logs = 0.0;
    for (int f = 0; f < FREQUENCIES; f++) {
        *ratio += square_at(k, f) / deviation[f];
        *logs += logarithm(deviation[f]);
    }
}

/* Set the certainty by the grain that suits a distribution best; give its logarithms' sum. */
static double be_certain(const Setting *set, const PairSpectra *pair, Kind *k)
{
    double least = INFINITY, of_best = 0.0;
    for (int g = 0; g < GRAINS; g++) {
        double deviation[FREQUENCIES], ratio, logs;
        expect(set, pair, k, g, deviation);
        misfit_of(k, deviation, &ratio, &logs);
        if (ratio + logs < least) {
            least = ratio + logs;
            of_best = logs;
            for (int f = 0; f < FREQUENCIES; f++)
                k->certainty[f] = pair->evidence / deviation[f];
        }
    }
    return FREQUENCIES * logarithm(pair->evidence) - of_best;
}

static double prior_cost(const Setting *set, const Kind *k)
{
    double sum = 0.0;
    for (int p = 0; p < PARAMETERS; p++)
        if (!k->fixed[p])
            sum += (k->theta[p] - set->mean[p]) * (k->theta[p] - set->mean[p]) * set->precision[p];
    return 0.5 * sum;
}

static double cost_of(const Setting *set, const Kind *k)
{
    double sum = 0.0;
    for (int f = 0; f < FREQUENCIES; f++)
        sum += k->certainty[f] * square_at(k, f);
    return 0.5 * sum + prior_cost(set, k);
}

/* Take one damped step to `next`; parameters held fixed or at a bound stay. */
static void step_of(const Setting *set, const PairSpectra *pair, const Kind *k, double *next)
{
    double jacobian[PARAMETERS][PARTS], normal[PARAMETERS][PARAMETERS];
    double system[PARAMETERS][PARAMETERS], root[PARAMETERS][PARAMETERS], right[PARAMETERS];
    derive(set, pair, k, jacobian);
    normal_of(set, jacobian, k->certainty, normal);
    int is_free[PARAMETERS];
    for (int p = 0; p < PARAMETERS; p++) {
        double sum = 0.0, theta = k->theta[p];
        for (int j = 0; j < PARTS; j++)
            sum += jacobian[p][j] * (k->error[j] * k->certainty[j / 2]);
        right[p] = sum - (theta - set->mean[p]) * set->precision[p];
        is_free[p] = !(k->fixed[p] || (theta <= set->low[p] && right[p] < 0.0)
                       || (theta >= set->high[p] && right[p] > 0.0));
        if (!is_free[p])
            right[p] = 0.0;
        next[p] = theta;
    }
    for (int p = 0; p < PARAMETERS; p++) {
        for (int q = 0; q < PARAMETERS; q++)
            system[p][q] = is_free[p] && is_free[q] ? normal[p][q] : 0.0;
        system[p][p] += is_free[p] ? normal[p][p] * k->damping : 1.0;
    }
    if (!root_of(system, root))
        return;
    for (int p = 0; p < PARAMETERS; p++) {
        for (int q = 0; q < p; q++)
            right[p] -= root[p][q] * right[q];
        right[p] /= root[p][p];
    }
    for (int p = PARAMETERS - 1; p >= 0; p--) {
        for (int q = p + 1; q < PARAMETERS; q++)
            right[p] -= root[q][p] * right[q];
        right[p] /= root[p][p];
        next[p] = within(next[p] + right[p], set->low[p], set->high[p]);
    }
}

/* Take some steps; one that does not lower the cost is taken back, and damped more. */
static void improve(const Setting *set, const PairSpectra *pair, Kind *k)
{
    k->cost = cost_of(set, k);
    for (Index i = 0; i < set->rounds; i++) {
        Kind trial = *k;
        step_of(set, pair, k, trial.theta);
        evaluate(set, pair, &trial);
        trial.cost = cost_of(set, &trial);
        if (trial.cost <= k->cost) {
            *k = trial;
            k->damping *= 0.2;
        } else {
            k->damping *= 10.0;
        }
    }
}

/* Laplace evidence of a distribution under every grain, and what the mass is sure to. */
static void weigh(const Setting *set, const PairSpectra *pair, const Kind *k, double *evidence,
                  double *mass_pivot, double *misfit)
{
    double jacobian[PARAMETERS][PARTS];
    derive(set, pair, k, jacobian);
    for (int g = 0; g < GRAINS; g++) {
        double deviation[FREQUENCIES], certainty[FREQUENCIES], ratio, logs, pivots = 0.0;
        double normal[PARAMETERS][PARAMETERS], turned_round[PARAMETERS][PARAMETERS];
        double root[PARAMETERS][PARAMETERS] = {{0.0}};
        expect(set, pair, k, g, deviation);
        misfit_of(k, deviation, &ratio, &logs);
        for (int f = 0; f < FREQUENCIES; f++)
            certainty[f] = pair->evidence / deviation[f];
        normal_of(set, jacobian, certainty, normal);
        /* The mass comes last, so that its variance is the last pivot's alone. */
        for (int p = 0; p < PARAMETERS; p++)
            for (int q = 0; q < PARAMETERS; q++)
                turned_round[p][q] = normal[PARAMETERS - 1 - p][PARAMETERS - 1 - q];
        root_of(turned_round, root);
        for (int p = 0; p < PARAMETERS; p++)
            pivots += logarithm(root[p][p]);
        evidence[g] = -0.5 * pair->evidence * (ratio + logs) - prior_cost(set, k) - pivots;
        mass_pivot[g] = root[PARAMETERS - 1][PARAMETERS - 1];
        misfit[g] = ratio / FREQUENCIES;
    }
}

/* Refine the kinds of n pairs; leave KEPT_KINDS of each.
 *
 * `theta` n x n_kinds x 6, `shape` and `fixed` alike; of each pair come out: kept parameters,
 * their places among the kinds, and for every grain and kept kind evidence, pivot of the mass and
 * misfit; and what each kept kind leaves of the proximal power. */
EXPORTED void JOIN(ncs_refine_, BUILD)(
    int64_t n, int64_t n_kinds, const double *theta, const int64_t *shape, const uint8_t *fixed,
    const double *distal, const double *proximal, const double *distal_noise,
    const double *proximal_noise, const double *window, const double *evidence,
    const double *radians, const double *low, const double *high, const double *mean,
    const double *precision, const double *grains, const double *tied, int64_t rounds,
    double *kept_theta, int64_t *kept_place, double *kept_evidence, double *kept_pivot,
    double *kept_misfit, double *kept_rest)
{
    const Setting set = {radians, low, high, mean, precision, grains, tied, rounds};
    Kind kinds[MOST_KINDS];
    if (n_kinds < KEPT_KINDS || n_kinds > MOST_KINDS)
        return;
    for (int64_t i = 0; i < n; i++) {
        PairSpectra pair = {
            (const Complex *)(distal + i * PARTS), proximal + i * PARTS,
            distal_noise + i * FREQUENCIES, proximal_noise + i * FREQUENCIES,
            window + i * PARTS * PARTS, evidence[i], {0.0},
        };
        for (int f = 0; f < FREQUENCIES; f++)
            pair.signal[f] = pair.distal[f].re * pair.distal[f].re
                             + pair.distal[f].im * pair.distal[f].im;
        double score[MOST_KINDS];
        for (int64_t j = 0; j < n_kinds; j++) {
            Kind *k = kinds + j;
            int64_t at = i * n_kinds + j;
            for (int p = 0; p < PARAMETERS; p++) {
                k->theta[p] = theta[at * PARAMETERS + p];
                k->fixed[p] = fixed[at * PARAMETERS + p];
            }
            k->is_even = shape[at] == 0;
            k->damping = 1e-2;
            evaluate(&set, &pair, k);
            be_certain(&set, &pair, k);
            improve(&set, &pair, k);
            double logs = be_certain(&set, &pair, k);
            score[j] = cost_of(&set, k) - 0.5 * pair.evidence * logs;
        }
        /* The best go on, in the order in which they came. */
        int64_t found = 0;
        for (int64_t j = 0; j < n_kinds && found < KEPT_KINDS; j++) {
            int64_t before = 0;
            for (int64_t other = 0; other < n_kinds; other++)
                before += score[other] < score[j] || (score[other] == score[j] && other < j);
            if (before >= KEPT_KINDS)
                continue;
            Kind *k = kinds + j;
            double of_kind[3][GRAINS], rest = 0.0;
            int64_t at = i * KEPT_KINDS + found;
            improve(&set, &pair, k);
            weigh(&set, &pair, k, of_kind[0], of_kind[1], of_kind[2]);
            for (int f = 0; f < FREQUENCIES; f++)
                rest += square_at(k, f);
            for (int p = 0; p < PARAMETERS; p++)
                kept_theta[at * PARAMETERS + p] = k->theta[p];
            for (int g = 0; g < GRAINS; g++) {
                int64_t cell = (i * GRAINS + g) * KEPT_KINDS + found;
                kept_evidence[cell] = of_kind[0][g];
                kept_pivot[cell] = of_kind[1][g];
                kept_misfit[cell] = of_kind[2][g];
            }
            kept_place[at] = j;
            kept_rest[at] = rest;
            found++;
        }
    }
}
