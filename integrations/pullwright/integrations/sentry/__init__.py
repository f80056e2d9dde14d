"""Sentry: its alerts and issues become tasks. ``telemetry`` is the other way: our own errors and spans go to Sentry."""
