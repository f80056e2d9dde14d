"""Intake: what becomes of what other systems told us, the same for every source."""
