/* Baseline and stimulus artefact, from block means. */
#include "row.h"

/* Take the baseline from the blocks a..b: their mean, and a slope where it is certain. */
static void quiet_line(Row *w, const double *restrict y, Index a, Index b, double per_block)
{
    Index m = b - a;
    double middle = 0.5 * (double)(a + b - 1);
    double mean = mean_of(y, a, b);
    double slope = 0.0;
    if (m >= 12) {
        double sxy = 0.0, syy = 0.0;
        for (Index j = 0; j < m / 2; j++) {
            double before = y[a + j] - mean;
            double after = y[b - 1 - j] - mean;
            sxy += (middle - (double)(a + j)) * (after - before);
            syy += before * before + after * after;
        }
        if (m % 2 == 1)
            syy += (y[a + m / 2] - mean) * (y[a + m / 2] - mean);
        double sxx = (double)m * ((double)(m * m) - 1.0) / 12.0;
        slope = sxy / sxx;
        double rest = larger(syy - slope * sxy, 0.0);
        double error = 4.0 * (rest + 4.0 * per_block) / ((double)m + 2.0) / sxx;
        /* What bends more than noise does is no line: its blocks do not err one by one. */
        if (rest > BENT * (double)m * per_block)
            error *= BENT;
        double square = slope * slope;
        /* Shrunk by its uncertainty, so that noise is not extended under the response. */
        if (square > error)
            slope *= 1.0 - error / square;
        else
            slope = 0.0;
    }
    w->level = mean;
    w->slope = slope / (double)w->size;
    w->origin = middle * (double)w->size + 0.5 * (double)(w->size - 1);
    w->quiet_from = a;
    w->quiet_to = b;
}

/* Look for a flat stretch before the response; give its end, or -1 where there is none.
 *
 * `reach` is the number of blocks a baseline may use. The stretch must be flat, and what comes
 * before it must be an artefact that dies away towards it. */
static Index flat_before(Row *w, Index peak, double per_block, Index reach)
{
    const double *restrict y = w->y;
    Index start = w->pre + w->first;
    double sd = sqrt(per_block);
    /* The level before the rise: the lowest on the way back from the peak, until nothing lower
     * comes for 1.6 ms or the trace rises again (an artefact, a dip, an earlier phase). */
    Index low = peak, b = peak;
    double top = y[peak], margin, lower = top - 0.5 * sd, again = DBL_MAX;
    while (b > start && low - b < 8) {
        b--;
        if (y[b] < lower) {
            low = b;
            lower = y[b] - larger(0.5 * sd, 0.005 * (top - y[b]));
            margin = larger(0.04 * (top - y[b]), 4.0 * sd);
            again = y[b] < top - 2.0 * margin ? y[b] + margin : DBL_MAX;
        } else if (y[b] > again) {
            break;
        }
    }
    double reference = mean_of(y, later(start, low - 4), low + 1);
    double height = y[peak] - reference;
    double edge = reference + larger(0.04 * height, 4.0 * sd);
    b = last_on(y, start + 1, peak + 1, AT_MOST, edge);
    /* Then on, while the trace still rises from about 1 ms before. */
    margin = larger(0.006 * height, 1.5 * sd);
    while (b - 8 > start && y[b] > mean_of(y, b - 8, b - 3) + margin)
        b--;
    Index end = b;
    if (end - start < 8 || height <= 0.0)
        return -1;
    double level = mean_of(y, end - 8, end);
    double bound = larger(4.0 * sd, 0.01 * height);
    b = last_away(y, start, b, level, bound) + 1;
    if (end - b < 8)
        return -1;
    Index flat = b;
    /* Before the stretch only a tail that grows towards the stimulus may stand. */
    double last = bound * 0.5;
    double sign = b > start && y[b - 1] < level ? -1.0 : 1.0;
    while (b > start) {
        double v = sign * (y[b - 1] - level);
        if (v < 1.04 * last)
            return -1;
        last = v;
        b--;
    }
    if (flat > start)
        /* The last of the tail hides in the noise. */
        flat = earlier(flat + 5, end - 8);
    w->quiet_from = later(flat, end - reach);
    return end;
}

/* Give the first block of the response; an initial positivity, from `dip` on, belongs to it. */
static Index response_start(Row *w, Index peak, Index scan_from, double strong, double weak,
                            Index *dip)
{
    const double *restrict r = w->r;
    Index start = w->pre + w->first;
    Index b = first_on(r, scan_from, peak, AT_LEAST, strong);
    b = last_on(r, start, b, BELOW, weak) + 1;
    double deepest = 0.0;
    Index low = b - 1;
    *dip = b;
    /* The dip may touch the onset or be a block or two away. */
    for (int tries = 0; low >= start && tries < 2 && r[low] > -weak; tries++)
        low--;
    while (low >= start && r[low] <= -weak) {
        deepest = smaller(deepest, r[low]);
        *dip = low;
        low--;
    }
    w->dip = deepest;
    return b;
}

