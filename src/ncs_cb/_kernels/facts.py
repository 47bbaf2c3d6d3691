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

# Cells of one row of `out`, in the order of the contract.
ONSET, PEAK, AMPLITUDE, PEAK_TO_PEAK = 0, 1, 2, 3
DURATION, AREA, TOTAL_DURATION, TOTAL_AREA = 4, 5, 6, 7
BASELINE, NOISE = 8, 9
WIDTH = 10

# Cells of the normal equations of hum: six rows of seven, and what they began with.
SOLVE = 48

BLOCK_MS = 0.2
# Whatever the amplifier does in the first 0.4 ms is artefact (brief of the project: 0.3-0.5 ms).
BLANK_MS = 0.4
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
# What is left of a removed artefact is no response: a response has more than this share of it.
SMALLEST_SHARE = 0.003
ONSET_LEVEL = 0.01
RETURN_LEVEL = 0.005
N_DECAYS = 16
SHORTEST_DECAY_MS = 0.12
LONGEST_DECAY_MS = 3.2
# Rows of the tables of decays: 20 ms in blocks of 0.2 ms, and the blanked ones.
N_TABLE = 104
# Beyond this a slope seen before the response says little: hum has turned by then.
SLOPE_MS = 3.0
# Where hum was looked for, what slope is left is drift and goes on.
DRIFT_MS = 15.0
LONG_QUIET_MS = 3.5
# How far hum and drift may move the level between stimulus and response, of the response.
MOVED_SHARE = 0.005
# Removing hum must not shorten the quiet stretch before the response by more than this.
UNDONE_MS = 0.7
HUM_HZ = (50.0, 60.0)
# Hum rises for 8 to 10 ms, most responses for less than half of that: look twice beyond this.
SLOW_RISE_MS = 6.0
# The slow part of a response is over this long after its peak, or straight enough.
AFTER_MS = 20.0
