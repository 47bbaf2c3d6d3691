/* Mains hum, fitted to what surrounds the response. */
#include "row.h"

enum { UNKNOWNS = 6, G_WIDTH = UNKNOWNS + 1, G_FIRST = UNKNOWNS * G_WIDTH };

/* Solve the normal equations in place, g holding six rows of seven; 0 when singular. */
static int solve(double *g)
{
    const Index m = UNKNOWNS, w = G_WIDTH;
    for (Index k = 0; k < m; k++) {
        if (!(g[k * w + k] > 1e-12))
            return 0;
        for (Index i = k + 1; i < m; i++) {
            double f = g[i * w + k] / g[k * w + k];
            for (Index j = k; j < w; j++)
                g[i * w + j] -= f * g[k * w + j];
        }
    }
    for (Index k = m - 1; k >= 0; k--) {
        double total = g[k * w + m];
        for (Index j = k + 1; j < m; j++)
            total -= g[k * w + j] * g[j * w + m];
        g[k * w + m] = total / g[k * w + k];
    }
    return 1;
}

/* Residual squares that the line at k and k + 1 takes away by itself. */
static double line_gain(const double *g, Index k)
{
    const Index m = UNKNOWNS, w = G_WIDTH;
    double p = g[k * w + k], q = g[k * w + k + 1], r = g[(k + 1) * w + k + 1];
    double u = g[k * w + m], v = g[(k + 1) * w + m];
    double gain = u * u / p;
    double rest = r - q * q / p;
    if (rest > 0.0)
        gain += (v - q * u / p) * (v - q * u / p) / rest;
    return gain;
}

/* One step of an oscillation. */
typedef struct {
    double cosine, sine;
} Turn;

static inline Turn turned(Turn t, Turn by)
{
    Turn next = {t.cosine * by.cosine - t.sine * by.sine, t.sine * by.cosine + t.cosine * by.sine};
    return next;
}

/* Fit hum to the blocks 0..early and a..b about one line, and to c..d about another.
 *
 * Gives the residual squares that hum takes away, and leaves in `left` what is left per block.
 * The solutions stand in the last column of g: level and slope before, level and slope after
 * (per 100 blocks, about the middle of each), cosine and sine from the first block on. */
static double fit_hum(Row *row, Index early, Index a, Index b, Index c, Index d, double reference,
                      Turn by)
{
    const Index m = UNKNOWNS, w = G_WIDTH, f = G_FIRST;
    const double *restrict r = row->r;
    double *g = row->g;
    Turn t = {1.0, 0.0};
    double total = 0.0;
    Index count = 0;
    for (Index i = 0; i < f; i++)
        g[i] = 0.0;
    for (Index side = 0; side < 2; side++) {
        double middle = side == 0 ? 0.5 * (double)(a + b) : 0.5 * (double)(c + d);
        double n = 0.0, sl = 0.0, sll = 0.0, sv = 0.0, slv = 0.0, sc = 0.0, ss = 0.0, slc = 0.0;
        double sls = 0.0, scc = 0.0, scs = 0.0, sss = 0.0, scv = 0.0, ssv = 0.0;
        Index stop = side == 0 ? earlier(c, d) : d;
        for (Index i = side == 0 ? 0 : c; i < stop; i++) {
            if (side == 1 || i < early || (a <= i && i < b)) {
                double v = r[i] - reference;
                double line = ((double)i - middle) * 0.01;
                n += 1.0;
                sl += line;
                sll += line * line;
                sv += v;
                slv += line * v;
                sc += t.cosine;
                ss += t.sine;
                slc += line * t.cosine;
                sls += line * t.sine;
                scc += t.cosine * t.cosine;
                scs += t.cosine * t.sine;
                sss += t.sine * t.sine;
                scv += t.cosine * v;
                ssv += t.sine * v;
                total += v * v;
                count++;
            }
            t = turned(t, by);
        }
        Index k = 2 * side * (w + 1);
        g[k] = n;
        g[k + 1] = sl;
        g[k + 4 - 2 * side] = sc;
        g[k + 5 - 2 * side] = ss;
        g[k + 6 - 2 * side] = sv;
        k += w + 1;
        g[k] = sll;
        g[k + 3 - 2 * side] = slc;
        g[k + 4 - 2 * side] = sls;
        g[k + 5 - 2 * side] = slv;
        g[4 * w + 4] += scc;
        g[4 * w + 5] += scs;
        g[4 * w + 6] += scv;
        g[5 * w + 5] += sss;
        g[5 * w + 6] += ssv;
    }
    /* Faint ridges: a short stretch cannot tell hum from a line, and a side may be empty. */
    for (Index k = 0; k < m; k++)
        g[k * w + k] += 1e-9;
    g[w + 1] += 0.1;
    g[4 * w + 4] += 0.01;
    g[5 * w + 5] += 0.01;
    for (Index k = 0; k < m; k++)
        for (Index j = 0; j < k; j++)
            g[k * w + j] = g[j * w + k];
    double plain = line_gain(g, 0) + line_gain(g, 2);
    for (Index k = 0; k < m; k++)
        g[f + k] = g[k * w + m];
    row->left = 0.0;
    if (!solve(g))
        return 0.0;
    double taken = 0.0;
    for (Index k = 0; k < m; k++)
        taken += g[f + k] * g[k * w + m];
    row->left = (total - taken) / (double)later(1, count - m);
    return taken - plain;
}

