"""The run that the chaos test repeats: nine steps that change files in every way there is, and what a model says to it.

The steps are not idempotent: one that was carried out twice in silence leaves other files. Only after it was told that
a step was cut in half does this model look, and then bring the files to where the step should have led.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pullwright.agents.calls import NOT_RUN, SANDBOX_LOST
from pullwright.agents.events import JournalEntry, ModelReplied, RunResumed, ToolFinished
from pullwright.agents.taking_up import INTERRUPTED, NOT_REPEATED
from pullwright.agents.testing.scripted_model import Reply

FILES: Final[Mapping[str, str | bytes]] = {
    "README.md": "# Chaos\n",
    ".gitignore": "*.cache\n",
    "app.py": "def answer():\n    return 41\n",
    "log.txt": "begin\n",
    "bytes.bin": bytes(range(256)),
    "old/first.txt": "first\n",
    "old/second.txt": "second\n",
}

CHECK: Final = 'test "$(grep -c step log.txt)" = 6 && test ! -e old/first.txt && test -x made/tool.sh'

Call = tuple[str, Mapping[str, object]]

CUT: Final = tuple(words[:30] for words in (INTERRUPTED, NOT_REPEATED, SANDBOX_LOST, NOT_RUN))
"""How the results begin of calls that were cut in half, or not begun."""

_SAID: Final = re.compile(r"(do|look|mend) (\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the story."""

    calls: tuple[Call, ...]
    mending: str
    """A command that leads to the same files from before, after, or the middle of the step."""


def _bash(command: str) -> Call:
    return "bash", {"command": command}


def _logged(number: int, then: str) -> Step:
    line = f"step {number}"
    return Step(
        calls=(_bash(f"echo '{line}' >> log.txt && {then}"),),
        mending=f"grep -qx '{line}' log.txt || echo '{line}' >> log.txt; {then}",
    )


_TOOL = "#!/bin/sh\necho tool\n"

STEPS: Final[Sequence[Step]] = (
    _logged(0, "mkdir -p made && echo one > made/one.txt && echo x > made/junk.cache"),
    Step(
        calls=(("write", {"path": "made/tool.sh", "content": _TOOL}),),
        mending=f"printf '%s' '{_TOOL}' > made/tool.sh",
    ),
    _logged(2, "chmod +x made/tool.sh && rm -f old/first.txt"),
    Step(
        calls=(("edit", {"path": "app.py", "old": "return 41", "new": "return 42"}),),
        mending="sed -i 's/return 41/return 42/' app.py",
    ),
    _logged(4, "sleep 0.4; mkdir -p moved; test ! -e made/one.txt || mv made/one.txt moved/uno.txt"),
    Step(
        calls=(("write", {"path": "made/pair.txt", "content": "pair\n"}), _bash("echo 'step 5' >> log.txt")),
        mending="echo pair > made/pair.txt; grep -qx 'step 5' log.txt || echo 'step 5' >> log.txt",
    ),
    _logged(6, "head -c 4096 /dev/zero | tr '\\0' z > bytes.bin; sleep 0.2"),
    _logged(7, "rm -rf old; mkdir -p 'ein Ordner'; echo ü > 'ein Ordner/größe.txt'"),
)

FINISH: Final[Call] = ("finish", {"title": "Go through chaos", "summary": "All steps.", "checks": [CHECK]})


def answer(request: Mapping[str, Any]) -> Reply:
    """Say what the model says next: a function of the conversation and of nothing else."""
    said, cut = "", False
    for message in request["messages"]:
        if message["role"] == "assistant":
            said, cut = _words(message), False
        elif message["role"] == "tool":
            cut = cut or _words(message).startswith(CUT)
    return _next(said, cut=cut)


def _next(said: str, *, cut: bool) -> Reply:
    match = _SAID.match(said)
    if match is None:
        return _do(len(STEPS) if said else 0)
    what, number = match[1], int(match[2])
    if cut:
        return Reply(f"look {number}", calls=(_bash("git status --short; tail -n 3 log.txt"),))
    if what == "look":
        return Reply(f"mend {number}", calls=(_bash(STEPS[number].mending),))
    return _do(number + 1)


def _do(number: int) -> Reply:
    if number >= len(STEPS):
        return Reply("done", calls=(FINISH,))
    return Reply(f"do {number}", calls=STEPS[number].calls)


def _words(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def repeated(entries: Sequence[JournalEntry]) -> int:
    """Return how many steps were carried out more than once, times how often, by a run's whole journal."""
    steps: dict[str, int] = {}
    ran: dict[tuple[int, str], int] = {}
    for entry in entries:
        match entry.event:
            case ModelReplied(message=message) if said := _SAID.match(message.content):
                steps |= {call.id: -1 if said[1] == "look" else int(said[2]) for call in message.tool_calls}
            case ToolFinished(result=result) if not result.content.startswith(CUT):
                place = steps.get(result.call_id, -1), result.name
                ran[place] = ran.get(place, 0) + 1
    most = {number: max(times for (step, _), times in ran.items() if step == number) for number, _ in ran}
    return sum(times - 1 for number, times in most.items() if number >= 0)


def silently_again(entries: Sequence[JournalEntry]) -> int:
    """Return how many commands were run again when a run was taken up, although they may have been carried out."""
    taking_up, found = False, 0
    for entry in entries:
        match entry.event:
            case RunResumed():
                taking_up = True
            case ModelReplied():
                taking_up = False
            case ToolFinished(result=result) if taking_up and result.name == "bash":
                found += not result.content.startswith(CUT)
    return found
