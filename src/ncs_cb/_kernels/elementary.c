/* Exponential, logarithm and circle, of + - * / alone: the libraries of systems round differently.
 *
 * Of four numbers at once, one in a lane, each by itself. Each is reduced to a short interval,
 * where its series ends below the last bit. */
#include <stdint.h>
#include <string.h>

#include "row.h"

/* They may begin anywhere: gcc for Windows does not keep a stack aligned for wide registers. */
typedef double Lanes __attribute__((vector_size(8 * LANES), aligned(8)));
/* All bits of a lane, or none. */
typedef int64_t Choice __attribute__((vector_size(8 * LANES), aligned(8)));

/* Where a function takes lanes, the caller and the function must be one. */
#define INLINE static inline __attribute__((always_inline))

INLINE Lanes alike(double v) { return v - (Lanes){0.0}; }

/* Four numbers of a table, which may begin anywhere. */
INLINE Lanes lanes_at(const double *v)
{
    typedef double Loose __attribute__((vector_size(8 * LANES), aligned(8), may_alias));
    return (Lanes) * (const Loose *)v;
}

/* Write them there. */
INLINE void put_lanes(double *v, Lanes a)
{
    for (int i = 0; i < LANES; i++)
        v[i] = a[i];
}

INLINE Lanes chosen(Choice where, Lanes a, Lanes b)
{
    return (Lanes)(((Choice)a & where) | ((Choice)b & ~where));
}

INLINE Lanes larger_lanes(Lanes a, Lanes b) { return chosen(b > a, b, a); }
INLINE Lanes smaller_lanes(Lanes a, Lanes b) { return chosen(b < a, b, a); }

INLINE Lanes within_lanes(Lanes v, double a, double b)
{
    return smaller_lanes(larger_lanes(v, alike(a)), alike(b));
}

INLINE Lanes root(Lanes v)
{
    for (int i = 0; i < LANES; i++)
        v[i] = sqrt(v[i]);
    return v;
}

/* 1.5 * 2 ** 52: with a number that is small no place is left for its fraction, and the lowest
 * bits are the whole number. */
#define SHIFT 6755399441055744.0

#define LOG_2 0.693147180559945309417

/* e ** x, for x from -700 to 700; what lies beyond is taken for the bound. */
INLINE Lanes exponential(Lanes x)
{
    const double log_2_high = 6.93147180369123816490e-01, log_2_low = 1.90821492927058770002e-10;
    static const double series[] = {
        1.0 / 6227020800.0, 1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0, 1.0 / 362880.0,
        1.0 / 40320.0, 1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0,
    };
    x = within_lanes(x, -700.0, 700.0);
    Lanes shifted = x * 1.44269504088896338700 + SHIFT, k = shifted - SHIFT;
    Lanes r = (x - k * log_2_high) - k * log_2_low, sum = alike(1.0 / 87178291200.0);
    for (int n = 0; n < 14; n++)
        sum = sum * r + series[n];
    return sum * (Lanes)(((Choice)shifted + 1023) << 52);
}

/* Split a positive normal number into one from 1 to 2 and a power of 2, which is given. */
INLINE Lanes power_off(Lanes *v)
{
    const double two_52 = 4503599627370496.0;
    Choice bits = (Choice)*v, one = (Choice)alike(1.0);
    *v = (Lanes)((bits & 0xfffffffffffffll) | one);
    return (Lanes)((bits >> 52 & 2047) | (Choice)alike(two_52)) - (two_52 + 1023.0);
}

/* Logarithm to the base e of a positive normal number. */
INLINE Lanes logarithm(Lanes v)
{
    static const double series[] = {1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13, 1.0 / 11,
                                    1.0 / 9,  1.0 / 7,  1.0 / 5,  1.0 / 3,  1.0};
    Lanes k = power_off(&v);
    Choice high = v > 1.41421356237309504880;
    v = chosen(high, v * 0.5, v);
    k = chosen(high, k + 1.0, k);
    Lanes s = (v - 1.0) / (v + 1.0), square = s * s, sum = alike(1.0 / 23);
    for (int n = 0; n < 11; n++)
        sum = sum * square + series[n];
    return k * LOG_2 + 2.0 * s * sum;
}

/* Logarithm of many numbers multiplied, from the product of what power_off left of each, from 1 to
 * 2, and the sum of the powers: one series for all. */
INLINE Lanes logarithm_of(Lanes product, Lanes powers) { return logarithm(product) + LOG_2 * powers; }

/* Complex numbers. */
typedef struct {
    Lanes re, im;
} Complex;

INLINE Complex times(Complex a, Complex b)
{
    return (Complex){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

INLINE Complex scaled(Complex a, Lanes by) { return (Complex){a.re * by, a.im * by}; }

/* cos(a) - i sin(a), for an angle of a few turns at most. */
INLINE Complex turned_by(Lanes a)
{
    const double right_high = 1.57079632673412561417, right_low = 6.07710050650619224932e-11;
    /* Of cosine and sine in turn, the highest power first. */
    static const double series[] = {
        -1.0 / 6402373705728000.0, -1.0 / 121645100408832000.0, 1.0 / 20922789888000.0,
        1.0 / 355687428096000.0,   -1.0 / 87178291200.0,        -1.0 / 1307674368000.0,
        1.0 / 479001600.0,         1.0 / 6227020800.0,          -1.0 / 3628800.0,
        -1.0 / 39916800.0,         1.0 / 40320.0,               1.0 / 362880.0,
        -1.0 / 720.0,              -1.0 / 5040.0,               1.0 / 24.0,
        1.0 / 120.0,               -0.5,                        -1.0 / 6.0,
    };
    Lanes shifted = a * 0.636619772367581343076 + SHIFT, k = shifted - SHIFT;
    Lanes r = (a - k * right_high) - k * right_low, square = r * r;
    Lanes cosine = alike(0.0), sine = alike(0.0);
    for (int n = 0; n < 18; n += 2) {
        cosine = (cosine + series[n]) * square;
        sine = (sine + series[n + 1]) * square;
    }
    cosine += 1.0;
    sine = sine * r + r;
    Choice quarter = (Choice)shifted & 3, odd = (quarter & 1) != 0;
    Choice back = ((quarter + 1) & 2) != 0, under = (quarter & 2) != 0;
    Complex turn = {chosen(odd, sine, cosine), chosen(odd, cosine, sine)};
    turn.re = chosen(back, -turn.re, turn.re);
    turn.im = chosen(under, turn.im, -turn.im);
    return turn;
}

/* Powers of one turn: those up to twice as high are products of known ones. */
INLINE void turn_all(Lanes angle, Complex *waves, const int count)
{
    waves[0] = (Complex){alike(1.0), alike(0.0)};
    waves[1] = turned_by(angle);
    for (int done = 2; done < count; done *= 2) {
        Complex highest = times(waves[done - 1], waves[1]);
        for (int i = 0; i < done && done + i < count; i++)
            waves[done + i] = times(waves[i], highest);
    }
}
