"""What people and networks do to the bot while it works: each has one outcome, is told, and doubles nothing."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import requests

from pullwright.agents.task import Task, TaskStatus
from pullwright.integrations.testing.hook_records import Delivery
from pullwright.integrations.testing.hook_sender import signatures
from pullwright.integrations.testing.hook_trouble import HookTrouble
from pullwright.integrations.testing.rehearsal import SECRET
from tests.e2e.bot_life import FIRST, LAST, BotLife, bot_life, is_over, signs
from tests.e2e.bot_verdict import anything_waits, kept, wrong_with

pytestmark = [pytest.mark.docker, pytest.mark.timeout(400)]

MOST_BYTES = 25 << 20


HUNG_UP = 0
"""Whoever goes on sending may miss what is said before the door is shut."""


def post(life: BotLife, body: bytes, headers: Mapping[str, str]) -> requests.Response:
    return requests.post(life.rehearsal.app.hook.url, data=body, headers=dict(headers), timeout=30)


def again(life: BotLife, delivery: Delivery, **changed: str) -> requests.Response:
    """Send what was sent once more, as somebody would who had listened."""
    headers = dict(delivery.request_headers) | {name.replace("_", "-"): value for name, value in changed.items()}
    return post(life, delivery.body, headers)


def test_whatever_comes_through_the_door_a_life_is_lived_once(tmp_path: Path) -> None:
    with bot_life(tmp_path, "one") as life:
        life.rehearsal.set_trouble(HookTrouble(seed=3, duplicated=0.3, reordered=0.3, delayed=0.2, delay=3))
        life.ask("one")
        wait_for_first(life, "one")
        sent = life.rehearsal.deliveries
        [asked] = [one for one in sent if (one.event, one.action) == ("issues", "labeled")]
        assert refused(life, asked) == [401, 401, 401, 400]
        assert set(too_large(life, asked)) <= {413, HUNG_UP}
        hang_up_in_the_middle(life, asked)
        life.ask_for_more("one")
        settle(life, lambda: is_over(life, "one") and not anything_waits(life.server.home))

        before = len(life.rehearsal.forge.requests)
        answers = [again(life, one) for one in reversed(life.rehearsal.deliveries)]
        answers += [again(life, one, X_GitHub_Delivery=f"again-{one.guid}") for one in life.rehearsal.deliveries]
        assert {answer.status_code for answer in answers} == {202}
        life.wait(lambda: not anything_waits(life.server.home), "everything is dealt with")
        assert wrong_with(life) == []
        writes = [one for one in life.rehearsal.forge.requests[before:] if one.method not in ("GET", "HEAD")]
        assert [one for one in writes if "access_tokens" not in one.path] == []


def refused(life: BotLife, real: Delivery) -> list[int]:
    """Return what is answered to what is forged or damaged."""
    known, secret = dict(real.request_headers), SECRET
    unsigned = {name: value for name, value in known.items() if "Signature" not in name}
    cut = real.body[:-20]
    return [
        answer.status_code
        for answer in (
            post(life, real.body, unsigned),
            post(life, real.body.replace(b"one", b"two"), known),
            post(life, real.body, known | signatures("a guess", real.body)),
            post(life, cut, known | signatures(secret, cut) | {"X-GitHub-Delivery": "cut"}),
        )
    ]


def too_large(life: BotLife, real: Delivery) -> list[int]:
    """The same, with its length and without: what arrives is counted."""
    huge = json.dumps({"x": "y" * MOST_BYTES}).encode()
    headers = dict(real.request_headers) | signatures(SECRET, huge)
    answers = []
    for name, body in (("huge", huge), ("chunks", iter([huge]))):
        try:
            sent = {**headers, "X-GitHub-Delivery": name}
            answer = requests.post(life.rehearsal.app.hook.url, data=body, headers=sent, timeout=30)
            answers.append(answer.status_code)
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            answers.append(HUNG_UP)
    return answers


def hang_up_in_the_middle(life: BotLife, real: Delivery) -> None:
    """Send a part of a delivery, and be gone."""
    port = int(life.server.url.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest("POST", "/webhooks/github/main")
    for name, value in {**real.request_headers, "Content-Length": str(len(real.body))}.items():
        connection.putheader(name, value)
    connection.endheaders(real.body[:100])
    assert isinstance(connection.sock, socket.socket)
    connection.close()


def test_issues_that_go_away_and_tokens_that_end_while_the_model_works(tmp_path: Path) -> None:
    with bot_life(tmp_path, "deleted", "moved", "closed", "locked", "token", slots=3) as life:
        other = life.rehearsal.repository("other", {"a.txt": "a\n"})
        numbers, ann = life.issues, life.ann
        life.meanwhile |= {
            "deleted": lambda: ann.delete_issue(life.shop, numbers["deleted"]),
            "moved": lambda: ann.transfer_issue(life.shop, numbers["moved"], other),
            "closed": lambda: ann.close(life.shop, numbers["closed"]),
            "locked": lambda: ann.lock(life.shop, numbers["locked"]),
            "token": life.rehearsal.revoke_tokens,
        }
        for name in life.issues:
            life.ask(name)
        wait_for_first(life, "token")
        life.wait(lambda: all(task.status.terminal for task in tasks(life).values()), "all tasks have ended")
        life.wait(lambda: "Stopped" in last_words(life, "closed"), "the one who closed it is told")
        life.rehearsal.wait_settled()
        assert {name: task.status for name, task in tasks(life).items()} == {
            "token": TaskStatus.SUCCEEDED,
            **dict.fromkeys(("deleted", "moved", "closed", "locked"), TaskStatus.CANCELED),
        }
        assert [len(life.pulls(name)) for name in life.issues] == [0, 0, 0, 0, 1]
        assert life.greeting("token") == FIRST.format(name="token")
        assert len(life.said_on(life.issue("token"))) == len(life.said_on(life.issue("closed"))) == 1
        assert len(other.pulls) == 0
        assert life.rehearsal.forge.violations == []
        assert "Traceback" not in life.server.said


def test_pull_requests_that_change_while_the_model_works(tmp_path: Path) -> None:
    names = ("forced", "gone", "shut", "named")
    with bot_life(tmp_path, *names, slots=3) as life:
        for name in names:
            life.ask(name)
        for name in names:
            wait_for_first(life, name)
        shop, ann = life.shop, life.ann
        branch = {name: life.pull(name).branch for name in names}
        life.meanwhile |= {
            "forced": lambda: ann.push(shop, branch["forced"], {"theirs.txt": "Theirs.\n"}, "Theirs", force=True),
            "gone": lambda: ann.delete_branch(shop, branch["gone"]),
            "shut": lambda: ann.close(shop, life.pull("shut").number),
            "named": lambda: ann.rename_repository(shop, "store"),
        }
        heads = {name: life.head(name) for name in names}
        for name in names:
            life.ask_for_more(name)
        life.wait(lambda: all(is_answered(life, name) for name in names), "everybody is told")
        told = {name: last_words(life, name, pull=True) for name in names}
        for name in ("gone", "shut"):
            assert "Stopped" in told[name] or "could not" in told[name].lower(), told[name]
            assert shop.bare.resolve(f"refs/heads/{branch[name]}") in ("", heads[name])
        assert shop.bare.read(f"refs/heads/{branch['forced']}", b"theirs.txt") == b"Theirs.\n", told
        life.wait(lambda: life.greeting("named") == LAST.format(name="named"), "it goes on under the new name")
        assert [len(life.pulls(name)) for name in names] == [1, 1, 1, 1]
        assert life.rehearsal.forge.violations == []
        assert "Traceback" not in life.server.said


def tasks(life: BotLife) -> dict[str, Task]:
    """Return the newest task of each issue."""
    found, _ = kept(life.server.home)
    names = {number: name for name, number in life.issues.items()}
    return {names[int(task.spec.work_key.rpartition("#")[2])]: task for task in reversed(found)}


def wait_for_first(life: BotLife, name: str) -> None:
    """Wait until the first task of an issue is done."""
    settle(life, lambda: life.pulls(name) and "rocket" in signs(life.issue(name).reactions))


def settle(life: BotLife, until: Callable[[], object]) -> None:
    """Wait until something is so, and let nothing be held back for long."""

    def is_so() -> bool:
        life.rehearsal.forge.parts.sender.release()
        return bool(until())

    life.wait(is_so, "it goes on")


def is_answered(life: BotLife, name: str) -> bool:
    """Whether the last words on the pull request are about something that has ended."""
    return "/agent retry" in last_words(life, name, pull=True)


def last_words(life: BotLife, name: str, *, pull: bool = False) -> str:
    """Return the bot's newest comment on an issue or its pull request."""
    said = life.said_on(life.pull(name).issue if pull else life.issue(name))
    return said[-1].body if said else ""
