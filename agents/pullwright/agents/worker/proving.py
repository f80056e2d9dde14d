"""Proving: whether the tests of a change fail without the rest of it.

A check that passes on the clean base says nothing about a change that brings its own test, and one that the model chose
may fail there only because that test is not there yet. So the checks are run on the base with nothing of the change but
its files of tests as well, where that can tell more than is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from pullwright.agents.change import CheckResult, Evidence
from pullwright.agents.egress import EgressDecision
from pullwright.agents.environment import Environment
from pullwright.agents.errors import ChangeError, NotFound
from pullwright.agents.recorder import RunRecorder
from pullwright.agents.worker.landing import Work
from pullwright.agents.worker.parts import Parts
from pullwright.agents.worker.restore import PATCH_BYTES
from pullwright.agents.worker.testfiles import is_test_file, separate_tests

UNPROVEN: Final = "Nothing shows that this change was needed"
NO_CHECK: Final = "no check was run on it"
NO_TEST: Final = "it touches no file of tests"
PASSES: Final = "on the base with only its tests, every check passes as well"

_OTHERWISE: Final = (
    "If you can not make the defect show in a test, do not guess: take the change back, finish without one, and "
    "report the cause in the summary."
)
_ADVICE: Final = {
    NO_CHECK: (
        "Add a test that fails without the fix and passes with it, and name in `checks` of finish the command that "
        "runs it."
    ),
    NO_TEST: (
        "Add a test that fails without the fix and passes with it, in a file of its own where this repository has its "
        "tests (tests inside a file of source code can not be told apart), and name in `checks` of finish the command "
        "that runs it."
    ),
    PASSES: (
        "Either the tests do not fail without the fix, or none of these commands runs them. See a test fail without "
        "the fix, and name in `checks` of finish the command that runs it."
    ),
}

UNTRIED: Final = "it could not be tried whether the tests fail without the change"
"""What reviewers are told of a change that was to be proven."""


class Proving:
    """Tries and judges the tests of what one run hands in."""

    def __init__(self, parts: Parts, recorder: RunRecorder, environment: Environment) -> None:
        self._parts = parts
        self._task_id = recorder.task.id
        self._environment = environment
        spec = recorder.task.spec
        adds = spec.continues is not None and not spec.continues.rebase
        self.demanded = spec.reproduce and not adds
        """Whether only a change with a test that fails without it is taken; what a branch holds already needs none."""

    async def proven(self, work: Work, evidence: Evidence) -> Evidence:
        """Return the evidence with what the tests alone say, where that tells something and can be tried."""
        if not evidence.verified or evidence.mended:
            return evidence
        results, egress = await self.alone(work)
        return replace(evidence, tests_alone=results, egress=(*evidence.egress, *egress))

    async def alone(self, work: Work) -> tuple[tuple[CheckResult, ...], tuple[EgressDecision, ...]]:
        """Return what the checks say on the base of some work with only its tests, and what they wanted to reach.

        Nothing where it has no tests, or nothing else, or where that part of it can not be had alone.
        """
        tests = separate_tests(file.path for file in work.change.files)
        if not tests:
            return (), ()
        sides = work.base.sha, work.change.head_sha
        try:
            patch = await self._parts.mirror.difference(work.base, *sides, limit=PATCH_BYTES, paths=tests)
            return await self._parts.verifier.check_tests(
                work.base, patch, work.checks, task_id=self._task_id, environment=self._environment
            )
        except (ChangeError, NotFound):
            return (), ()

    def missing(self, work: Work, evidence: Evidence) -> str:
        """Return what the model is told is missing from work that passes its checks; empty for nothing."""
        gap = self._gap(work, evidence) if self.demanded else ""
        if not gap:
            return ""
        ran = "\n".join(f"$ {result.command}" for result in evidence.tests_alone or evidence.after)
        return "\n\n".join(filter(None, [f"{UNPROVEN}:", gap, ran if gap == PASSES else "", _ADVICE[gap], _OTHERWISE]))

    def notices(self, evidence: Evidence) -> Sequence[str]:
        """Return what reviewers should know of work from which nothing is missing."""
        shown = evidence.tests_fail_alone or evidence.mended
        return (UNTRIED,) if self.demanded and not shown else ()

    @staticmethod
    def _gap(work: Work, evidence: Evidence) -> str:
        if not work.checks:
            return NO_CHECK
        if not evidence.verified or evidence.mended or evidence.tests_fail_alone:
            return ""
        paths = [file.path for file in work.change.files]
        if not any(map(is_test_file, paths)):
            return NO_TEST
        return PASSES if evidence.tests_alone or not separate_tests(paths) else ""


def only_tests_left(work: Work, moved: Work) -> bool:
    """Whether a newer base has everything of some work already but its tests."""
    paths = [file.path for file in moved.change.files]
    return all(map(is_test_file, paths)) and bool(separate_tests(file.path for file in work.change.files))
