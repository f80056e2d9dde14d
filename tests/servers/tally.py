"""Lines about whole runs, kept until the end of the session."""

LINES: list[str] = []
