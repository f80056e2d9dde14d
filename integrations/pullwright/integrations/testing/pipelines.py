"""A small continuous integration: what is pushed is checked out and judged, in several suites of checks."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from pullwright.agents.errors import PullwrightError
from pullwright.integrations.testing.check_acts import CheckActs
from pullwright.integrations.testing.check_records import ACTIONS_APP, CheckRun, CheckSuite
from pullwright.integrations.testing.forge_parts import ForgeParts
from pullwright.integrations.testing.forge_state import Repository
from pullwright.integrations.testing.repository_acts import NOTHING
from pullwright.integrations.testing.review_records import Actor

_LIMIT_SECONDS = 300
_OUTPUT_LIMIT = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of a check."""

    conclusion: str = "success"
    log: str = ""
    summary: str = ""


Check = str | Callable[[Path], Verdict | bool]
"""A shell command that is run in a checkout, or a function that gets its folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """One suite: it begins at every push to a matching branch, and its checks run one after another."""

    checks: dict[str, Check]
    """Name → what decides."""
    name: str = "CI"
    app_id: int = ACTIONS_APP
    """GitHub Actions, or an App that was made at the forge for checks of a third party."""
    branches: str = "*"
    gate: threading.Event | None = None
    """When given, nothing begins before it is set. This is how suites end in an order that a test decides."""


class PipelineRunner:
    """Runs the pipelines of every repository; each suite has a thread of its own."""

    def __init__(self, parts: ForgeParts, checks: CheckActs) -> None:
        self._parts = parts
        self._checks = checks
        self._pipelines: dict[int, tuple[Pipeline, ...]] = {}
        self._of_suite: dict[int, Pipeline] = {}
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()

    def set(self, repository: Repository, pipelines: Sequence[Pipeline]) -> None:
        """Decide what checks a repository's pushes from now on."""
        self._pipelines[repository.id] = tuple(pipelines)

    def pushed(self, repository: Repository, branch: str, before: str, after: str, actor: Actor) -> None:
        """Begin the suites of a push; the state's lock is held."""
        for pipeline in self._pipelines.get(repository.id, ()):
            if after == NOTHING or not fnmatchcase(branch, pipeline.branches):
                continue
            suite = self._checks.add_suite(repository, pipeline.app_id, after, branch, before)
            self._of_suite[suite.id] = pipeline
            runs = self._checks.queue(repository, suite, pipeline.checks, actor)
            if pipeline.app_id == ACTIONS_APP:
                self._checks.start_workflow(repository, suite, actor, pipeline.name)
            self._begin(repository, suite, runs, actor)

    def again(self, repository: Repository, suite: CheckSuite, actor: Actor, *, failed_only: bool) -> bool:
        """Run a suite again; False when it is not one of a pipeline."""
        if suite.id not in self._of_suite:
            return False
        runs = self._checks.reset(repository, suite, actor, failed_only=failed_only)
        self._begin(repository, suite, runs, actor)
        return True

    def close(self) -> None:
        """Begin nothing more, and wait for what runs."""
        self._closing.set()
        for pipeline in self._of_suite.values():
            if pipeline.gate is not None:
                pipeline.gate.set()
        for thread in self._threads:
            thread.join()

    def _begin(self, repository: Repository, suite: CheckSuite, runs: list[CheckRun], actor: Actor) -> None:
        self._parts.work.begin()
        thread = threading.Thread(
            target=self._run, args=(repository, suite, runs, actor), name="rehearsal-checks", daemon=True
        )
        self._threads = [other for other in self._threads if other.is_alive()]
        self._threads.append(thread)
        thread.start()

    def _run(self, repository: Repository, suite: CheckSuite, runs: list[CheckRun], actor: Actor) -> None:
        try:
            pipeline = self._of_suite[suite.id]
            if pipeline.gate is not None:
                pipeline.gate.wait()
            for run in runs:
                if self._closing.is_set():
                    return
                self._one(repository, suite, run, actor, pipeline.checks[run.name])
        finally:
            self._parts.work.end()

    def _one(self, repository: Repository, suite: CheckSuite, run: CheckRun, actor: Actor, check: Check) -> None:
        lock = self._parts.state.lock
        with lock:
            self._checks.start(repository, suite, run, actor)
        verdict = _judge(repository, suite.sha, check)
        with lock:
            run.log = verdict.log
            summary = verdict.summary or verdict.conclusion
            run.output = {"title": run.name, "summary": summary}
            self._checks.complete(repository, suite, run, actor, verdict.conclusion)


def _judge(repository: Repository, sha: str, check: Check) -> Verdict:
    with tempfile.TemporaryDirectory(prefix="pullwright-check-") as folder:
        try:
            archive = repository.bare.git("archive", "--format=tar", sha)
        except PullwrightError as exc:
            return Verdict(conclusion="startup_failure", log=f"the commit is gone: {exc}\n")
        with tarfile.open(fileobj=io.BytesIO(archive)) as tree:
            tree.extractall(folder, filter="data")
        found = _command(check, Path(folder)) if isinstance(check, str) else check(Path(folder))
    if isinstance(found, bool):
        return Verdict(conclusion="success" if found else "failure", log="" if found else "the check failed\n")
    return found


def _command(command: str, folder: Path) -> Verdict:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Verdict(conclusion="timed_out", log=f"$ {command}\nit took longer than {_LIMIT_SECONDS} s\n")
    ending = f"Process completed with exit code {done.returncode}.\n" if done.returncode else ""
    log = f"$ {command}\n{done.stdout[-_OUTPUT_LIMIT:].decode('utf-8', 'replace')}{ending}"
    return Verdict(conclusion="failure" if done.returncode else "success", log=log)
