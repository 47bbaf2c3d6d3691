"""Facts, cells and constants of the kernel, each said once.

``build.py`` makes a C header of the numbers here, so that both languages read the same ones.
"""

from __future__ import annotations

# Facts, as bits. measuring/traces.py names them.
NON_FINITE = 1
FLAT = 2
STIMULUS_OUTSIDE = 4
CLIPPED = 8
ABSENT = 16
POSITIVITY = 32
LATE = 64
CUT = 128
NO_BASELINE = 256
ARTIFACT = 512
ARTIFACT_AT_ONSET = 1024
NOISY = 2048
IMPLAUSIBLE = 4096
ARTIFACT_CLIPPED = 8192
REALIGNED = 16384
LATE_RESPONSE = 32768
STARTS_LATE = 65536
BEGUN_BEFORE = 131072
EARLY_POTENTIAL = 262144

# Cells of one row of `out`, in the order of the contract.
ONSET, PEAK, AMPLITUDE, PEAK_TO_PEAK = 0, 1, 2, 3
DURATION, AREA, TOTAL_DURATION, TOTAL_AREA = 4, 5, 6, 7
BASELINE, NOISE = 8, 9
LATE_LATENCY = 10
WIDTH = 11

# Cells of the normal equations of hum: six rows of seven, and what they began with.
SOLVE = 48

