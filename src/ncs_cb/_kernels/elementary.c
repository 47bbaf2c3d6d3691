/* Exponential, logarithm and circle, of + - * / alone: the libraries of systems round differently.
 *
 * Each is reduced to a short interval, where its series ends below the last bit. */
#include <stdint.h>
#include <string.h>

#include "row.h"

/* 2 to a whole power that is neither beyond the largest nor below the smallest normal number. */
static inline double power_of_two(int64_t k)
{
    uint64_t bits = (uint64_t)(k + 1023) << 52;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The nearest whole number of one that is small. */
static inline double nearest(double v)
{
    const double shift = 6755399441055744.0; /* 1.5 * 2 ** 52: no place for a fraction */
    return (v + shift) - shift;
}

/* e ** x, for x from -700 to 700; what lies beyond is taken for the bound. */
static double exponential(double x)
{
    const double log_2_high = 6.93147180369123816490e-01, log_2_low = 1.90821492927058770002e-10;
    x = within(x, -700.0, 700.0);
    double k = nearest(x * 1.44269504088896338700);
    double r = (x - k * log_2_high) - k * log_2_low;
    double sum = 1.0;
    for (int n = 14; n > 0; n--)
        sum = 1.0 + r * sum / (double)n;
    return sum * power_of_two(whole(k));
}

/* Logarithm to the base e of a positive normal number. */
static double logarithm(double v)
{
    const double log_2 = 0.693147180559945309417;
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    int64_t k = (int64_t)(bits >> 52 & 2047) - 1023;
    bits = (bits & 0xfffffffffffffull) | (uint64_t)1023 << 52;
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m > 1.41421356237309504880) {
        m *= 0.5;
        k++;
    }
    static const double series[] = {1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13, 1.0 / 11,
                                    1.0 / 9,  1.0 / 7,  1.0 / 5,  1.0 / 3,  1.0};
    double s = (m - 1.0) / (m + 1.0), square = s * s, sum = 1.0 / 23;
    for (int n = 0; n < 11; n++)
        sum = sum * square + series[n];
    return (double)k * log_2 + 2.0 * s * sum;
}

/* A complex number. */
typedef struct {
    double re, im;
} Complex;

/* cos(a) - i sin(a), for an angle of a few turns at most. */
static Complex turned_by(double a)
{
    const double right_high = 1.57079632673412561417, right_low = 6.07710050650619224932e-11;
    double k = nearest(a * 0.636619772367581343076);
    double r = (a - k * right_high) - k * right_low, square = r * r;
    double sine = 0.0, cosine = 0.0;
    for (int n = 18; n > 0; n -= 2) {
        cosine = (1.0 + cosine) * -square / (double)(n * (n - 1));
        sine = (1.0 + sine) * -square / (double)(n * (n + 1));
    }
    cosine += 1.0;
    sine = (1.0 + sine) * r;
    switch (whole(k) & 3) {
    case 0:
        return (Complex){cosine, -sine};
    case 1:
        return (Complex){-sine, -cosine};
    case 2:
        return (Complex){-cosine, sine};
    default:
        return (Complex){sine, cosine};
    }
}
