from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.integrations.github.setup_check import (
    EVENTS,
    HookFacts,
    Level,
    SetupFacts,
    check_setup,
    needed_of_token,
    needed_permissions,
)

URL = "https://agent.example.test/webhooks/github/main"
HOOK = HookFacts(url=URL + "/", has_secret=True, events=EVENTS, last_status=202)
GOOD = SetupFacts(
    repository="acme/shop", is_app=True, login="pull-bot[bot]", permissions=needed_permissions(), hook=HOOK,
    expected_url=URL, rate_limit=5000, rate_remaining=4000,
)  # fmt: skip
TOKEN = replace(GOOD, is_app=False, login="machine", permissions=needed_of_token())


def bad(facts: SetupFacts) -> list[str]:
    return [finding.line for finding in check_setup(facts) if finding.level is not Level.OK]


def test_the_permissions_are_those_of_the_design() -> None:
    assert needed_permissions() == {
        "metadata": "read",
        "contents": "write",
        "issues": "write",
        "pull_requests": "write",
        "checks": "write",
        "actions": "read",
        "statuses": "read",
    }
    assert needed_permissions(["workflows", "members", "x"]) == {
        **needed_permissions(),
        "workflows": "write",
        "members": "read",
    }


def test_when_all_is_right_nothing_is_to_be_done() -> None:
    assert bad(GOOD) == []
    assert len(check_setup(GOOD)) == 10
    assert bad(replace(GOOD, hook=None, expected_url="")) == []


@pytest.mark.parametrize("name", sorted(needed_permissions()))
def test_every_missing_permission_is_named(name: str) -> None:
    needed = needed_permissions()
    lines = bad(replace(GOOD, permissions={key: needed[key] for key in needed if key != name}))
    assert len(lines) == 1
    assert lines[0].startswith(f"permission {name}: is 'missing', not {needed[name]!r}; ")
    assert "App's page" in lines[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seen": False}, "install the App there"),
        ({"suspended": True}, "unsuspend it"),
        ({"archived": True}, "unarchive it"),
        ({"permissions": {**needed_permissions(), "contents": "read"}}, "is 'read', not 'write'"),
        ({"permissions": {**needed_permissions(), "administration": "write"}}, "may also write administration"),
        ({"options": frozenset({"workflows"})}, "you let the agent edit .github/workflows"),
        ({"hook": None}, "agent serve --poll"),
        ({"hook": None, "hook_readable": False}, "by hand"),
        ({"hook": replace(HOOK, url="https://other.test")}, f"set its address to {URL!r}"),
        ({"hook": replace(HOOK, has_secret=False)}, "webhook secret: it is not set"),
        ({"hook": replace(HOOK, checks_certificate=False)}, "turn on SSL verification"),
        ({"hook": replace(HOOK, active=False)}, "tick 'Active'"),
        ({"hook": replace(HOOK, content_type="form")}, "choose application/json"),
        ({"hook": replace(HOOK, events=EVENTS[1:])}, "without issues;"),
        ({"hook": replace(HOOK, last_status=None)}, "redeliver the ping"),
        ({"hook": replace(HOOK, last_status=0)}, "nothing answered"),
        ({"hook": replace(HOOK, last_status=401)}, "the secrets differ"),
        ({"hook": replace(HOOK, last_status=502)}, "the answer was 502"),
        ({"rate_remaining": 499}, "499 of 5000"),
    ],
)
def test_what_is_wrong_is_one_line_that_says_how_to_mend_it(changes: dict[str, Any], words: str) -> None:
    lines = bad(replace(GOOD, **changes))
    assert len(lines) == 1
    assert words in lines[0]
    assert "\n" not in lines[0]


def test_a_hook_may_tell_everything() -> None:
    assert bad(replace(GOOD, hook=replace(HOOK, events=("*",)))) == []


def test_a_token_is_no_app() -> None:
    assert [line.partition(":")[0] for line in bad(TOKEN)] == ["identity"]
    assert "machine user" in bad(TOKEN)[0]
    assert "may not push" in bad(replace(TOKEN, may_push=False))[0]
    assert "add the repository to the token" in bad(replace(TOKEN, seen=False))[0]


@pytest.mark.parametrize("name", sorted(needed_of_token()))
def test_every_permission_that_a_token_lacks_is_named_with_where_to_click(name: str) -> None:
    needed = needed_of_token()
    page = "https://github.com/settings/personal-access-tokens"
    facts = replace(TOKEN, page=page, permissions={key: needed[key] for key in needed if key != name})
    found = {finding.name: finding for finding in check_setup(facts)}[f"permission {name}"]
    spared = name in ("checks", "statuses")
    assert found.level is (Level.WARNING if spared else Level.PROBLEM)
    assert found.mend == "use a GitHub App if that matters" if spared else page in found.mend


def test_the_label_is_looked_for() -> None:
    assert bad(replace(GOOD, label="agent", label_there=True)) == []
    assert bad(replace(GOOD, label="agent", label_there=None)) == []
    assert "--make-label" in bad(replace(GOOD, label="agent", label_there=False))[0]


@given(st.text(max_size=300), st.integers(0, 999))
def test_a_finding_is_always_one_line(words: str, status: int) -> None:
    hook = HookFacts(url=words, has_secret=False, last_status=status)
    for finding in check_setup(replace(GOOD, hook=hook, login=words)):
        assert "\n" not in finding.line
        assert len(finding.line) <= 600
