"""The text of a pull request: what, why, how it was checked, what was not, and what it cost. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import zip_longest

from pullwright.agents.change import CheckResult, Evidence
from pullwright.agents.ports.code_host import ChangeReport
from pullwright.integrations.egress_text import network_section
from pullwright.integrations.fixed_issues import fixes_lines, without_lines
from pullwright.integrations.markdown import clip, close_code, code_block, code_span, defuse
from pullwright.integrations.untrusted import sanitise, sanitise_line

BODY_LIMIT = 65_536
_OUTPUT_LIMIT = 4000
_MOST_NOTICES = 20
_TERMINAL_CODE = re.compile(r"\x1b\[[0-9;?]{0,20}[ -/]{0,5}[@-~]")
_TASK_ID = re.compile(r"[^A-Za-z0-9_.:-]")


def pull_request_body(report: ChangeReport) -> str:
    """Return the text of a pull request; the part that machines need survives any cut."""
    lines = fixes_lines(report.issue_number, report.fixes)
    written = without_lines(defuse(sanitise(report.summary)).strip(), lines)
    summary = close_code(written) or "The agent wrote no summary."
    sections = [*_checks(report.evidence), *_look_twice(report.notices), *network_section(report.egress)]
    head = "\n\n".join([summary, "## How it was checked", *sections])
    tail = "\n\n".join(filter(None, ["\n".join(lines), f"---\n{_origin(report)}", marker(report.task_id)]))
    return f"{clip(head, BODY_LIMIT - len(tail) - 2)}\n\n{tail}"


def marker(task_id: str) -> str:
    """Return the hidden line by which a pull request of a task is recognised."""
    return f"<!-- pullwright:task={_TASK_ID.sub('', task_id)} -->"


def _origin(report: ChangeReport) -> str:
    model = f" with {code_span(sanitise_line(report.model, 200))}" if report.model else ""
    usage = report.usage
    cached = f" ({usage.cached_tokens:,} cached)" if usage.cached_tokens else ""
    tokens = f"{usage.total_tokens:,} tokens ({usage.prompt_tokens:,}{cached} in, {usage.completion_tokens:,} out)"
    cost = f", {report.cost}" if report.cost else ""
    made = f"Made by Pullwright{model} in {_count(report.steps, 'step')}, {tokens}{cost}."
    return f"{made} Please review it as you would a stranger's work."


def _checks(evidence: Evidence) -> Iterable[str]:
    yield _verdict(evidence)
    if not evidence.after:
        return
    sides = {"Before": evidence.before, "Only the new tests": evidence.tests_alone, "After": evidence.after}
    shown = {name: results for name, results in sides.items() if results or name != "Only the new tests"}
    rows = [_cells("Command", *shown), _cells(*["---"] * (len(shown) + 1))]
    rows += [_row(results) for results in zip_longest(*shown.values())]
    yield "\n".join(rows)
    for result in evidence.after:
        if not result.passed:
            yield f"Output of {_command(result)} with this change:\n\n{code_block(_ending(result.output))}"


def _look_twice(notices: tuple[str, ...]) -> Iterable[str]:
    if notices:
        yield "## Look at these twice"
        yield "\n".join(f"- {code_span(sanitise_line(notice, 300))}" for notice in notices[:_MOST_NOTICES])


def _verdict(evidence: Evidence) -> str:
    if not evidence.after:
        return "**Not verified:** no check was run on this change."
    chosen = _chosen(evidence)
    failed = sum(not result.passed for result in evidence.after)
    total = _count(len(evidence.after), "check")
    if failed:
        return f"**Not verified:** {failed} of {total} ({chosen}) did not pass with this change, in a fresh container."
    return f"{total} ({chosen}) passed in a fresh container with this change.{_needed(evidence)}"


def _chosen(evidence: Evidence) -> str:
    if evidence.chosen_by != "owner":
        return "chosen by the agent itself"
    return f"chosen by the repository's owner{f', {len(evidence.named)} by the agent itself' if evidence.named else ''}"


def _needed(evidence: Evidence) -> str:
    if evidence.tests_fail_alone:
        return " The tests of this change fail without it, and pass with it."
    if evidence.tests_alone:
        return " They pass with only its tests as well, so they do not show that the rest of it was needed."
    if evidence.before and all(result.passed for result in evidence.before):
        return " They passed before it as well, so they do not show that it was needed."
    return ""


def _row(results: Sequence[CheckResult | None]) -> str:
    command = next((_command(result).replace("|", "\\|") for result in results if result), "")
    return _cells(command, *map(_cell, results))


def _cells(*texts: str) -> str:
    return f"| {' | '.join(texts)} |"


def _command(result: CheckResult) -> str:
    return code_span(sanitise_line(result.command, 500))


def _cell(result: CheckResult | None) -> str:
    if result is None:
        return "not run"
    how = "stopped at its time limit" if result.exit_code is None else f"exit code {result.exit_code}"
    return f"{'✅' if result.passed else '❌'} {how}, {result.seconds:.1f} s"


def _ending(output: str) -> str:
    text = sanitise(code_block(_TERMINAL_CODE.sub("", output))).partition("\n")[2].rpartition("\n")[0]
    return text if len(text) <= _OUTPUT_LIMIT else "…\n" + text[-_OUTPUT_LIMIT:]


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")
