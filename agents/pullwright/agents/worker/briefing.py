"""Briefing: the first two messages of a run. Made once, journalled, never changed."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from string import Template
from typing import Final

from pullwright.agents.change import Continuation, FileStat
from pullwright.agents.egress import EgressMode, EgressPolicy
from pullwright.agents.environment import PLAIN, Environment
from pullwright.agents.ports.sandbox import Base
from pullwright.agents.prompts import prompt
from pullwright.agents.task import TaskSpec

AGENTS_FILE = "AGENTS.md"
AGENTS_BYTES = 24_576
"""Most bytes of AGENTS.md that are put in the prompt; the agent can read the rest in the workspace."""

PRIOR_BYTES: Final = 24_576
"""Longest patch of a pull request that is shown; of a longer one the files are named."""
PRIOR_FILES: Final = 200

ALONE: Final = (
    "Nobody watches while you work. Do not wait for people; decide as the maintainer would, and say in the summary "
    "what you decided."
)
ANSWERING: Final = (
    "Nobody watches while you work, but a person answers questions, and may write to you in between. Decide as the "
    "maintainer would what you can, and say in the summary what you decided; ask only what matters and what you can "
    "not find out."
)
"""What the system prompt says of people; it is frozen with the run, and so is whether it may ask."""

A_TEST: Final = (
    "A change is accepted only with a test that fails without the rest of it and passes with it: keep the test in a "
    "file of its own where this repository has its tests, and name in `checks` of finish the command that runs it. If "
    "no test can show the defect, finish without a change and report the cause."
)

_EGRESS = {
    EgressMode.NONE: "Nothing: there is no network.",
    EgressMode.PACKAGES: "pip, uv and npm can install packages from their registries. There is no other network.",
    EgressMode.ALLOWLIST: "pip, uv and npm can install packages; HTTPS works to these hosts only: {hosts}.",
    EgressMode.OPEN: "pip, uv and npm can install packages; HTTPS works to any public host.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorWork:
    """What the pull request that a task goes on with changes so far."""

    patch: bytes
    """Empty where it is longer than ``PRIOR_BYTES``."""
    files: tuple[FileStat, ...]
    onto: str
    """The newest commit of the branch that it goes to."""
    fits: bool = True
    """Whether all of it is in the workspace."""


def brief(
    spec: TaskSpec,
    base: Base,
    agents_file: bytes | None,
    environment: Environment = PLAIN,
    prior: PriorWork | None = None,
) -> tuple[str, str]:
    """Return the system prompt and the first user message.

    Args:
        spec: The task.
        base: Where it starts.
        agents_file: The start of AGENTS.md, if there is one.
        environment: What the sandbox is; its checks are those that the change must pass.
        prior: What the pull request changes that the task goes on with.
    """
    sections = [
        *_prior_section(spec.continues, prior),
        *_agents_section(agents_file),
        *_checks_section(environment.checks or spec.checks),
        *_test_section(spec),
        _egress_section(environment.egress),
        *_people_section(spec),
    ]
    if spec.context:
        sections.append(spec.context)
    user = Template(prompt("task")).substitute(
        repository=spec.repository.slug,
        base_ref=base.ref,
        base_sha=base.sha[:12],
        instruction=spec.instruction.strip(),
        sections="".join(f"\n{section}\n" for section in sections),
    )
    system = Template(prompt("system")).substitute(people=ANSWERING if spec.may_ask else ALONE)
    return system, user.rstrip("\n")


def _prior_section(continues: Continuation | None, prior: PriorWork | None) -> list[str]:
    if continues is None or prior is None:
        return []
    name = ("rebase" if prior.fits else "rebase_anew") if continues.rebase else "continue"
    change = _shown(prior)
    boundary = hashlib.sha256(change.encode()).hexdigest()[:16]
    return [
        Template(prompt(name)).substitute(
            number=continues.number,
            branch=continues.branch,
            base_ref=continues.base_ref,
            base_sha=prior.onto[:12],
            boundary=boundary,
            change=f"=== BEGIN {boundary}\n{change}\n=== END {boundary}",
        )
    ]


def _shown(prior: PriorWork) -> str:
    """Return a patch, or what is known of one that is too long, without characters that nobody sees."""
    lines = [f"{file.path} ({_count(file.added)} added, {_count(file.removed)} removed)" for file in prior.files]
    more = [f"and {len(lines) - PRIOR_FILES} more files"] if len(lines) > PRIOR_FILES else []
    listed = "\n".join([*lines[:PRIOR_FILES], *more])
    text = prior.patch.decode("utf-8", "replace").rstrip("\n") or listed
    return "".join(
        char if char in "\n\t" or unicodedata.category(char)[0] != "C" else ascii(char)[1:-1] for char in text
    )


def _count(lines: int | None) -> str:
    return "binary" if lines is None else str(lines)


def _agents_section(content: bytes | None) -> list[str]:
    if not content:
        return []
    text = content[:AGENTS_BYTES].decode("utf-8", "ignore").strip()
    note = (
        "" if len(content) <= AGENTS_BYTES else f"\n[cut after {AGENTS_BYTES} bytes; read {AGENTS_FILE} for the rest]"
    )
    return [f"<{AGENTS_FILE}>\n{text}{note}\n</{AGENTS_FILE}>"]


def _egress_section(policy: EgressPolicy) -> str:
    text = _EGRESS[policy.mode].format(hosts=", ".join(policy.hosts) or "none")
    return f"What the sandbox can reach: {text}"


def _people_section(spec: TaskSpec) -> list[str]:
    if not spec.may_ask:
        return []
    approval = " Before you change anything, call `plan` alone and wait until it is approved." * spec.approve_plan
    return [f"In this run a person answers: call `ask` alone in its turn, and the work waits for the answer.{approval}"]


def _test_section(spec: TaskSpec) -> list[str]:
    return [A_TEST] if spec.reproduce else []


def _checks_section(checks: tuple[str, ...]) -> list[str]:
    if not checks:
        return []
    lines = "\n".join(checks)
    return [f"The change is accepted only if these commands pass in a fresh container:\n<checks>\n{lines}\n</checks>"]
