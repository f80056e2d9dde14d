"""What the benchmark of the queue found on both engines, as a Markdown table, and where it is kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final, Literal

from tests.benchmarks.cost_table import figure, p99

Engine = Literal["SQLite", "PostgreSQL"]

ENGINES: Final[tuple[Engine, ...]] = ("SQLite", "PostgreSQL")
BEGIN, END = "<!-- queue -->", "<!-- /queue -->"
HEAD = ("what", "goal", "SQLite", "bare", "PostgreSQL", "bare", "met", "quoted, not measured", "n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure of one engine."""

    what: str
    measured: float
    n: int
    goal: float | None = None
    bare: float | None = None
    """The same done by hand with ``sqlite3``, ``psycopg``, ``json`` or ``openai``, in the same run."""
    quoted: str = ""
    """What others were found to do at another time and place."""
    better: Literal["less", "more"] = "less"

    @property
    def met(self) -> bool | None:
        if self.goal is None:
            return None
        return self.measured <= self.goal if self.better == "less" else self.measured >= self.goal


Found = Sequence[tuple[Engine, Figure]]


def spread(
    what: str,
    seconds: Sequence[float],
    *,
    goals: tuple[float | None, float | None] = (None, None),
    bare: Sequence[float] = (),
    quoted: str = "",
) -> list[Figure]:
    """Return the figures for the median and the 99th percentile, in milliseconds."""
    return [
        Figure(
            what=f"{what}, {name}, ms",
            measured=1000 * quantile(seconds),
            n=len(seconds),
            goal=goal,
            bare=1000 * quantile(bare) if bare else None,
            quoted=quoted if name == "p50" else "",
        )
        for name, quantile, goal in (("p50", median, goals[0]), ("p99", p99, goals[1]))
    ]


def render(found: Found, remarks: Iterable[str]) -> str:
    """Return the table, one line for what was measured on either engine, and the remarks below it."""
    names = dict.fromkeys(one.what for _, one in found)
    figures = (_line({engine: one for engine, one in found if one.what == what}) for what in names)
    lines = [HEAD, ("---",) * len(HEAD), *figures]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return "\n\n".join([table, *remarks]) + "\n"


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


def _line(by_engine: dict[Engine, Figure]) -> tuple[str, ...]:
    figures = list(by_engine.values())
    goals = list(dict.fromkeys(f"{_sign(one)} {one.goal:g}" for one in figures if one.goal is not None))
    cells = [figures[0].what, "; ".join(goals)]
    for engine in ENGINES:
        one = by_engine.get(engine)
        cells += ["", ""] if one is None else [figure(one.measured), "" if one.bare is None else figure(one.bare)]
    cells += [_met(by_engine), figures[0].quoted, " / ".join(dict.fromkeys(str(one.n) for one in figures))]
    return tuple(cells)


def _met(by_engine: dict[Engine, Figure]) -> str:
    verdicts = {engine: one.met for engine, one in by_engine.items() if one.met is not None}
    if all(verdicts.values()):
        return "yes" if verdicts else ""
    missed = [engine for engine, met in verdicts.items() if not met]
    return "**no**" if len(missed) == len(verdicts) else f"**no**: {', '.join(missed)}"


def _sign(one: Figure) -> str:
    return "≤" if one.better == "less" else "≥"
