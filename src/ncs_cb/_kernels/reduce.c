/* One pass over the samples, and small reductions in a fixed order. */
#include "row.h"

enum { CACHE_LINE = 64 };

/* Numbers worked on together, as many as one register holds, in a form that gcc and clang both
 * know. Of single numbers they make slower code for the loops below. */
#if defined(__AVX2__)
#include <immintrin.h>
enum { WIDE = 4 };
#else
enum { WIDE = 2 };
#endif
typedef double Wide __attribute__((vector_size(8 * WIDE), aligned(8), may_alias));
typedef int64_t Masks __attribute__((vector_size(8 * WIDE)));

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
        __builtin_prefetch((const void *)(behind + (uintptr_t)i), 0, 2);
}

/* The larger of each two numbers, which are finite. */
static inline Wide larger_of(Wide a, Wide b)
{
#if defined(__AVX2__)
    return (Wide)_mm256_max_pd((__m256d)a, (__m256d)b);
#else
    Masks more = a > b;
    return (Wide)(((Masks)a & more) | ((Masks)b & ~more));
#endif
}

/* Each number without its sign. */
static inline Wide size_of(Wide a)
{
    return (Wide)((Masks)a & INT64_MAX);
}

/* The largest of v[a:b], which is not empty, each times `sign`. */
static inline double most_of(const double *v, Index a, Index b, double sign)
{
    double most = sign * v[a];
    Index i = a;
    if (b - a >= 2 * WIDE) {
        Wide p = sign * *(const Wide *)(v + a), q = sign * *(const Wide *)(v + a + WIDE);
        for (i = a + 2 * WIDE; i + 2 * WIDE <= b; i += 2 * WIDE) {
            p = larger_of(sign * *(const Wide *)(v + i), p);
            q = larger_of(sign * *(const Wide *)(v + i + WIDE), q);
        }
        p = larger_of(p, q);
        for (int k = 0; k < WIDE; k++)
            most = larger(most, p[k]);
    }
    for (; i < b; i++)
        most = larger(most, sign * v[i]);
    return most;
}

static double largest(const double *v, Index a, Index b) { return most_of(v, a, b, 1.0); }
static double smallest(const double *v, Index a, Index b) { return -most_of(v, a, b, -1.0); }

static inline int any(Masks m)
{
    int64_t bits = 0;
    for (int k = 0; k < WIDE; k++)
        bits |= m[k];
    return bits != 0;
}

/* Index of the first of v[a:b] that equals `value`; b when none does. */
static Index place_of(const double *v, Index a, Index b, double value)
{
    Index i = a;
    Wide wanted = value - (Wide){0.0};
    for (; i + 4 * WIDE <= b; i += 4 * WIDE) {
        const Wide *u = (const Wide *)(v + i);
        if (any((u[0] == wanted) | (u[1] == wanted) | (u[2] == wanted) | (u[3] == wanted)))
            break;
    }
    while (i < b && v[i] != value)
        i++;
    return i;
}

/* Index of the first of v[a:b] that is at least `level`; b when none is. */
static Index first_from(const double *v, Index a, Index b, double level)
{
    Index i = a;
    Wide wanted = level - (Wide){0.0};
    for (; i + 4 * WIDE <= b; i += 4 * WIDE) {
        const Wide *u = (const Wide *)(v + i);
        if (any((u[0] >= wanted) | (u[1] >= wanted) | (u[2] >= wanted) | (u[3] >= wanted)))
            break;
    }
    while (i < b && v[i] < level)
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

/* Some samples from the i-th on. */
static inline Wide some(Samples x, Index i)
{
    if (x.is_double)
        return *(const Wide *)((const double *)x.start + i);
    const float *v = (const float *)x.start + i;
#if defined(__AVX2__)
    return (Wide)_mm256_cvtps_pd(_mm_loadu_ps(v));
#else
    return (Wide){v[0], v[1]};
#endif
}

/* Whether the size of every one of n samples is at most `limit`; never true of NaN. */
static int samples_within(Samples x, Index n, double limit)
{
    Masks bad = {0};
    Index i = 0;
    for (; i + WIDE <= n; i += WIDE) {
        Wide v = some(x, i);
        bad |= ~((v <= limit) & (v >= -limit));
    }
    int good = !any(bad);
    for (; i < n; i++)
        good &= fabs(sample(x, i)) <= limit;
    return good;
}

/* The same of n numbers. */
static int all_within(const double *v, Index n, double limit)
{
    Samples x = {v, 1};
    return samples_within(x, n, limit);
}

/* Write the means of four by four samples, added in pairs. */
static inline void means_of_four(Samples x, Index n_blocks, double *restrict y)
{
    Index b = 0;
#if defined(__AVX2__)
    for (; b + 4 <= n_blocks; b += 4) {
        __m256d p = _mm256_hadd_pd((__m256d)some(x, 4 * b), (__m256d)some(x, 4 * b + 4));
        __m256d q = _mm256_hadd_pd((__m256d)some(x, 4 * b + 8), (__m256d)some(x, 4 * b + 12));
        __m256d low = _mm256_permute2f128_pd(p, q, 0x20), high = _mm256_permute2f128_pd(p, q, 0x31);
        *(Wide *)(y + b) = ((Wide)low + (Wide)high) * 0.25;
    }
#endif
    for (; b < n_blocks; b++) {
        Samples at = part(x, 4 * b);
        y[b] = ((sample(at, 0) + sample(at, 1)) + (sample(at, 2) + sample(at, 3))) * 0.25;
    }
}

/* Write the mean of each run of `size` samples. */
static void block_means(Samples x, Index size, Index n_blocks, double *restrict y)
{
    if (size == 4) {
        /* The usual 20 kHz: worth a form of its own. */
        means_of_four(x, n_blocks, y);
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
    Wide sums[4 / WIDE] = {{0.0}};
    Index i = 0;
    for (; i < n - 3; i += 4)
        for (int k = 0; k < 4 / WIDE; k++)
            sums[k] += *(const Wide *)(v + i + k * WIDE);
    double s[4];
    for (int k = 0; k < 4; k++)
        s[k] = sums[k / WIDE][k % WIDE];
    for (; i < n; i++)
        s[0] += v[i];
    return (s[0] + s[1]) + (s[2] + s[3]);
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
