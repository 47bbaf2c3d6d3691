/* One pass over the samples, and small reductions in a fixed order. */
#include "row.h"

#if defined(__GNUC__) || defined(__clang__)
#define PREFETCH(place) __builtin_prefetch((const void *)(place), 0, 2)
#else
#define PREFETCH(place) ((void)(place))
#endif

enum { LANES = 8, CACHE_LINE = 64 };

static inline double sample(Samples x, Index i)
{
    return x.is_double ? ((const double *)x.start)[i] : (double)((const float *)x.start)[i];
}

/* The samples from the a-th on. */
static inline Samples part(Samples x, Index a)
{
    if (x.is_double)
        x.start = (const double *)x.start + a;
    else
        x.start = (const float *)x.start + a;
    return x;
}

/* Have a quarter of the n samples behind x[:n] fetched. Rows lie one behind the other, so the
 * next one is on its way from memory while this one is measured: a quarter at a time, because
 * the processor keeps few requests at once. Nothing is read, so the end of memory is no matter. */
static void ahead(Samples x, Index n, Index quarter)
{
    Index bytes = n * (x.is_double ? 8 : 4);
    uintptr_t behind = (uintptr_t)x.start + (uintptr_t)bytes;
    for (Index i = quarter * bytes / 4; i < (quarter + 1) * bytes / 4; i += CACHE_LINE)
        PREFETCH(behind + (uintptr_t)i);
}

/* The largest of v[a:b], which is not empty. */
static double largest(const double *v, Index a, Index b)
{
    double most = v[a];
    Index i = a;
    if (b - a >= LANES) {
        double lane[LANES];
        for (int k = 0; k < LANES; k++)
            lane[k] = v[a + k];
        for (i = a + LANES; i + LANES <= b; i += LANES)
            for (int k = 0; k < LANES; k++)
                lane[k] = v[i + k] > lane[k] ? v[i + k] : lane[k];
        for (int k = 0; k < LANES; k++)
            most = larger(most, lane[k]);
    }
    for (; i < b; i++)
        most = larger(most, v[i]);
    return most;
}

/* The smallest of v[a:b], which is not empty. */
static double smallest(const double *v, Index a, Index b)
{
    double least = v[a];
    Index i = a;
    if (b - a >= LANES) {
        double lane[LANES];
        for (int k = 0; k < LANES; k++)
            lane[k] = v[a + k];
        for (i = a + LANES; i + LANES <= b; i += LANES)
            for (int k = 0; k < LANES; k++)
                lane[k] = v[i + k] < lane[k] ? v[i + k] : lane[k];
        for (int k = 0; k < LANES; k++)
            least = smaller(least, lane[k]);
    }
    for (; i < b; i++)
        least = smaller(least, v[i]);
    return least;
}

/* Index of the first of v[a:b] that equals `value`; b when none does. */
static Index place_of(const double *v, Index a, Index b, double value)
{
    Index i = a;
    for (; i + LANES <= b; i += LANES) {
        int found = 0;
        for (int k = 0; k < LANES; k++)
            found |= v[i + k] == value;
        if (found)
            break;
    }
    while (i < b && v[i] != value)
        i++;
    return i;
}

/* Index of the first highest of v[a:b]. */
static Index highest(const double *v, Index a, Index b)
{
    return place_of(v, a, b, largest(v, a, b));
}

/* Index of the first lowest of v[a:b]. */
static Index lowest(const double *v, Index a, Index b)
{
    return place_of(v, a, b, smallest(v, a, b));
}

/* Whether the size of every one of n numbers is at most `limit`; never true of NaN. */
static int all_within(const double *v, Index n, double limit)
{
    int bad = 0;
    for (Index i = 0; i < n; i++)
        bad |= !(fabs(v[i]) <= limit);
    return !bad;
}

/* The same of n samples. */
static int samples_within(Samples x, Index n, double limit)
{
    if (x.is_double)
        return all_within(x.start, n, limit);
    const float *v = x.start;
    int bad = 0;
    for (Index i = 0; i < n; i++)
        bad |= !(fabs((double)v[i]) <= limit);
    return !bad;
}

/* Write the mean of each run of `size` samples; of four, the usual 20 kHz, added in pairs. */
static void block_means(Samples x, Index size, Index n_blocks, double *restrict y)
{
    if (size == 4 && x.is_double) {
        const double *v = x.start;
        for (Index b = 0; b < n_blocks; b++)
            y[b] = ((v[4 * b] + v[4 * b + 1]) + (v[4 * b + 2] + v[4 * b + 3])) * 0.25;
        return;
    }
    if (size == 4) {
        const float *v = x.start;
        for (Index b = 0; b < n_blocks; b++)
            y[b] = (((double)v[4 * b] + v[4 * b + 1]) + ((double)v[4 * b + 2] + v[4 * b + 3])) * 0.25;
        return;
    }
    double scale = 1.0 / (double)size;
    Index i = 0;
    for (Index b = 0; b < n_blocks; b++) {
        double total = 0.0;
        for (Index j = 0; j < size; j++)
            total += sample(x, i + j);
        y[b] = total * scale;
        i += size;
    }
}

/* Sum of n values, in four lanes, so that no addition waits for the one before. */
static double sum_of(const double *v, Index n)
{
    double s0 = 0.0, s1 = 0.0, s2 = 0.0, s3 = 0.0;
    Index i = 0;
    for (; i < n - 3; i += 4) {
        s0 += v[i];
        s1 += v[i + 1];
        s2 += v[i + 2];
        s3 += v[i + 3];
    }
    for (; i < n; i++)
        s0 += v[i];
    return (s0 + s1) + (s2 + s3);
}

/* Mean of v[a:b]; zero when empty. */
static double mean_of(const double *v, Index a, Index b)
{
    if (b <= a)
        return 0.0;
    return sum_of(v + a, b - a) / (double)(b - a);
}

/* Standard deviation of the white part, from second differences; z is for working. */
static double white_noise(Samples x, Index n, double *restrict z)
{
    if (n < 3)
        return 0.0;
    for (Index i = 0; i < n - 2; i++) {
        double d = sample(x, i) - 2.0 * sample(x, i + 1) + sample(x, i + 2);
        z[i] = d * d;
    }
    return sqrt(sum_of(z, n - 2) / (6.0 * (double)(n - 2)));
}

/* Standard deviation of n samples; z is for working. */
static double deviation(Samples x, Index n, double *restrict z)
{
    if (n < 2)
        return 0.0;
    double origin = sample(x, 0);
    for (Index i = 0; i < n; i++)
        z[i] = sample(x, i) - origin;
    double total = sum_of(z, n);
    for (Index i = 0; i < n; i++)
        z[i] *= z[i];
    double squares = sum_of(z, n) - total * total / (double)n;
    return squares < 0.0 ? 0.0 : sqrt(squares / (double)(n - 1));
}

/* Whether every sample equals the first. */
static int all_equal(Samples x, Index n)
{
    double value = sample(x, 0);
    for (Index i = 1; i < n; i++)
        if (sample(x, i) != value)
            return 0;
    return 1;
}
