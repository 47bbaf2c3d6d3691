/* What one row is measured with, and what is known of it so far.
 *
 * Compiled without contraction and without reassociation, so that every build rounds alike:
 * + - * /, comparisons and sqrt in the order written. Constants and facts come from facts.py.
 *
 * Names: `x` raw samples, `y` block means, `r` block means less baseline, `z` samples less
 * baseline about a marker, `b` a block, `i` a sample, `h` half a smoothing width, `pre` the
 * blocks before the pulse's end, `first` the blocks blanked after it.
 */
#ifndef NCS_ROW_H
#define NCS_ROW_H

#include <float.h>
#include <math.h>
#include <stdint.h>

#include "facts.h" /* made of facts.py by build.py */

/* What the library shows. */
#if defined(_WIN32)
#define EXPORTED __declspec(dllexport)
#else
#define EXPORTED __attribute__((visibility("default")))
#endif

/* An index or a count. */
typedef int64_t Index;

/* Samples as they came, of either kind; never changed. */
typedef struct {
    const void *start;
    int is_double;
} Samples;

typedef struct {
    /* The scale: of one sampling rate (tables.py). */
    double step;        /* ms from one sample to the next */
    double per_ms;      /* samples in one ms */
    Index size;         /* samples in a block */
    Index first;        /* first usable block after the stimulus */
    const double *means;   /* block means of decays, N_DECAYS for each block */
    const double *courses; /* the same, N_TABLE for each decay */
    const double *sums;    /* running sums of them, from the first usable block on */
    const double *squares; /* and of their squares */
    const double *turns;   /* cosine and sine by which 50 and 60 Hz turn from block to block */
    const double *ratio;   /* each decay from one sample to the next */
    const double *head;    /* first sample of a block over its mean, for each decay */

    /* The sweep, from its first whole block on. */
    Samples x;
    Index n;            /* samples */
    Index n_blocks;
    Index stimulus;     /* sample from which on decays are counted: a multiple of the block size */
    Index pre;          /* blocks before it */
    Index before;       /* blocks before the pulse that a baseline may use */
    Index pulse_from, pulse_to; /* first sample of the pulse, and first after it */
    Index railed;       /* longest run of equal samples on a rail */
    double duration;    /* what the file says of the pulse, in ms; NaN where it says nothing */
    Index n_pre;        /* samples before it that a baseline may use; 0 for none */
    double unit_mv;     /* what one motor unit may show at the skin; 0 where none is recorded */
    double low_mv, high_mv; /* limits of the converter, infinite where unknown */

    /* Working cells. */
    double *y, *r, *z, *hum;
    double s[N_DECAYS];
    double g[SOLVE];    /* normal equations: six rows of seven, and what they began with */

    /* Noise: sample to sample, about the baseline, and how far 1 ms of the quieter pieces
     * strays from its surroundings (0 where nobody looked). */
    double white, spread, color;

    /* Baseline: level + slope * (sample - origin), level from sample `bend` on. */
    double level, slope, origin, bend;
    Index quiet_from, quiet_to; /* the blocks it was taken from */
    int has_baseline;   /* whether one was looked for */

    /* Artefact: its size, the weights of three neighboring decays, the index of the middle one. */
    double decay, w0, w1, w2;
    Index at;
    Index n_decays;     /* how many of the decays may be used */
    double early;       /* artefact in the first usable block */

    /* Hum. */
    int hum_state;      /* 1 when hum was removed, -1 when there was none, 0 when nobody looked */
    double left;        /* residual squares per block that the last fit of hum left */

    /* The response. */
    Index top;          /* block of the highest negative peak */
    double dip;         /* depth of an initial positivity */
    double first_top;   /* height of the first phase */
    double last_top;    /* height of the last one */
    double late_area;   /* sum of the blocks of the later ones */
    int swings;         /* whether the last one ended in the swing of a filter */
    Index late_block;   /* where another response begins; -1 for none */
} Row;

static inline double larger(double a, double b) { return b > a ? b : a; }
static inline double smaller(double a, double b) { return b < a ? b : a; }
static inline double within(double v, double a, double b) { return smaller(larger(v, a), b); }
static inline Index later(Index a, Index b) { return b > a ? b : a; }
static inline Index earlier(Index a, Index b) { return b < a ? b : a; }

/* The whole part of a number; of one that no index can hold, the nearest that is never reached. */
static inline Index whole(double v)
{
    const double most = 4611686018427387904.0; /* 2 ** 62 */
    if (!(v > -most))
        return -((Index)1 << 62);
    if (v >= most)
        return (Index)1 << 62;
    return (Index)v;
}

#endif
