/* The largest deflection of a sweep behind its artefact: which way it goes, and how clear it is. */
#include "row.h"

typedef struct {
    PulseLimits pulse;
    double artifact_ms, earliest_ms; /* what is artefact; when a response peaks at the earliest */
    double stands_out;               /* from this share of the largest a deflection is looked at */
    double clear;                    /* so many times the noise it is clear whatever that is */
} DeflectionLimits;

/* Whether most of n steps are so small beside a peak that the noise they show is of no account. */
static int is_quiet(const double *steps, Index n, double top, double clear)
{
    double little = top / (1.06 * clear); /* noise is 1.05 times what most steps do not exceed */
    Index n_little = 0;
    for (Index i = 0; i < n; i++)
        n_little += steps[i] <= little;
    return top > 0.0 && n_little > n / 2;
}

/* Describe the largest deflection behind the artefact of each of n sweeps, or behind the stimulus
 * where none is seen, in six cells: its signed peak; the largest size before a response can peak;
 * the noise, 0 where a clear and calm response makes it of no account; the first value that stands
 * out beside the peak; the level; the sample of artefact or stimulus. NaN, but for the last, where a
 * sweep has no say. `work` holds three times the longest sweep. */
EXPORTED void JOIN(ncs_deflections_, BUILD)(const Sweep *sweeps, int64_t n,
                                            const DeflectionLimits *limits, int64_t longest,
                                            double *work, double *found)
{
    int64_t *keys = (int64_t *)(work + longest);
    uint8_t *edge = (uint8_t *)(work + 2 * longest);
    for (int64_t row = 0; row < n; row++) {
        double per_ms = sweeps[row].rate, *out = found + DEFLECTION * row;
        Index start = pulse_at(sweeps + row, &limits->pulse, work, keys, edge);
        if (start < 0)
            start = sweeps[row].stimulus;
        Index begin = start + whole(limits->artifact_ms * per_ms / 1000.0) + 1;
        /* What a sweep that begins after its stimulus has missed need not be skipped. */
        Index missed = later(-begin, 0);
        begin += missed;
        double early_ms = limits->earliest_ms - limits->artifact_ms;
        Index skip = later(1, whole(early_ms * per_ms / 1000.0) - missed);
        Index m = sweeps[row].n - begin;
        for (int j = 0; j < DEFLECTION; j++)
            out[j] = NAN;
        out[5] = (double)start;
        if ((double)start < -LATEST_START_MS * per_ms / 1000.0
            || m < skip + FEWEST_OF_RESPONSE)
            continue;
        const double *after = sweeps[row].x + begin;
        int has_before = (double)start > per_ms / 1000.0;
        Index n_quiet = has_before ? later(start - 1, 1) : m;
        double level = kth_of(has_before ? sweeps[row].x : after, n_quiet, n_quiet / 2, keys);
        for (Index i = 0; i < m; i++)
            work[i] = after[i] - level;
        if (!is_finite(work, m))
            continue;
        Index at = skip + peak_of(work + skip, m - skip), first = 0;
        double top = fabs(work[at]);
        while (fabs(work[first]) < limits->stands_out * top)
            first++;
        out[0] = work[at];
        out[1] = largest_size(work, 0, skip);
        out[3] = work[first];
        out[4] = level;
        /* White noise from the differences: the response itself changes slowly beside them. */
        step_sizes(work, m, work);
        /* Calm: what the artefact left behind is below the first deflection looked at. */
        int is_calm = out[1] < limits->stands_out * top && out[3] * out[0] > 0.0;
        out[2] = is_calm && is_quiet(work, m - 1, top, limits->clear)
                     ? 0.0
                     : 1.05 * kth_of(work, m - 1, (m - 1) / 2, keys);
    }
}
