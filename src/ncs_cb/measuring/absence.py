"""Where a response was looked for and none was there: not unknown, not done or unmeasurable."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ncs_cb import flags


def is_absent(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Tell which rows of the table ``traces`` are absent responses.

    The column ``response`` says so, or the flag ``response_absent``, or an amplitude of 0; none
    of them where the column says that nothing was done or could be measured.

    Parameters
    ----------
    rows : DataFrame
        With ``quality_flags``; ``response`` and ``negative_peak_amplitude_mv`` where it has them.
    """
    n = len(rows)
    said = rows["response"].to_numpy(object) if "response" in rows else np.full(n, None, object)
    texts = rows["quality_flags"].tolist()
    flagged = ["response_absent" in flags.names(text) for text in texts]
    is_zero = np.zeros(n, dtype=bool)
    if "negative_peak_amplitude_mv" in rows:
        size_mv = rows["negative_peak_amplitude_mv"].to_numpy(np.float64, na_value=np.nan)
        is_zero = size_mv == 0.0
    found = [
        status == "absent" if isinstance(status, str) and status != "present" else shown
        for status, shown in zip(said, np.logical_or(flagged, is_zero), strict=True)
    ]
    return np.array(found, dtype=bool)
