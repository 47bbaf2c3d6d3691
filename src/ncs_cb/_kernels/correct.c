/* Baseline, artefact and hum taken from blocks and samples. */
#include "row.h"

/* Take the fitted decay from the first `n` blocks after the stimulus. */
static void take_decay_blocks(const Row *w, Index n, double *restrict r)
{
    double w0 = w->decay * w->w0, w1 = w->decay * w->w1, w2 = w->decay * w->w2;
    const double *restrict e0 = w->courses + (w->at - 1) * N_TABLE;
    const double *restrict e1 = e0 + N_TABLE, *restrict e2 = e1 + N_TABLE;
    r += w->pre;
    for (Index b = 0; b < n; b++)
        r[b] -= w0 * e0[b] + w1 * e1[b] + w2 * e2[b];
}

/* Write block means less baseline and artefact. */
static void take_baseline(const Row *w)
{
    const double *restrict y = w->y;
    double *restrict r = w->r;
    double slope = w->slope * (double)w->size;
    double base = w->level + w->slope * (0.5 * (double)(w->size - 1) - w->origin);
    Index n = w->n_blocks;
    Index bend = slope == 0.0 ? 0 : earlier(n, later(0, whole(w->bend / (double)w->size)));
    Wide count = counted();
    Index b = 0;
    for (; b + WIDE <= bend; b += WIDE, count += WIDE)
        *(Wide *)(r + b) = wide_at(y, b) - (base + slope * count);
    for (; b < bend; b++)
        r[b] = y[b] - (base + slope * (double)b);
    base += slope * (double)bend;
    for (; b < n; b++)
        r[b] = y[b] - base;
    if (w->decay != 0.0)
        take_decay_blocks(w, earlier(n - w->pre, N_TABLE), r);
}

/* Take the hum from n samples that begin `offset` samples after the first block. */
static void take_hum(const Row *w, Index offset, Index n, double *restrict z)
{
    double size = (double)w->size;
    for (Index i = 0; i < n; i++) {
        double u = ((double)(offset + i) - 0.5 * (size - 1.0)) / size;
        Index b = earlier(later((Index)u, 0), w->n_blocks - 2);
        z[i] -= w->hum[b] + (u - (double)b) * (w->hum[b + 1] - w->hum[b]);
    }
}

/* Take the artefact from n samples that begin at sample a. */
static void take_decay_samples(const Row *w, Index a, Index n, double *restrict z)
{
    Index at = w->at;
    double ratio0 = w->ratio[at - 1], ratio1 = w->ratio[at], ratio2 = w->ratio[at + 1];
    Index b = later((a - w->stimulus) / w->size, 0);
    Index i = w->stimulus + b * w->size - a;
    for (; i < n && b < N_TABLE; b++) {
        const double *e = w->means + b * N_DECAYS + at;
        double a0 = w->decay * w->w0 * e[-1] * w->head[at - 1];
        double a1 = w->decay * w->w1 * e[0] * w->head[at];
        double a2 = w->decay * w->w2 * e[1] * w->head[at + 1];
        for (Index j = 0; j < w->size; j++) {
            if (0 <= i && i < n)
                z[i] -= a0 + a1 + a2;
            a0 *= ratio0;
            a1 *= ratio1;
            a2 *= ratio2;
            i++;
        }
    }
}

/* Write the samples a..b less baseline and artefact to z. */
static void take_baseline_samples(const Row *w, Index a, Index b)
{
    double *restrict z = w->z;
    Index n = b - a;
    double slope = w->slope;
    /* Behind the bend the level is that of the bend, wherever the stretch begins. */
    double base = w->level + slope * (smaller((double)a, w->bend) - w->origin);
    Index bend = slope == 0.0 ? 0 : earlier(n, later(0, whole(w->bend - (double)a)));
    double rest = base + slope * (double)bend;
    Samples x = part(w->x, a);
    Wide count = counted();
    Index i = 0;
    for (; i + WIDE <= bend; i += WIDE, count += WIDE)
        *(Wide *)(z + i) = some(x, i) - (base + slope * count);
    for (; i < bend; i++)
        z[i] = sample(x, i) - (base + slope * (double)i);
    for (; i + WIDE <= n; i += WIDE)
        *(Wide *)(z + i) = some(x, i) - rest;
    for (; i < n; i++)
        z[i] = sample(x, i) - rest;
    if (w->hum_state > 0)
        take_hum(w, a, n, z);
    if (w->decay != 0.0)
        take_decay_samples(w, a, n, z);
}
