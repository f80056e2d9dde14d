"""Failed checks: what a task is told of them, and how the same one is known again. Pure, but for the protocol."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pullwright.integrations.github.check_verdict import Check, CheckFacts
from pullwright.integrations.github.pulls import Where
from pullwright.integrations.markdown import clip, code_block
from pullwright.integrations.untrusted import fence, sanitise, sanitise_line

LOG_BYTES = 20_000
"""How much of the end of a log is shown."""
SUMMARY_LIMIT = 4_000
ANNOTATION_LIMIT = 500
FIRST_LINES = 5
"""How many lines of an error make it the same as another one."""

_STAMP = re.compile(r"^\ufeff?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z ", re.MULTILINE)
_COLOUR = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]")
_ERROR = re.compile(
    r"error|fail|fatal|panic|exception|traceback|assert|not ok|undefined|cannot|expected", re.IGNORECASE
)
_HEX = re.compile(r"\b(?:0x)?[0-9a-f]{7,64}\b", re.IGNORECASE)
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A check that failed, and all that is known of why; the texts are untrusted."""

    check: Check
    annotations: tuple[str, ...] = ()
    log: str = ""
    """The end of it."""
    on_base: bool = False
    """Whether it fails on the base branch as well."""

    @property
    def said(self) -> str:
        """What says best why it failed."""
        shown = readable(self.log)
        return shown or "\n".join((self.check.title, self.check.summary, *self.annotations))


class Checks(Protocol):
    """Looks checks up. Every method may raise IntegrationError."""

    async def read(self, where: Where, sha: str) -> CheckFacts:
        """Return the checks of a commit."""
        ...

    async def explain(self, where: Where, failed: Sequence[Check], base_sha: str) -> Sequence[Failure]:
        """Return what is known of the first few failed checks, with whether they fail on the base as well."""
        ...


def readable(log: str) -> str:
    """Return a log without the times and colours that runners put into it."""
    return _COLOUR.sub("", _STAMP.sub("", log.replace("\r\n", "\n"))).strip("\n")


def fingerprint(failures: Sequence[Failure]) -> str:
    """Return a name for what failed, and how: the same when only times, numbers and addresses differ."""
    parts = [f"{one.check.name}\n{_first_lines(one.said)}" for one in failures]
    return hashlib.sha256("\n\n".join(sorted(parts)).encode("utf-8", "replace")).hexdigest()[:16]


def render_failures(failures: Sequence[Failure], others: Sequence[Check], boundary: Callable[[], str]) -> str:
    """Return failed checks as fenced data.

    Args:
        failures: What is known of them.
        others: Failed checks of which nothing more was read than the name.
        boundary: Draws a boundary, as for ``untrusted.fence``.
    """
    blocks = [fence("a failed check, as it told it", _told(one), boundary()) for one in failures]
    if others:
        names = "\n".join(f"- {sanitise_line(one.name)}" for one in others)
        blocks.append(fence("the names of more checks that failed", names, boundary()))
    return "\n\n".join(blocks)


def _told(failure: Failure) -> str:
    check = failure.check
    lines = [f"check: {sanitise_line(check.name)}", f"conclusion: {sanitise_line(check.conclusion)}"]
    if failure.on_base:
        lines.append("it fails on the base branch as well, so this pull request may not be the reason")
    lines += [f"title: {sanitise_line(check.title)}"] if check.title else []
    blocks = ["\n".join(lines), clip(sanitise(check.summary), SUMMARY_LIMIT).strip()]
    if failure.annotations:
        notes = (f"- {sanitise_line(one, ANNOTATION_LIMIT)}" for one in failure.annotations)
        blocks.append("annotations:\n" + "\n".join(notes))
    if failure.log:
        blocks.append(f"the end of its log:\n{code_block(readable(failure.log)[-LOG_BYTES:])}")
    return "\n\n".join(block for block in blocks if block)


def _first_lines(text: str) -> str:
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    wrong = [line for line in lines if _ERROR.search(line)][:FIRST_LINES] or lines[-FIRST_LINES:]
    return "\n".join(_NUMBER.sub("#", _HEX.sub("#", line)).casefold()[:300] for line in wrong)
