"""Tells what happens at the rehearsal while it happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pullwright.integrations.testing.forge_state import IssueRecord, PullRecord, Repository
from pullwright.integrations.testing.rehearsal import Rehearsal

EVERY = 0.1
"""Seconds between two looks."""


class Story:
    """What there is to see at one repository, each thing told once."""

    def __init__(self, rehearsal: Rehearsal, repository: Repository, say: Callable[[str], None]) -> None:
        """Tell ``say`` about everything that happens from now on."""
        self._say = say
        self._lock = rehearsal.forge.state.lock
        self._repository = repository
        self._told: set[str] = set(self._facts())
        self._begun = time.monotonic()

    @contextmanager
    def told(self) -> Iterator[Story]:
        """Tell everything for the length of a block."""
        ending = threading.Event()

        def tell() -> None:
            while not ending.wait(EVERY):
                self._tell()

        thread = threading.Thread(target=tell)
        thread.start()
        try:
            yield self
        finally:
            ending.set()
            thread.join()

    def act(self, text: str) -> None:
        """Say what a person does next."""
        self._say(f"\n{text}")

    def wait(self, until: Callable[[], bool], seconds: float, alive: Callable[[], bool]) -> bool:
        """Wait until something is so; False when it took too long, or when the server died."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and alive():
            with self._lock:
                if until():
                    break
            time.sleep(EVERY)
        self._tell()
        with self._lock:
            return until()

    def _tell(self) -> None:
        with self._lock:
            fresh = [fact for fact in self._facts() if fact not in self._told]
            self._told.update(fresh)
        for fact in fresh:
            self._say(f"{time.monotonic() - self._begun:7.1f} s  {fact}")

    def _facts(self) -> Iterator[str]:
        repository = self._repository
        for number, issue in repository.issues.items():
            if number not in repository.pulls:
                yield from _of_issue(issue, f"issue #{number}")
        for pull in repository.pulls.values():
            yield from self._of_pull(pull)

    def _of_pull(self, pull: PullRecord) -> Iterator[str]:
        name = f"pull request #{pull.number}"
        yield f"{pull.issue.author} opens {name} “{pull.issue.title}” from {pull.branch}"
        yield f"{name} is {'a draft' if pull.draft else 'ready for review'}"
        head = self._repository.head_sha(pull)
        yield f"{name} is at commit {head[:8]}"
        for suite in self._repository.suites:
            if suite.branch == pull.branch:
                for run in suite.runs:
                    yield f"check {run.name!r} at {suite.sha[:8]}: {run.conclusion or run.status}"
        yield from _of_issue(pull.issue, name)
        for review in pull.reviews:
            yield f"{review.author} reviews {name}: {review.state} {_line(review.body)}"
        for remark in pull.review_comments:
            yield f"{remark.author} at {remark.path}:{remark.line} of {name}: {_line(remark.body)}"
            for reaction in remark.reactions:
                yield f"{reaction.user} reacts with {reaction.content} to “{_line(remark.body)}”"
        if pull.merged:
            yield f"{name} is merged by {pull.merged_by}"


def _of_issue(issue: IssueRecord, name: str) -> Iterator[str]:
    for event in issue.timeline:
        if event.event in ("labeled", "unlabeled"):
            yield f"{event.actor} has {event.event} {name} {event.label!r}"
    for reaction in issue.reactions:
        yield f"{reaction.user} reacts with {reaction.content} to {name}"
    for comment in issue.comments:
        how = "now says" if comment.edited else "says"
        yield f"{comment.author} {how} on {name}: {_line(comment.body)}"
        for reaction in comment.reactions:
            yield f"{reaction.user} reacts with {reaction.content} to “{_line(comment.body)}”"


def _line(text: str) -> str:
    """Return the first lines of a text that say something, on one line."""
    shown = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("<!--")]
    return " / ".join(shown)[:160]