/* Give by how much a high-pass filter may move the trace behind a pulse of this area. */
static double left_by_filter(const Row *w, double reference)
{
    Index stop = earlier(w->pre + w->first + whole(PULSE_TAIL_MS / ((double)w->size * w->step)),
                         w->n_blocks);
    double area = 0.0;
    for (Index b = later(0, w->pulse_from / w->size - 1); b < stop; b++)
        area += w->y[b] - reference;
    return LEFT_PER_MS * fabs(area) * (double)w->size * w->step;
}

/* Fit the artefact up to the response, find the response, and repeat with what was found.
 * Gives the number of blocks after the stimulus that hold no response yet. */
static Index peel_artifact(Row *w, double per_block, Index reach, Index peak_from)
{
    double *restrict y = w->y;
    Index pre = w->pre, first = w->first, n_blocks = w->n_blocks, n_after = n_blocks - pre;
    double span = largest(y, pre + peak_from, n_blocks) - smallest(y, pre + peak_from, n_blocks);
    double variance = per_block + (0.002 * span) * (0.002 * span) + 1e-30;
    double reference = y[n_blocks - 1];
    Prior prior = {0.0, 0.0, 1e-6};
    double level_at_end = mean_of(y, n_blocks - later(1, n_after / 5), n_blocks);
    if (w->n_pre > 0) {
        /* As good as its noise, and as what hum and drift may have done since. */
        reference = mean_of(y, later(0, w->before - 25), w->before);
        double moved = MOVED_SHARE * span, shift = fabs(level_at_end - reference);
        /* Nobody knows the area of an artefact that was cut off. */
        if (shift > SHIFTED_SHARE * span
            && (w->railed > 0 || shift < left_by_filter(w, reference)))
            moved += shift;
        prior.weight = variance / (variance * (double)w->size / (double)w->n_pre + moved * moved);
    }
    for (Index b = 0; b < n_blocks; b++)
        y[b] -= reference;
    prior.level = level_at_end - reference;
    if (span > 0.0)
        prior.faint = variance / (0.04 * span * span);
    Index limit = earlier(earlier(n_after, first + 22), N_TABLE);
    Index end = grow_window(w, y, limit, prior, variance);
    double sd = sqrt(per_block);
    Index dip = pre + end;
    for (int i = 0; i < 3; i++) {
        end = later(end, first + 2);
        fit_decay(w, y, earlier(end, N_TABLE), prior, variance);
        take_decay(w, y, N_TABLE);
        Index peak = highest(w->r, later(pre + peak_from, earlier(pre + end, n_blocks - 2)), n_blocks);
        double strong = larger(SIGNIFICANT * w->r[peak], 4.0 * sd);
        double weak = larger(0.02 * w->r[peak], 2.5 * sd);
        response_start(w, peak, pre + end - 1, strong, weak, &dip);
        /* Two blocks of distance: the response may begin within the first of them. */
        Index found = later(later(dip - 2 - pre, earlier(dip - 1 - pre, first + 3)), first + 2);
        if (end <= found && found <= end + 1)
            break;
        end = found;
    }
    for (Index b = 0; b < n_blocks; b++)
        y[b] += reference;
    Index quiet_from = later(pre + first, pre + end - reach);
    Index quiet_to = earlier(pre + end, dip);
    double level = w->level;
    if (quiet_to - quiet_from >= 5) {
        quiet_line(w, w->r, quiet_from, quiet_to, per_block);
        w->level += level;
    } else {
        w->slope = 0.0;
        w->quiet_from = quiet_from;
        w->quiet_to = quiet_to;
    }
    w->level += reference;
    return end;
}

/* Fit the artefact to so few blocks behind the pulse, at the level that is known. */
static void fit_front(Row *w, Index n, double per_block)
{
    const Prior known = {1e6, 0.0, 0.0};
    double level = w->level;
    Index from = w->pre + w->first, n_decays = w->n_decays;
    n = later(n, 4);
    for (Index b = from; b < from + n; b++)
        w->z[b] = w->y[b] - level;
    w->n_decays = N_FRONT;
    fit_decay(w, w->z, w->first + n, known, per_block);
    w->n_decays = n_decays;
    w->level = level;
}

