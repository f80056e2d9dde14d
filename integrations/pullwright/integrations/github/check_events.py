"""Checks: what ended on which commit, and the buttons of the bot's own check run. Pure.

Loop protection does not apply to a finished check: the bot pushed the commit, so it is the sender.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pullwright.integrations.commands import Verb
from pullwright.integrations.github.delivery_payloads import AppPart, NumberPart
from pullwright.integrations.github.meanings import Actor, ChecksCompleted, CheckSource, ControlRequested, Meaning
from pullwright.integrations.github.reading import Missing, Reader, Reading, actor_of, stamp

_BUTTONS = {"cancel": Verb.STOP, "stop": Verb.STOP, "retry": Verb.RETRY}


def _check_run(reading: Reading) -> Meaning:
    run = reading.payload.check_run
    if run is None:
        raise Missing("check_run")
    suite = run.check_suite
    branch = (suite.head_branch if suite else "") or ""
    reason = _not_ours(reading, run.app, branch, run.conclusion)
    if reason:
        return reading.ignored(reason)
    return ChecksCompleted(
        **reading.shared(),
        semantic_key=f"check:{reading.bot.host}:{run.id}:{stamp(run.completed_at)}",
        source=CheckSource.CHECK_RUN,
        sha=run.head_sha,
        branch=branch,
        conclusion=run.conclusion or "",
        name=run.name,
        id=run.id,
        suite_id=suite.id if suite else None,
        pull_requests=_numbers(run.pull_requests),
    )


def _check_suite(reading: Reading) -> Meaning:
    suite = reading.payload.check_suite
    if suite is None or not suite.head_sha:
        raise Missing("check_suite")
    branch = suite.head_branch or ""
    reason = _not_ours(reading, suite.app, branch, suite.conclusion)
    if reason:
        return reading.ignored(reason)
    return ChecksCompleted(
        **reading.shared(),
        semantic_key=f"suite:{reading.bot.host}:{suite.id}:{stamp(suite.updated_at)}",
        source=CheckSource.CHECK_SUITE,
        sha=suite.head_sha,
        branch=branch,
        conclusion=suite.conclusion or "",
        name=(suite.app.slug if suite.app else "") or "",
        id=suite.id,
        suite_id=suite.id,
        pull_requests=_numbers(suite.pull_requests),
    )


def _workflow_run(reading: Reading) -> Meaning:
    run = reading.payload.workflow_run
    if run is None:
        raise Missing("workflow_run")
    branch = run.head_branch or ""
    reason = _not_ours(reading, None, branch, run.conclusion)
    if reason:
        return reading.ignored(reason)
    return ChecksCompleted(
        **reading.shared(),
        semantic_key=f"workflow:{reading.bot.host}:{run.id}:{run.run_attempt}",
        source=CheckSource.WORKFLOW_RUN,
        sha=run.head_sha,
        branch=branch,
        conclusion=run.conclusion or "",
        name=run.name or "",
        id=run.id,
        suite_id=run.check_suite_id,
        run_id=run.id,
        attempt=run.run_attempt,
        pull_requests=_numbers(run.pull_requests),
        starters=_starters(reading.actor(), actor_of(run.actor), actor_of(run.triggering_actor)),
    )


def _rerequested(reading: Reading) -> Meaning:
    return _button(reading, Verb.RETRY)


def _requested_action(reading: Reading) -> Meaning:
    action = reading.payload.requested_action
    verb = _BUTTONS.get(action.identifier.lower()) if action else None
    return _button(reading, verb) if verb else reading.ignored("a button that is not ours")


def _button(reading: Reading, verb: Verb) -> Meaning:
    run = reading.payload.check_run
    if run is None:
        raise Missing("check_run")
    if not _is_own(reading, run.app):
        return reading.ignored("a check run of another App")
    numbers = _numbers(run.pull_requests)
    number = numbers[0] if numbers else None
    return ControlRequested(
        **reading.shared(),
        work_key=reading.work_key(number) if number is not None else "",
        # Pressing twice is asking twice, and nothing in the payload tells the two apart.
        semantic_key=f"button:{reading.bot.host}:{run.id}:{verb}@{reading.delivery.id}",
        verb=verb,
        number=number,
        task_id=run.external_id or "",
    )


def _not_ours(reading: Reading, app: AppPart | None, branch: str, conclusion: str | None) -> str:
    if _is_own(reading, app):
        return "a check of the bot itself"
    if not conclusion:
        return "a check without a conclusion"
    if branch and not branch.startswith(reading.bot.branch_prefix):
        return "a check of a branch that is not the bot's"
    return ""


def _is_own(reading: Reading, app: AppPart | None) -> bool:
    return app is not None and app.id == reading.bot.app_id


def _numbers(pulls: Sequence[NumberPart] | None) -> tuple[int, ...]:
    return tuple(pull.number for pull in pulls or ())


def _starters(*actors: Actor | None) -> tuple[Actor, ...]:
    return tuple({actor.id: actor for actor in actors if actor is not None}.values())


CHECK_READERS: Mapping[str, Reader] = {
    "check_run.completed": _check_run,
    "check_run.rerequested": _rerequested,
    "check_run.requested_action": _requested_action,
    "check_suite.completed": _check_suite,
    "workflow_run.completed": _workflow_run,
}
