"""What wanted to leave the sandbox, for the text of a pull request. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from pullwright.agents.egress import EgressDecision
from pullwright.integrations.markdown import code_span
from pullwright.integrations.untrusted import sanitise_line

_MOST_NAMED = 20


def network_section(decisions: Sequence[EgressDecision]) -> Iterable[str]:
    """Yield the paragraphs of the section about the network; none when nothing wanted to leave."""
    if not decisions:
        return
    allowed = [decision for decision in decisions if decision.allowed]
    blocked = [decision for decision in decisions if not decision.allowed]
    yield "## Network"
    if allowed:
        received = sum(decision.received for decision in allowed) / 1e6
        yield f"Let through ({received:.1f} MB received): {_named(_target(decision) for decision in allowed)}."
    if blocked:
        yield f"**Blocked:** {_named(f'{_target(decision)} ({_line(decision.rule)})' for decision in blocked)}."


def _named(names: Iterable[str]) -> str:
    counted = Counter(names)
    shown = [name if times == 1 else f"{name} ×{times}" for name, times in list(counted.items())[:_MOST_NAMED]]
    left = len(counted) - len(shown)
    return ", ".join([*shown, f"and {left} more"] if left else shown)


def _target(decision: EgressDecision) -> str:
    return f"{_line(decision.kind)} {code_span(sanitise_line(decision.target, 200))}"


def _line(text: str) -> str:
    return sanitise_line(text, 200)