/* Whether the quiet stretch strays more from a line, beside how far it lies `away` from the level
 * before the stimulus, than an artefact that was fitted leaves it: something came within it. */
static int is_uneven(const Row *w, double away, double per_block)
{
    const double *r = w->r + w->quiet_from;
    Index m = w->quiet_to - w->quiet_from;
    double mean = mean_of(r, 0, m), middle = 0.5 * (double)(m - 1);
    double sxy = 0.0, syy = 0.0, sxx = (double)m * ((double)(m * m) - 1.0) / 12.0;
    for (Index i = 0; i < m; i++) {
        sxy += ((double)i - middle) * (r[i] - mean);
        syy += (r[i] - mean) * (r[i] - mean);
    }
    double share = UNEVEN * away, rest = syy - (m > 1 ? sxy * sxy / sxx : 0.0);
    return rest > (share * share + 4.0 * per_block) * (double)m;
}

/* Whether the trace rests at that level for 1 ms between the quiet stretch and the peak: what was
 * taken for the beginning of the response only came back. */
static int rests_at(const Row *w, Index peak, double level, double within_mv)
{
    Index enough = whole(RESTS_MS / ((double)w->size * w->step) + 0.5), run = 0;
    for (Index b = w->quiet_to; b < peak && run < enough; b++)
        run = fabs(w->r[b] - level) < within_mv ? run + 1 : 0;
    return run >= enough;
}

/* Take the level before the stimulus where something local lies before the response.
 *
 * A far-field potential moves the stretch before the response; drift and hum move it too, but
 * drift goes on to the end of the sweep, and hum is seen there; an amplifier that recovers
 * begins with the pulse, and is led back to that level. Whether the baseline was changed. */
static int prefer_before(Row *w, Index peak, double per_block)
{
    const double *restrict r = w->r;
    double size = (double)w->size, slope = w->slope * size;
    Index some = whole(LONGEST_BEFORE_MS / (size * w->step));
    /* Half a turn of hum at the end. */
    Index begin = later(0, w->before - some), last = w->n_blocks - 2 * some;
    Index start = w->pre + w->first;
    if (w->before - begin < 2 || last < peak || w->quiet_to <= start)
        return 0;
    /* All levels are against that of the stretch before the response, at its middle. */
    double middle = 0.5 * (double)(w->quiet_from + w->quiet_to);
    double early = mean_of(r, begin, w->before);
    early += slope * (0.5 * (double)(begin + w->before) - middle);
    double allowed = larger(FAR_FIELD_SHARE * (r[peak] - early), 4.0 * sqrt(per_block));
    if (fabs(early) <= allowed)
        return 0;
    /* The thirds of the stretch from the pulse to the response. */
    Index third = later(1, (w->quiet_to - start) / 3);
    double part_of[3];
    for (Index k = 0; k < 3; k++) {
        Index a = k < 2 ? start + k * third : w->quiet_to - third;
        part_of[k] = mean_of(r, a, a + third) - early;
        part_of[k] += slope * ((double)a + 0.5 * (double)third - middle);
    }
    double ratio = part_of[2] == 0.0 ? 0.0 : part_of[1] / part_of[2];
    double end = mean_of(r, last, w->n_blocks), squares = 0.0;
    for (Index b = last; b < w->n_blocks; b++)
        squares += (r[b] - end) * (r[b] - end);
    double swing = sqrt(squares / (double)(w->n_blocks - last));
    end += slope * (smaller(w->bend / size, (double)w->n_blocks) - middle);
    double drift = fabs(end - early) * (middle - (double)w->before);
    drift /= (double)later(1, last - w->before);
    allowed = larger(allowed, 3.0 * swing);
    if (fabs(early) <= allowed + 2.0 * drift)
        return 0;
    /* What a high-pass filter makes of a large artefact grows behind its end, too, and is still
     * there at the end of the sweep. */
    int over = fabs(end - early) < OVER * fabs(early);
    int grows = ratio <= (over ? GROWS : STILL_GROWS)
                && fabs(part_of[0]) <= RECOVERING * fabs(part_of[2]);
    /* A slow decay that comes back to it is an amplifier that recovers. */
    int slow = w->decay != 0.0 && w->at >= N_FAST && fabs(early) < NEARLY_BACK * fabs(w->decay);
    /* So does one that rises first, and is on its way back before the response. */
    int turns = fabs(part_of[0]) >= TURNING * fabs(part_of[1]) && ratio * TURNING >= 1.0;
    int local = !slow && (grows || (!turns && is_uneven(w, early, per_block)));
    local = local || rests_at(w, peak, early, 0.5 * allowed);
    w->level += w->slope * (middle * size - w->origin);
    w->origin = middle * size;
    w->slope = 0.0;
    if (local) {
        w->level += early;
        if (w->decay != 0.0)
            fit_front(w, third, per_block);
    } else if (over) {
        /* It is over by the end of the sweep: the baseline goes back to where it came from. */
        w->bend = (double)w->quiet_to * size + BACK_MS / w->step;
        w->slope = early / (w->bend - w->origin);
    }
    return 1;
}

