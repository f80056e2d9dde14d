from __future__ import annotations

import pytest

from tests.servers.tally import LINES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not LINES:
        return
    solved = sum(": pull request" in line for line in LINES)
    terminalreporter.section("whole runs")
    for line in LINES:
        terminalreporter.write_line(line)
    terminalreporter.write_line(f"{solved} of {len(LINES)} runs ended with a pull request")
