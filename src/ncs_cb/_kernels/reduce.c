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
/* Sums have four lanes whatever a register holds, so that every build rounds alike. */
typedef double Four __attribute__((vector_size(32), aligned(8), may_alias));

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
#pragma GCC unroll 4
    for (Index i = quarter * bytes / 4; i < (quarter + 1) * bytes / 4; i += CACHE_LINE)
        __builtin_prefetch((const void *)(behind + (uintptr_t)i), 0, 2);
}

static inline Wide wide_of(double v) { return v - (Wide){0.0}; }

/* Numbers from the i-th on. */
static inline Wide wide_at(const double *v, Index i) { return *(const Wide *)(v + i); }

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

/* The largest of numbers and one more. */
static inline double most_in(Wide v, double most)
{
    for (int k = 0; k < WIDE; k++)
        most = larger(most, v[k]);
    return most;
}

/* The largest of v[a:b], which is not empty, each times `sign`: in four chains, so that hardly one
 * comparison waits for another; the last numbers may be looked at twice. */
static inline double most_of(const double *v, Index a, Index b, double sign)
{
    double most = sign * v[a];
    Index i = a + 1, last = b - 4 * WIDE;
    if (last < a) {
        for (; i < b; i++)
            most = larger(most, sign * v[i]);
        return most;
    }
    Wide p = sign * wide_at(v, last), q = sign * wide_at(v, last + WIDE);
    Wide r = sign * wide_at(v, last + 2 * WIDE), s = sign * wide_at(v, last + 3 * WIDE);
    for (; i < last; i += 4 * WIDE) {
        p = larger_of(sign * wide_at(v, i), p);
        q = larger_of(sign * wide_at(v, i + WIDE), q);
        r = larger_of(sign * wide_at(v, i + 2 * WIDE), r);
        s = larger_of(sign * wide_at(v, i + 3 * WIDE), s);
    }
    return most_in(larger_of(larger_of(p, q), larger_of(r, s)), most);
}

static double largest(const double *v, Index a, Index b) { return most_of(v, a, b, 1.0); }
static double smallest(const double *v, Index a, Index b) { return -most_of(v, a, b, -1.0); }

/* One bit for every lane, the lowest for the first. */
static inline uint32_t bits_of(Masks m)
{
#if defined(__AVX2__)
    return (uint32_t)_mm256_movemask_pd((__m256d)m);
#else
    return (uint32_t)((m[0] & 1) | (m[1] & 2));
#endif
}

static inline int any(Masks m) { return bits_of(m) != 0; }

/* On which side of a level a number lies that is looked for. */
typedef enum { BELOW, AT_MOST, EQUAL, AT_LEAST } Wanted;

static inline Masks lanes_on(Wide v, Wanted which, Wide level)
{
    switch (which) {
    case BELOW: return v < level;
    case AT_MOST: return v <= level;
    case EQUAL: return v == level;
    default: return v >= level;
    }
}

static inline int is_on(double v, Wanted which, double level)
{
    switch (which) {
    case BELOW: return v < level;
    case AT_MOST: return v <= level;
    case EQUAL: return v == level;
    default: return v >= level;
    }
}

/* One bit for each of 4 * WIDE numbers from the i-th on. */
static inline uint32_t bits_on(const double *v, Index i, Wanted which, Wide level)
{
    uint32_t bits = 0;
    for (int k = 0; k < 4; k++)
        bits |= bits_of(lanes_on(wide_at(v, i + k * WIDE), which, level)) << (k * WIDE);
    return bits;
}

/* Index of the first of v[a:b] that is on this side of a level; b when none is. */
static inline Index first_on(const double *v, Index a, Index b, Wanted which, double level)
{
    Wide wanted = wide_of(level);
    Index i = a, last = b - 4 * WIDE;
    if (last < a) {
        while (i < b && !is_on(v[i], which, level))
            i++;
        return i;
    }
    for (; i < last; i += 4 * WIDE) {
        uint32_t bits = bits_on(v, i, which, wanted);
        if (bits)
            return i + __builtin_ctz(bits);
    }
    /* The last of them, some of which were looked at before. */
    uint32_t bits = bits_on(v, last, which, wanted);
    return bits ? last + __builtin_ctz(bits) : b;
}

/* Index of the last of v[a:b] that is on this side of a level; a - 1 when none is. */
static inline Index last_on(const double *v, Index a, Index b, Wanted which, double level)
{
    Wide wanted = wide_of(level);
    Index i = b;
    for (; i - WIDE >= a; i -= WIDE) {
        uint32_t bits = bits_of(lanes_on(wide_at(v, i - WIDE), which, wanted));
        if (bits)
            return i - WIDE + (31 - __builtin_clz(bits));
    }
    do
        i--;
    while (i >= a && !is_on(v[i], which, level));
    return i;
}

/* Index of the last of v[a:b] that lies `bound` or farther from a level; a - 1 when none does. */
static inline Index last_away(const double *v, Index a, Index b, double level, double bound)
{
    Index i = b;
    for (; i - WIDE >= a; i -= WIDE) {
        uint32_t bits = bits_of(size_of(wide_at(v, i - WIDE) - level) >= bound);
        if (bits)
            return i - WIDE + (31 - __builtin_clz(bits));
    }
    do
        i--;
    while (i >= a && fabs(v[i] - level) < bound);
    return i;
}