BLOCK_MS = 0.2
# Behind the last edge of the pulse this much is artefact; where no pulse is seen it may hide
# in as much after the stimulus.
BLANK_MS = 0.4
# The edges of a pulse are over within this; a response takes longer to rise.
EDGE_MS = 0.1
# A pulse begins this near the marker (and its phases last no longer).
MARKER_MS = 1.2
# Latencies are counted from the pulse where it begins farther from the marker than this.
REALIGN_MS = 0.25
# An edge is this share of the sharpest one, and bends by this share of the sharpest bend of
# blocks, twice as long, that the sweep shows later than RESPONSE_FROM_MS.
EDGE_SHARE = 0.25
BENDS = 0.5
# Of a step or spike, whose bend over twice the time is no more than STEP_BEND times as large, this
# share is enough.
FAINT_BENDS = 0.1
STEP_BEND = 1.8
RESPONSE_FROM_MS = 3.0
SMOOTH_BEND = 2.6
# Noise that a filter ends is smooth from sample to sample, and bends as an edge does: a pulse bends
# this many times as much as the quieter half of the last QUIET_END_MS of the sweep. Of 60000 made
# stretches of noise at 20 kHz, 0.07 % of white and 0.8 % of 1/f noise up to 3 kHz did; of 2400
# sweeps in 1/f noise up to 1, 2, 3 or 4 kHz, without artefact, one was counted from such a wiggle.
OUT_OF_NOISE = 2.0
QUIET_END_MS = 10.0
# An amplifier that is blocked gives one value, for this long and this many samples at least, and
# this many times as long as equal samples follow each other before the pulse and at the end of the
# sweep (a coarse converter repeats values, too). Its release is over within RELEASE_MS.
STILL_MS = 0.3
STILL_SAMPLES = 6
STILL_RUNS = 3
RELEASE_MS = 0.2
# An amplifier may stay on its rail for this long, and this much of it is worth a word.
RAIL_MS = 12.0
CLIPPED_MS = 0.5
# The noise behind a rail is this many times the white part, from crest to trough, and the rail this
# many times as far from where the trace came; 0.2 ms behind its end so much of that is left.
RAIL_NOISE = 8.0
RAIL_CLEAR = 50.0
RAIL_LEFT = 0.35
FIRST_PEAK_MS = 1.2
# A phase that begins later than this after the last return is another response. Units delayed
# by 16 ms behind 5 ms of negativity leave 11 ms (design reference, section 7.4); an F wave
# follows the end of a distal response by 15 ms and more.
GAP_MS = 12.0
LARGEST_MV = 100.0
# Beyond this squares overflow, below that they vanish; neither is a recording in mV.
HUGE_MV = 1e100
TINY_MV = 1e-100
# A converter range beyond this is none.
UNLIMITED_MV = 1e300
SIGNIFICANT = 0.05
# A bump is 1 ms against what lies 2.4 ms to either side of it. Of 900 sweeps without response
# (volume_conductor.py: white, 1/f, hum, heart) none had one above 11 times the quieter pieces,
# of 0.15 to 0.5 mV in the same noise one in a hundred had less than 16 times.
SMOOTH_MS = 1.0
BUMP_MS = 2.4
# And of a sensory potential.
SHORT_SMOOTH_MS = 0.4
SHORT_BUMP_MS = 1.0
LULL_MS = 3.0
STANDS_OUT = 11.0
# Where the quieter pieces stray no more than white noise does, less is enough.
STANDS_OUT_OF_WHITE = 7.5
NEARLY_WHITE = 1.4
# The edges of a potential lie this near its peak.
NEAR_MS = 3.0
# A single motor unit seen at the skin is 10 to 60 uV, some together twice that: a slow
# potential of that size is no response by itself.
UNIT_MV = 0.06
SUM_OF_UNITS = 2.4
# A sweep with less white noise is an average, in which such units cancel.
SINGLE_SWEEP_MV = 0.002
# A sensory potential is so short and so early.
SENSORY_HALF_MS = 1.2
SENSORY_LATEST_MS = 15.0
# Even a nerve at a third of its velocity answers sooner over the length of an arm.
LATEST_SMALL_MS = 32.0
# What lies this far from the peak is another potential; one of this share is like it.
OWN_BEFORE_MS = 6.0
OWN_AFTER_MS = 9.0
LIKE_SHARE = 0.5
# An amplifier's recovery (4 to 12 ms) keeps more than RECOVERS of its height for 2.4 ms.
RECOVERED_MS = 2.0
RECOVERS = 0.45
# A phase in noise of any color is this many times what the quieter pieces stray.
CLEAR_OF_COLOR = 5.0
# Noise of any color that moves the top by so much of the response, or the onset: where this much
# in ms on its edge, about 0.35 ms at its foot. Of clinic-like responses it is said of 3 % (300 of
# volume_conductor.py) and 13 % (450 of other shapes), where 0.8 % of the amplitude alone said it
# of 15 and 19 %; of those of the other shapes whose onset is off by 0.3 ms, of 38 instead of 31 %.
NOISY_COLOR = 0.02
NOISY_ONSET_MS = 0.07
# Larger than this against white noise and baseline it needs no such question.
OBVIOUS = 150.0
# A component that begins after so long a rest is another response: small ones (satellites,
# A waves) after the shorter rest. Delayed parts of a response begin in its positive phase.
REST_MS = 2.6
SMALL_SHARE = 0.15
LONG_REST_MS = 4.0
REST_LEVEL = 0.02
# So does a potential of less than this share before a long rest.
EARLY_SHARE = 0.5
# The swing behind a high-pass filter: falls to half in at least this, and from there to a
# quarter in about as long again, as an exponential does and no phase.
SWING_MS = 2.4
SWING_SHARE = 0.5
# A late phase that is down to SWING_FROM of its top and takes SWING_LASTS times as long for the
# rest ends in such a swing; an exponential fall from the highest peak takes 4 times as long.
SWING_FROM = 0.35
SWING_LASTS = 4
# What is left of a removed artefact is no response: a response has more than this share of it.
SMALLEST_SHARE = 0.003
ONSET_LEVEL = 0.01
RETURN_LEVEL = 0.005
N_DECAYS = 20
SHORTEST_DECAY_MS = 0.12
# Electrodes discharge within 3 ms, amplifiers recover within some 12 ms.
LONGEST_DECAY_MS = 12.8
# The first N_FAST decays end with 3 ms. A slower one is believed only where it comes back to
# the level before the stimulus: else it is something else, a far-field potential, that bends.
N_FAST = 14
# Behind the pulse, before a far-field potential, those up to 1.1 ms are told apart.
N_FRONT = 10
COMES_BACK = 0.5
# A phase is back where 0.5 % of the highest peak is left, of a small one 1.5 % of its own.
RETURN_OWN = 3.0
# Where the first decay is over so soon, a slower one may lie under it: look again 1 and 2 ms
# later, and believe what leaves this much of the trace quiet.
SOON_MS = 1.4
AGAIN_MS = 1.0
QUIET_AGAIN_MS = 1.6
# Rows of the tables of decays: 60 ms in blocks of 0.2 ms, five times the longest decay.
N_TABLE = 304
# Beyond this a slope seen before the response says little: hum has turned by then.
SLOPE_MS = 3.0
# Where hum was looked for, what slope is left is drift and goes on.
DRIFT_MS = 15.0
LONG_QUIET_MS = 3.5
# How far hum and drift may move the level between stimulus and response, of the response.
MOVED_SHARE = 0.005
# Where the end of the sweep differs by more than this, a filter may have moved it: one pole of 3 Hz
# leaves 0.019 of the area of an artefact and its tail, in mV for each mV ms.
SHIFTED_SHARE = 0.02
LEFT_PER_MS = 0.04
PULSE_TAIL_MS = 2.0
# A sweep may begin so long after its stimulus.
LATEST_START_MS = 10.0
# It is then quiet for so long before its response, and for this share of the time that was missed;
# what artefact is left is smaller than this share of the response, and the end of the sweep is as
# near to where it was quiet: else the response may have begun before the sweep. Of 1800 responses
# of tests/naive.py, cut at every 0.5 ms to 9.5 ms, none was then measured wrong by more than noise.
QUIET_START_MS = 0.6
QUIET_SHARE = 0.125
SMALL_TAIL = 0.25
BACK_SHARE = 0.1
END_MS = 3.0
# What lies before the marker and is so many times as large as what the sweep ends with is a
# response, whose stimulus came before the marker; no nearer to the marker than its own artefact.
LARGE_BEFORE, GUARD_MS = 8.0, 0.35
# So much before the stimulus makes a baseline.
BEFORE_MS = 0.35
# The level before the stimulus is taken from no more than this, and preferred to that before
# the response where they differ by more than this share of it and no drift or hum explains it.
LONGEST_BEFORE_MS = 5.0
FAR_FIELD_SHARE = 0.006
# A far-field potential grows towards the response; what is this large from the pulse on is an
# amplifier that recovers.
RECOVERING = 0.75
GROWS = 0.9
# Where the end of the sweep is not nearly back at the level before the stimulus, it must grow more.
STILL_GROWS = 0.7
OVER = 0.5
# What strays by this share of how far it lies from the level before the stimulus is bent by such
# a potential: a decay that was fitted to a recovery leaves less.
UNEVEN = 0.12
# A recovery that rises first is at this share of its top, or beyond, and lower before the response.
TURNING = 0.85
# A slow decay that leaves less of itself than this is an amplifier that recovers all the same.
NEARLY_BACK = 0.2
# So long at the level before the stimulus the trace is back there, and no response rises.
RESTS_MS = 1.0
BACK_MS = 10.0
# A stretch whose blocks stray from their line by more than twice its white noise is bent.
BENT = 4.0
# Removing hum must not shorten the quiet stretch before the response by more than this.
UNDONE_MS = 0.7
HUM_HZ = (50.0, 60.0)
# Before the stimulus hum is more than so many times the white noise; from this share of the
# response on its crest may be taken for the onset. Of 1920 responses of 11 mV with hum of 0.03 to
# 0.3 mV none is then measured more than 0.6 ms early, where 39 were.
WANDERS, WANDERS_SHARE = 2.0, 0.001
# Hum rises for 8 to 10 ms, most responses for less than half of that: look twice beyond this.
SLOW_RISE_MS = 6.0
# The slow part of a response is over this long after its peak, or straight enough.
AFTER_MS = 20.0

