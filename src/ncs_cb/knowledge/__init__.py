"""What was known before the patient came: anatomy, normal limits, thresholds, criteria sets."""