/* Index of the first of v[a:b] that equals `value`; b when none does. */
static Index place_of(const double *v, Index a, Index b, double value)
{
    return first_on(v, a, b, EQUAL, value);
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

/* Four samples from the i-th on. */
static inline __attribute__((always_inline)) Four four_of(Samples x, Index i)
{
    if (x.is_double)
        return *(const Four *)((const double *)x.start + i);
    const float *v = (const float *)x.start + i;
#if defined(__AVX2__)
    return (Four)_mm256_cvtps_pd(_mm_loadu_ps(v));
#else
    return (Four){v[0], v[1], v[2], v[3]};
#endif
}

/* 0, 1, 2, ... */
static inline Wide counted(void)
{
    Wide count = {0.0};
    for (int k = 0; k < WIDE; k++)
        count[k] = (double)k;
    return count;
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

/* Write the means of four by four samples, added in pairs; give their sum in any order. */
static inline double means_of_four(Samples x, Index n_blocks, double *restrict y)
{
    double total = 0.0;
    Index b = 0;
#if defined(__AVX2__)
    __m256d sums = _mm256_setzero_pd();
    for (; b + 4 <= n_blocks; b += 4) {
        __m256d p = _mm256_hadd_pd((__m256d)four_of(x, 4 * b), (__m256d)four_of(x, 4 * b + 4));
        __m256d q = _mm256_hadd_pd((__m256d)four_of(x, 4 * b + 8), (__m256d)four_of(x, 4 * b + 12));
        __m256d low = _mm256_permute2f128_pd(p, q, 0x20), high = _mm256_permute2f128_pd(p, q, 0x31);
        __m256d means = _mm256_mul_pd(_mm256_add_pd(low, high), _mm256_set1_pd(0.25));
        _mm256_storeu_pd(y + b, means);
        sums = _mm256_add_pd(sums, means);
    }
    for (int k = 0; k < 4; k++)
        total += sums[k];
#endif
    for (; b < n_blocks; b++) {
        Samples at = part(x, 4 * b);
        y[b] = ((sample(at, 0) + sample(at, 1)) + (sample(at, 2) + sample(at, 3))) * 0.25;
        total += y[b];
    }
    return total;
}

/* Write the mean of each run of `size` samples. Gives their sum in any order: it is finite where all
 * of them are, and only that may be asked of it. */
static double block_means(Samples x, Index size, Index n_blocks, double *restrict y)
{
    if (size == 4)
        /* The usual 20 kHz: worth a form of its own. */
        return means_of_four(x, n_blocks, y);
    double scale = 1.0 / (double)size, sum = 0.0;
    Index i = 0;
    for (Index b = 0; b < n_blocks; b++) {
        double total = 0.0;
        for (Index j = 0; j < size; j++)
            total += sample(x, i + j);
        y[b] = total * scale;
        sum += y[b];
        i += size;
    }
    return sum;
}

/* The sum of four lanes. */
static inline __attribute__((always_inline)) double total_of(Four s) { return (s[0] + s[1]) + (s[2] + s[3]); }

/* Sum of n values, in four lanes, so that no addition waits for the one before. */
static double sum_of(const double *v, Index n)
{
    Four sums = {0.0};
    Index i = 0;
    for (; i < n - 3; i += 4)
        sums += *(const Four *)(v + i);
    for (; i < n; i++)
        sums[0] += v[i];
    return total_of(sums);
}

/* Mean of v[a:b]; zero when empty. */
static double mean_of(const double *v, Index a, Index b)
{
    if (b <= a)
        return 0.0;
    return sum_of(v + a, b - a) / (double)(b - a);
}

/* Standard deviation of the white part, from second differences. */
static double white_noise(Samples x, Index n)
{
    if (n < 3)
        return 0.0;
    Four squares = {0.0};
    Index i = 0;
    for (; i < n - 5; i += 4) {
        Four d = four_of(x, i) - 2.0 * four_of(x, i + 1) + four_of(x, i + 2);
        squares += d * d;
    }
    for (; i < n - 2; i++) {
        double d = sample(x, i) - 2.0 * sample(x, i + 1) + sample(x, i + 2);
        squares[0] += d * d;
    }
    return sqrt(total_of(squares) / (6.0 * (double)(n - 2)));
}

/* Standard deviation of n samples. */
static double deviation(Samples x, Index n)
{
    if (n < 2)
        return 0.0;
    double origin = sample(x, 0);
    Four sums = {0.0}, squares = {0.0};
    Index i = 0;
    for (; i < n - 3; i += 4) {
        Four d = four_of(x, i) - origin;
        sums += d;
        squares += d * d;
    }
    for (; i < n; i++) {
        double d = sample(x, i) - origin;
        sums[0] += d;
        squares[0] += d * d;
    }
    double total = total_of(sums), rest = total_of(squares) - total * total / (double)n;
    return rest < 0.0 ? 0.0 : sqrt(rest / (double)(n - 1));
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