/* Find baseline and artefact; leave the corrected blocks in r.
 * Gives the number of blocks after the stimulus that hold no response yet. */
static Index settle(Row *w)
{
    const double *y = w->y;
    Index pre = w->pre, n_blocks = w->n_blocks;
    double size = (double)w->size;
    double per_block = w->white * w->white / size;
    Index peak_from = whole(FIRST_PEAK_MS / (size * w->step));
    Index reach = whole(5.0 / (size * w->step));
    /* A slow decay is told from the level only by the time before the stimulus. */
    Index n_decays = w->n_pre > 0 ? N_DECAYS : N_FAST;
    w->n_decays = n_decays;
    w->decay = 0.0;
    w->dip = 0.0;
    Index peak = highest(y, pre + peak_from, n_blocks);
    Index end = flat_before(w, peak, per_block, reach);
    int flat = end >= 0;
    if (flat) {
        quiet_line(w, y, w->quiet_from, end, per_block);
        end -= pre;
    } else {
        double before = mean_of(y, later(0, w->before - 25), w->before);
        end = peel_artifact(w, per_block, reach, peak_from);
        if (w->n_pre > 0 && w->decay != 0.0 && w->at >= N_FAST
            && fabs(w->level - before) > COMES_BACK * fabs(w->decay)) {
            w->n_decays = N_FAST;
            end = peel_artifact(w, per_block, reach, peak_from);
            w->n_decays = n_decays;
        }
    }
    int lasting = (double)(w->quiet_to - w->quiet_from) * size * w->step > LONG_QUIET_MS;
    double hold = w->hum_state != 0 && lasting ? DRIFT_MS : SLOPE_MS;
    w->bend = (double)w->quiet_to * size + hold / w->step;
    w->early = fabs(y[pre + w->first] - w->level);
    take_baseline(w);
    if (w->n_pre > 0 && prefer_before(w, peak, per_block))
        take_baseline(w);
    if (!flat) {
        peak = highest(w->r, later(pre + peak_from, earlier(pre + end, n_blocks - 2)), n_blocks);
    } else if (w->slope != 0.0) {
        /* Where the baseline is level the order of the blocks is unchanged. */
        Index bend = earlier(whole(w->bend / size) + 1, n_blocks);
        Index other = highest(w->r, pre + end, later(bend, peak + 1));
        if (w->r[other] > w->r[peak])
            peak = other;
    }
    w->top = peak;
    return end;
}

/* Settle; where a decay is over at once, look for a slower one under it.
 * Gives the number of blocks after the (moved) end of the pulse that hold no response yet. */
static Index settle_again(Row *w)
{
    double block_ms = (double)w->size * w->step;
    Index pre = w->pre, stimulus = w->stimulus, end = settle(w), top = w->top;
    Index later_on = later(1, whole(AGAIN_MS / block_ms));
    if (w->n_pre == 0 || w->decay == 0.0 || (double)(end - w->first) * block_ms >= SOON_MS)
        return end;
    Index down = earlier(top + whole(BUMP_MS / block_ms + 0.5), w->n_blocks - 1);
    int slow = w->r[down] > RECOVERS * w->r[top];
    for (Index i = 1; i < 3; i++) {
        w->pre = pre + i * later_on;
        w->stimulus = w->pre * w->size;
        if (w->n_blocks - w->pre < w->first + 6)
            break;
        end = settle(w);
        /* The same response, or one that comes down as slowly as an amplifier: a fast one may
         * have been blanked. */
        int same = slow || (w->top >= top - 3 && w->top <= top + 3);
        if (same && (double)(end - w->first) * block_ms >= QUIET_AGAIN_MS)
            return end;
    }
    w->pre = pre;
    w->stimulus = stimulus;
    return settle(w);
}

/* Standard deviation of the samples about the baseline, from that of the blocks.
 * What the mean over a block hides is white. */
static double spread_of_blocks(const Row *w)
{
    double squares = 0.0;
    for (Index i = w->quiet_from; i < w->quiet_to; i++)
        squares += w->r[i] * w->r[i];
    return sqrt(w->white * w->white * (1.0 - 1.0 / (double)w->size)
                + squares / (double)later(1, w->quiet_to - w->quiet_from));
}
