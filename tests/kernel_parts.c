/* Shows the parts of the kernel to the tests; built by the fixture `parts` of test_kernels.py. */
#include "kernel.c"

static Samples samples_of(const void *v, int64_t is_double)
{
    Samples x = {v, is_double != 0};
    return x;
}

EXPORTED double part_largest(const double *v, int64_t a, int64_t b) { return largest(v, a, b); }
EXPORTED double part_smallest(const double *v, int64_t a, int64_t b) { return smallest(v, a, b); }
EXPORTED int64_t part_highest(const double *v, int64_t a, int64_t b) { return highest(v, a, b); }
EXPORTED int64_t part_lowest(const double *v, int64_t a, int64_t b) { return lowest(v, a, b); }
EXPORTED double part_sum_of(const double *v, int64_t n) { return sum_of(v, n); }
EXPORTED double part_mean_of(const double *v, int64_t a, int64_t b) { return mean_of(v, a, b); }
EXPORTED int64_t part_whole(double v) { return whole(v); }

EXPORTED int64_t part_place_of(const double *v, int64_t a, int64_t b, double value)
{
    return place_of(v, a, b, value);
}

EXPORTED int64_t part_first_on(const double *v, int64_t a, int64_t b, int64_t which, double level)
{
    return first_on(v, a, b, (Wanted)which, level);
}

EXPORTED int64_t part_last_on(const double *v, int64_t a, int64_t b, int64_t which, double level)
{
    return last_on(v, a, b, (Wanted)which, level);
}

EXPORTED int64_t part_last_away(const double *v, int64_t a, int64_t b, double level, double bound)
{
    return last_away(v, a, b, level, bound);
}

EXPORTED double part_farthest(const void *v, int64_t is_double, int64_t a, int64_t b, double base)
{
    return farthest(samples_of(v, is_double), a, b, base);
}

EXPORTED int64_t part_first_bend(const void *v, int64_t is_double, int64_t a, int64_t b, int64_t lag,
                                 double edge)
{
    return first_bend(samples_of(v, is_double), a, b, lag, edge);
}

EXPORTED int64_t part_ties_in(const void *v, int64_t is_double, int64_t a, int64_t b)
{
    return ties_in(samples_of(v, is_double), a, b);
}

EXPORTED double part_most_bend(const void *v, int64_t is_double, int64_t a, int64_t b, int64_t lag)
{
    return most_bend(samples_of(v, is_double), a, b, lag);
}

EXPORTED int64_t part_within(const void *v, int64_t is_double, int64_t n, double limit)
{
    return samples_within(samples_of(v, is_double), n, limit);
}

EXPORTED int64_t part_all_equal(const void *v, int64_t is_double, int64_t n)
{
    return all_equal(samples_of(v, is_double), n);
}

EXPORTED double part_block_means(const void *v, int64_t is_double, int64_t size, int64_t n, double *y)
{
    return block_means(samples_of(v, is_double), size, n, y);
}

EXPORTED double part_white_noise(const void *v, int64_t is_double, int64_t n)
{
    return white_noise(samples_of(v, is_double), n);
}

EXPORTED double part_deviation(const void *v, int64_t is_double, int64_t n)
{
    return deviation(samples_of(v, is_double), n);
}

/* Level and slope of blocks of `size` samples. */
EXPORTED void part_quiet_line(const double *y, int64_t a, int64_t b, int64_t size,
                              double per_block, double *found)
{
    Row w = {0};
    w.size = size;
    quiet_line(&w, y, a, b, per_block);
    found[0] = w.level;
    found[1] = w.slope * (double)size;
}

EXPORTED int64_t part_solve(double *g) { return solve(g); }

EXPORTED void part_fit_top(const double *v, int64_t a, int64_t b, double *found)
{
    Vertex top = fit_top(v, a, b);
    found[0] = top.height;
    found[1] = top.place;
    found[2] = top.bend;
}

EXPORTED double part_area_between(const double *z, double t0, double t1)
{
    return area_between(z, t0, t1);
}

EXPORTED double part_find_return(const double *z, int64_t i, int64_t n, double height, double white,
                                 int64_t max_half)
{
    return find_return(z, i, n, height, white, max_half);
}

EXPORTED int64_t part_runs_flat(const double *v, int64_t n, int64_t at, double sign)
{
    return runs_flat(samples_of(v, 1), 0, n, at, sign);
}

/* Level, size and place among the decays of an exponential fitted to blocks. */
EXPORTED void part_fit_decay(const double *y, int64_t end, int64_t first, const double *means,
                             const double *sums, const double *squares, double *found)
{
    Row w = {0};
    Prior none = {0.0, 0.0, 1e-9};
    w.first = first;
    w.means = means;
    w.sums = sums;
    w.squares = squares;
    w.n_decays = N_DECAYS;
    fit_decay(&w, y, end, none, 1e-12);
    found[0] = w.level;
    found[1] = w.decay;
    found[2] = (double)w.at;
}

EXPORTED double part_exponential(double x) { return exponential(alike(x))[0]; }
EXPORTED double part_logarithm(double v) { return logarithm(alike(v))[0]; }

EXPORTED void part_turned_by(double a, double *found)
{
    Complex turn = turned_by(alike(a));
    found[0] = turn.re[0];
    found[1] = turn.im[0];
}
