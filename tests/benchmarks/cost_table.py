"""What a benchmark found, as a Markdown table, and where it is kept."""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

BEGIN, END = "<!-- table -->", "<!-- /table -->"
HEAD = ("what", "goal", "measured", "met", "plain docker", "ratio", "n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure, next to the same done with the ``docker`` command on the same engine."""

    what: str
    unit: str
    measured: float
    n: int
    goal: float | None = None
    plain: float | None = None
    better: Literal["less", "more"] = "less"

    @property
    def ratio(self) -> float | None:
        """How many times better than plain docker."""
        if self.plain is None or self.plain <= 0 or self.measured <= 0:
            return None
        return self.plain / self.measured if self.better == "less" else self.measured / self.plain

    @property
    def met(self) -> bool | None:
        if self.goal is None:
            return None
        return self.measured <= self.goal if self.better == "less" else self.measured >= self.goal

    def cells(self) -> tuple[str, ...]:
        sign = "≤" if self.better == "less" else "≥"
        return (
            f"{self.what}, {self.unit}",
            "" if self.goal is None else f"{sign} {self.goal:g}",
            figure(self.measured),
            {None: "", True: "yes", False: "**no**"}[self.met],
            "" if self.plain is None else figure(self.plain),
            "" if self.ratio is None else f"{figure(self.ratio)}x",
            str(self.n),
        )


def spread(
    what: str,
    times: Sequence[float],
    *,
    unit: str = "s",
    goals: tuple[float | None, float | None] = (None, None),
    plain: Sequence[float] = (),
) -> list[Row]:
    """Return the rows for the median and the 99th percentile; with less than 100 times, that is the largest."""
    factor = {"s": 1, "ms": 1000}[unit]
    rows = []
    for name, quantile, goal in (("p50", statistics.median, goals[0]), ("p99", p99, goals[1])):
        theirs = factor * quantile(plain) if plain else None
        mine = factor * quantile(times)
        rows.append(Row(what=f"{what}, {name}", unit=unit, measured=mine, n=len(times), goal=goal, plain=theirs))
    return rows


def p99(times: Iterable[float]) -> float:
    ordered = sorted(times)
    return ordered[math.ceil(0.99 * len(ordered)) - 1]


def figure(value: float) -> str:
    if value and abs(value) < 1:
        return f"{value:.2g}"
    return f"{value:.0f}" if value == int(value) or value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def render(rows: Iterable[Row], failures: Iterable[str], environment: str) -> str:
    lines = [HEAD, ("---",) * len(HEAD), *(row.cells() for row in rows)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return "\n\n".join([environment, table, *failures]) + "\n"


def environment_line(engine: str, loads: tuple[float, float], *, quick: bool) -> str:
    """Return one sentence about where the figures come from."""
    few = "; few repetitions and a small repository (`--quick`)" if quick else ""
    return (
        f"{len(os.sched_getaffinity(0))} cores, Linux {os.uname().release}, {engine}, "
        f"load {loads[0]:.1f} before and {loads[1]:.1f} after{few}."
    )


def write_table(page: Path, text: str) -> None:
    """Put the text between the two markers of a page.

    Raises:
        ValueError: The page does not have them.
    """
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page.name} has no {BEGIN} with a {END} behind it: put both where the table goes")
    page.write_text(f"{before}{BEGIN}\n{text}{END}{after}")
