/* Spectra cut off as a trace was: through time and back.
 *
 * What a window cuts off in time is spread over all frequencies. The product with it is taken where
 * it is one of numbers, at PERIOD times: so many that of the window's frequencies, up to PARTS - 2,
 * none is taken for another. 9 and 16 have no factor in common, so that transforms of 9 and of 16
 * numbers, one after the other, are the whole one, without turns between them (Good IJ. J R Stat
 * Soc B 1958;20:361-372). Time n stands in the cell n mod 9, n mod 16. */
#include "row.h"

enum {
    PARTS = 2 * FREQUENCIES, /* real and imaginary parts alternate */
    NINE = 9,
    SIXTEEN = 16,
    PERIOD = NINE * SIXTEEN
};

_Static_assert(PERIOD > 2 * (PARTS - 2), "every frequency of the window has its own cell");

/* The cell of frequency k; negative ones lie behind the others. */
static inline int cell_of(int k) { return 4 * k % NINE * SIXTEEN + 9 * k % SIXTEEN; }

INLINE Complex plus(Complex a, Complex b) { return (Complex){a.re + b.re, a.im + b.im}; }
INLINE Complex minus(Complex a, Complex b) { return (Complex){a.re - b.re, a.im - b.im}; }

/* a times cosine - i sine */
INLINE Complex turned_back(Complex a, double cosine, double sine)
{
    return (Complex){a.re * cosine + a.im * sine, a.im * cosine - a.re * sine};
}

/* Fourier transforms of three numbers, and of four, which lie `stride` apart, as do those that
 * come out. */
INLINE void transform_3(const Complex *in, const int stride, Complex *out, const int stride_out)
{
    const Complex *a = in, *b = a + stride, *c = b + stride;
    Complex sum = plus(*b, *c), apart = scaled(minus(*b, *c), alike(0.86602540378443864676));
    Complex middle = minus(*a, scaled(sum, alike(0.5)));
    out[0] = plus(*a, sum);
    out[stride_out] = (Complex){middle.re + apart.im, middle.im - apart.re};
    out[2 * stride_out] = (Complex){middle.re - apart.im, middle.im + apart.re};
}

INLINE void transform_4(const Complex *in, const int stride, Complex *out, const int stride_out)
{
    const Complex *a = in, *b = a + stride, *c = b + stride, *d = c + stride;
    Complex even = plus(*a, *c), odd = plus(*b, *d), rest = minus(*a, *c), apart = minus(*b, *d);
    out[0] = plus(even, odd);
    out[stride_out] = (Complex){rest.re + apart.im, rest.im - apart.re};
    out[2 * stride_out] = minus(even, odd);
    out[3 * stride_out] = (Complex){rest.re - apart.im, rest.im + apart.re};
}

/* Of nine numbers. */
INLINE void transform_9(const Complex *in, const int stride, Complex *out, const int stride_out)
{
    const double cos_1 = 0.76604444311897803520, sin_1 = 0.64278760968653932632; /* of 40 degrees, */
    const double cos_2 = 0.17364817766693034885, sin_2 = 0.98480775301220805937; /* twice, */
    const double cos_4 = -0.93969262078590838405, sin_4 = 0.34202014332566873304; /* four times */
    Complex v[NINE];
    for (int i = 0; i < 3; i++)
        transform_3(in + i * stride, 3 * stride, v + i, 3);
    v[4] = turned_back(v[4], cos_1, sin_1);
    v[5] = turned_back(v[5], cos_2, sin_2);
    v[7] = turned_back(v[7], cos_2, sin_2);
    v[8] = turned_back(v[8], cos_4, sin_4);
    for (int i = 0; i < 3; i++)
        transform_3(v + 3 * i, 1, out + i * stride_out, 3 * stride_out);
}