# What readers ask of raw sweeps (sweep.c). Fewer samples show no artefact, and no response.
FEWEST_SAMPLES, FEWEST_OF_RESPONSE = 32, 16
# A step of the artefact, and a jump, have at least this share of all that is seen; a jump comes out
# of quiet, and what follows it rises little farther: as shares of the jump.
EDGE_PART, JUMP_PART = 0.05, 0.01
QUIET_PART, LONGER_RISE = 0.3, 1.6
NOT_SEEN, DOUBTED = -1, -2
# So long after the stimulus a held amplifier is looked for.
HELD_LOOKED_S = 0.02
HELD_INTO_RESPONSE, STRAY = 1, 2
# Responses are held against each other at this rate, or at less than twice as much.
CURVE_HZ = 5000.0
UNCLEAR = 2
# Cells of the largest deflection of a sweep, and of the answers to what is asked of it.
DEFLECTION, ANSWERS = 6, 4
# So many of many numbers tell where the k-th smallest of them lies: between those that stand so far
# from its place. After so many rounds without an end the numbers are sorted by their bytes.
FEW_KEYS, NEAR_KEYS, MOST_ROUNDS = 33, 4, 8

# Pairs of responses (elementary.c to shape.c, and pairs.py). So many are computed side by side.
LANES = 4
# Cells of what is found in a trace.
FOUND = 12
# Of a spectrum; the parameters of a delay distribution; sizes of grain.
FREQUENCIES, PARAMETERS, GRAINS = 36, 6, 3
# Kinds of distribution that may be refined, and those that are left of them.
MOST_KINDS, KEPT_KINDS = 16, 4
# Every other frequency is tried; the lowest ones tell about which delay to look.
TRIED, LOW_BAND = 18, 8
# Delays tried about the one at which the low band agrees best; trials that there is room for.
DELAYS, MOST_TRIALS = 17, 512
# Lags that are summed side by side when shapes are compared.
LAGS_FILLED = 20
