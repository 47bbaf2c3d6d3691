"""From traces to numbers: one row per response, one row per segment."""
