/* The k-th smallest of many numbers, and their median. */
#include <string.h>

#include "row.h"

/* A whole number for each number, in the same order; NaN beyond all. And back. */
static inline int64_t key_of(double v)
{
    int64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return v != v ? INT64_MAX : bits ^ (bits >> 63 & INT64_MAX);
}

static inline double of_key(int64_t key)
{
    double v;
    key ^= key >> 63 & INT64_MAX;
    memcpy(&v, &key, sizeof v);
    return v;
}

/* Put a few keys in order. */
static void order(int64_t *keys, Index n)
{
    for (Index i = 1; i < n; i++) {
        int64_t key = keys[i];
        Index j = i;
        for (; j > 0 && keys[j - 1] > key; j--)
            keys[j] = keys[j - 1];
        keys[j] = key;
    }
}

/* The k-th smallest of n keys by their bytes, from the highest on: no order of them makes it slow. */
static int64_t kth_by_bytes(int64_t *keys, Index n, Index k)
{
    for (int shift = 56; shift >= 0 && n > 1; shift -= 8) {
        Index counts[256] = {0}, kept = 0;
        int flip = shift == 56 ? 128 : 0; /* the sign is part of the highest byte */
        for (Index i = 0; i < n; i++)
            counts[(keys[i] >> shift & 255) ^ flip]++;
        int digit = 0;
        while (k >= counts[digit])
            k -= counts[digit++];
        for (Index i = 0; i < n; i++) {
            int64_t key = keys[i];
            keys[kept] = key;
            kept += ((key >> shift & 255) ^ flip) == digit;
        }
        n = kept;
    }
    return keys[0];
}

/* The k-th smallest of n numbers, NaN beyond all; `keys` holds n. A few of them tell between which
 * two it is likely to lie; the others are left out, until few are left. */
static double kth_of(const double *v, Index n, Index k, int64_t *keys)
{
    for (Index i = 0; i < n; i++)
        keys[i] = key_of(v[i]);
    for (int round = 0; round < MOST_ROUNDS && n > FEW_KEYS; round++) {
        int64_t few[FEW_KEYS];
        for (Index i = 0; i < FEW_KEYS; i++)
            few[i] = keys[(2 * i + 1) * n / (2 * FEW_KEYS)];
        order(few, FEW_KEYS);
        Index place = k * FEW_KEYS / n, kept = 0, below = 0, within = 0;
        int64_t lo = place < NEAR_KEYS ? INT64_MIN : few[place - NEAR_KEYS];
        int64_t hi = place + NEAR_KEYS >= FEW_KEYS ? INT64_MAX : few[place + NEAR_KEYS];
        for (Index i = 0; i < n; i++) {
            below += keys[i] < lo;
            within += keys[i] <= hi;
        }
        if (k < below) {
            hi = lo - 1;
            lo = INT64_MIN;
        } else if (k >= within) {
            lo = hi + 1;
            hi = INT64_MAX;
            k -= within;
        } else {
            k -= below;
        }
        for (Index i = 0; i < n; i++) {
            int64_t key = keys[i];
            keys[kept] = key;
            kept += (key >= lo) & (key <= hi);
        }
        n = kept;
    }
    if (n > FEW_KEYS)
        return of_key(kth_by_bytes(keys, n, k));
    order(keys, n);
    return of_key(keys[k]);
}

/* The median of n > 0 finite numbers, as numpy defines it; `keys` holds n. */
static double median_of(const double *v, Index n, int64_t *keys)
{
    double upper = kth_of(v, n, n / 2, keys);
    if (n % 2)
        return upper;
    double lower = -INFINITY;
    Index n_below = 0;
    for (Index i = 0; i < n; i++)
        if (v[i] < upper) {
            lower = larger(lower, v[i]);
            n_below++;
        }
    return ((n_below == n / 2 ? lower : upper) + upper) / 2.0;
}