/* Cut a column of cells off: to time, times the window, and back. */
static void cut_column(Complex *cells, const double *window)
{
    Complex v[NINE];
    transform_9(cells, SIXTEEN, v, 1);
    for (int i = 0; i < NINE; i++)
        v[i] = scaled(v[i], alike(window[i * SIXTEEN]));
    transform_9(v, 1, cells, SIXTEEN);
}

/* Of the sixteen numbers in a row of cells. */
static void transform_16(Complex *cells)
{
    const double cos_1 = 0.92387953251128675613, sin_1 = 0.38268343236508977173; /* of 22.5 degrees */
    const double root = 0.70710678118654752440;
    Complex v[SIXTEEN];
    for (int i = 0; i < 4; i++)
        transform_4(cells + i, 4, v + i, 4);
    v[5] = turned_back(v[5], cos_1, sin_1);
    v[6] = turned_back(v[6], root, root);
    v[7] = turned_back(v[7], sin_1, cos_1);
    v[9] = turned_back(v[9], root, root);
    v[10] = (Complex){v[10].im, -v[10].re};
    v[11] = turned_back(v[11], -root, root);
    v[13] = turned_back(v[13], sin_1, cos_1);
    v[14] = turned_back(v[14], -root, root);
    v[15] = turned_back(v[15], -cos_1, -sin_1);
    for (int i = 0; i < 4; i++)
        transform_4(v + 4 * i, 1, cells + i, 4);
}

/* Write a window at all times from its transform at frequencies 0 to PARTS - 2, with what two
 * transforms and taking two spectra apart make too much. */
static void window_of(const double *transform, double *window)
{
    Complex cells[PERIOD] = {0};
    for (int k = 0; k <= PARTS - 2; k++) {
        Lanes re = alike(transform[2 * k]), im = alike(transform[2 * k + 1]);
        cells[cell_of((PERIOD - k) % PERIOD)] = (Complex){-im, re};
        cells[cell_of(k)] = (Complex){im, re};
    }
    for (int i = 0; i < NINE; i++)
        transform_16(cells + i * SIXTEEN);
    for (int i = 0; i < SIXTEEN; i++) {
        Complex v[NINE];
        transform_9(cells + i, SIXTEEN, v, 1);
        for (int j = 0; j < NINE; j++)
            window[j * SIXTEEN + i] = v[j].im[0] / (2.0 * PERIOD);
    }
}

/* Cut one or two spectra off, of which each is that of real numbers: together they are the real
 * and the imaginary part of one, which change places on the way to time, so that the same
 * transform leads there and back. `cell` holds that of every frequency. */
static void cut_off(const Complex *one, const Complex *other, const double *window,
                    const int *cell, Lanes *out, Lanes *out_other)
{
    Complex cells[PERIOD], none = {alike(0.0), alike(0.0)};
    cells[cell[0]] = (Complex){other ? other[0].re : none.re, one[0].re};
    for (int f = 1; f < FREQUENCIES; f++) {
        const Complex a = one[f], b = other ? other[f] : none;
        cells[cell[f]] = (Complex){b.re + a.im, a.re - b.im};
        cells[cell[PERIOD - f]] = (Complex){b.re - a.im, a.re + b.im};
    }
    for (int k = FREQUENCIES; k <= PERIOD - FREQUENCIES; k++)
        cells[cell[k]] = none;
    for (int i = 0; i < NINE; i++)
        transform_16(cells + i * SIXTEEN);
    for (int i = 0; i < SIXTEEN; i++)
        cut_column(cells + i, window + i);
    for (int i = 0; i < NINE; i++)
        transform_16(cells + i * SIXTEEN);
    for (int f = 0; f < FREQUENCIES; f++) {
        Complex above = cells[cell[f]], below = cells[cell[(PERIOD - f) % PERIOD]];
        out[2 * f] = above.im + below.im;
        out[2 * f + 1] = below.re - above.re;
        if (other) {
            out_other[2 * f] = above.re + below.re;
            out_other[2 * f + 1] = above.im - below.im;
        }
    }
}