/* Fit 50 and 60 Hz to what surrounds the response; take the better from the blocks y. */
static int remove_hum(Row *w, Index early, Index a, Index b, Index c, double variance, double bound)
{
    double reference = w->r[a];
    double best = 25.0 * variance;
    Turn found = {0.0, 0.0}, by = {0.0, 0.0};
    int chosen = 0;
    for (int k = 0; k < 2; k++) {
        Turn turn = {w->turns[2 * k], w->turns[2 * k + 1]};
        double gain = fit_hum(w, early, a, b, c, w->n_blocks, reference, turn);
        /* What is left must look like noise: else the response itself was fitted. */
        if (gain > best && w->left < bound) {
            best = gain;
            found.cosine = w->g[34];
            found.sine = w->g[41];
            by = turn;
            chosen = 1;
        }
    }
    if (!chosen)
        return 0;
    Turn t = {1.0, 0.0};
    for (Index i = 0; i < w->n_blocks; i++) {
        w->hum[i] = found.cosine * t.cosine + found.sine * t.sine;
        w->y[i] -= w->hum[i];
        t = turned(t, by);
    }
    return 1;
}

/* How far three blocks together rise above a line and one hum from block `a` on. */
static double rise_over_hum(Row *w, Index a, Turn by, double *restrict rest)
{
    Index n_blocks = w->n_blocks;
    const double *g = w->g;
    double reference = w->r[a];
    double middle = 0.5 * (double)(a + n_blocks);
    fit_hum(w, 0, a, a, a, n_blocks, reference, by);
    double level = g[20], slope = g[27], cosine = g[34], sine = g[41];
    Turn t = {1.0, 0.0};
    for (Index i = 0; i < n_blocks; i++) {
        rest[i] = w->r[i] - reference - level - slope * ((double)i - middle) * 0.01
                  - cosine * t.cosine - sine * t.sine;
        t = turned(t, by);
    }
    double worst = 0.0;
    for (Index i = a + 4; i < n_blocks - 1; i++)
        worst = larger(worst, rest[i - 1] + rest[i] + rest[i + 1]);
    return worst;
}

/* Whether artefact, line, hum and noise explain the whole sweep, without a response. */
static int is_nothing(Row *w, double height, double per_block, double *restrict rest)
{
    const Row kept = *w;
    const Prior none = {0.0, 0.0, 1e-9};
    double bound = larger(5.0 * sqrt(3.0 * per_block), 0.24 * height);
    Index end = earlier(w->n_blocks - w->pre, N_TABLE);
    double least = 0.0;
    for (int k = 0; k < 2 && (k == 0 || !(least < bound)); k++) {
        Turn by = {w->turns[2 * k], w->turns[2 * k + 1]};
        double last = 0.0;
        *w = kept;
        /* First with the artefact found before the response; then artefact and hum are fitted
         * in turn, each to what the other leaves of the whole sweep, while that helps. */
        for (int j = 0; j < 5; j++) {
            if (j == 0) {
                take_baseline(w);
            } else {
                fit_decay(w, rest, end, none, per_block);
                take_decay(w, w->y, end);
            }
            least = rise_over_hum(w, w->pre + w->first, by, rest);
            if (least < bound || (j > 1 && least > 0.9 * last))
                break;
            last = least;
            for (Index b = 0; b < w->n_blocks; b++)
                rest[b] += w->y[b] - w->r[b];
        }
    }
    *w = kept;
    return least < bound;
}

/* Take hum from the blocks y; 0 when there is nothing beside it. */
static int look_for_hum(Row *w)
{
    Index peak = w->top;
    double height = w->r[peak];
    double slope = w->slope;
    double size = (double)w->size;
    double per_block = w->white * w->white / size;
    /* Only level and artefact are taken away here: the slope may be the hum's. */
    w->slope = 0.0;
    Index a = earlier(w->quiet_from, w->n_blocks - 3);
    int doubtful = height < larger(25.0 * larger(w->white, w->spread),
                                   10.0 * fabs(slope) * SLOPE_MS / w->step)
                   || (double)(peak - w->quiet_to) * size * w->step > SLOW_RISE_MS;
    if (doubtful && is_nothing(w, height, per_block, w->hum))
        return 0;
    take_baseline(w);
    w->slope = slope;
    Index early = w->n_pre > 0 ? w->before : 0;
    Index after = earlier(w->n_blocks, peak + whole(AFTER_MS / (size * w->step)));
    Index b = w->quiet_to;
    if (early + (b - a) < 8)
        return 1;
    double bound = 4.0 * per_block + (0.004 * height) * (0.004 * height);
    if (remove_hum(w, early, a, b, after, per_block, bound))
        w->hum_state = 1;
    else if (w->left < bound)
        /* A line explains what surrounds the response: a slope is drift, not hum. */
        w->hum_state = -1;
    return 1;
}
