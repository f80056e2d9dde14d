"""An alert with everything real but the model and the sites: a test that fails, the fix, the pull request.

Then the merge, which resolves the issue, and the error that is seen again after that.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pullwright.agents.testing.scripted_model import Reply
from pullwright.integrations.testing.github_documents import user_id
from pullwright.integrations.testing.rehearsal import SECRET as HOOK_SECRET
from pullwright.integrations.testing.sentry_hooks import SentryHooks
from pullwright.integrations.testing.sentry_rehearsal import SentryRehearsal
from pullwright.integrations.testing.sentry_sink import SentrySink
from tests.e2e.tracker_life import listed, tracker_life
from tests.unit.integrations.sentry.samples import event, frame, raised

pytestmark = pytest.mark.docker

SECRET = "the client secret of the integration"
BOT = "pull-bot[bot]"
CHECK = "python3 -m unittest discover -s src"
CART = "src/shop/cart.py"
TEST = "src/test_cart.py"
BUGGY = "def total(prices):\n    return sum(price for price in prices)\n"
FIXED = "def total(prices):\n    return sum(price for price in prices if price is not None)\n"
FAILING = """\
import unittest

from shop.cart import total


class CartTest(unittest.TestCase):
    def test_what_has_no_price_is_free(self) -> None:
        self.assertEqual(total([2, None]), 2)
"""
NO_PRICE = event(
    raised(
        "TypeError",
        "unsupported operand type(s) for +: 'int' and 'NoneType'",
        frame("total", 2, context_line="    return sum(price for price in prices)"),
    ),
    title="TypeError: unsupported operand",
)


@pytest.fixture
def sentry(tmp_path: Path) -> Iterator[SentryRehearsal]:
    (tmp_path / "sentry").mkdir()
    rehearsal = SentryRehearsal(tmp_path / "sentry")
    rehearsal.state.now = datetime.now(UTC)
    rehearsal.add_project("shop")
    yield rehearsal
    rehearsal.close()


def replies() -> list[Reply]:
    finish = {
        "title": "Take what has no price as free",
        "summary": "`total` fell over an item without a price.",
        "checks": [CHECK],
    }
    return [
        Reply(calls=(("read", {"path": CART}),)),
        Reply(
            text="First a test that fails as production does.",
            calls=(("write", {"path": TEST, "content": FAILING}), ("bash", {"command": f"! {CHECK}"})),
        ),
        Reply(calls=(("write", {"path": CART, "content": FIXED}), ("bash", {"command": CHECK}))),
        Reply(calls=(("finish", finish),)),
    ]


def given_up() -> list[Reply]:
    """Return a second try, which finds nothing to reproduce."""
    report = {"title": "None", "summary": "The carts that the report shows are added up right.", "checks": []}
    return [Reply(calls=(("read", {"path": CART}),)), *([Reply(calls=(("finish", report),))] * 2)]


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[SentrySink]:
    (tmp_path / "ours").mkdir()
    made = SentrySink(tmp_path / "ours")
    yield made
    made.close()


def test_from_an_alert_to_a_pull_request(tmp_path: Path, sentry: SentryRehearsal, sink: SentrySink) -> None:
    state = sentry.state
    settings = {
        "SENTRY_DSN": sink.dsn,
        "SENTRY_ENVIRONMENT": "rehearsal",
        "AGENT_SENTRY_URL": sentry.url,
        "AGENT_SENTRY_ORGANIZATION": state.organization,
        "AGENT_SENTRY_TOKEN": state.token,
        "AGENT_SENTRY_WEBHOOK_SECRETS": listed(SECRET),
        "AGENT_SENTRY_INSTALLATION": state.installation,
        "AGENT_SENTRY_APP": state.app,
        "AGENT_SENTRY_PROJECTS": listed(
            {"project": "shop", "repo": "acme/shop", "stack_root": "/srv/app/", "source_root": "src/"}
        ),
        "AGENT_CHECKS": listed(CHECK),
        "AGENT_GITHUB_WEBHOOK_SECRETS": listed(HOOK_SECRET),
        "AGENT_GITHUB_BOT_LOGIN": BOT,
        "AGENT_GITHUB_BOT_ID": str(user_id(BOT)),
    }
    files = {CART: BUGGY, "src/shop/__init__.py": ""}
    script = {"did not, or not for good": given_up(), "SHOP-1": replies()}
    with tracker_life(tmp_path, files, script, settings, sentry.ca_file, sink.ca_file) as life:
        life.rehearsal.send_hooks_to(f"{life.server.url}/webhooks/github/main")
        sentry.hooks = SentryHooks(f"{life.server.url}/webhooks/sentry/main", SECRET, seconds=10)
        issue, hooks = sentry.happen("shop", NO_PRICE, group="a", rule="New errors")
        assert [hook.status for hook in hooks] == [202, 202]
        life.wait(lambda: issue.links, "the issue shows the pull request")
        life.wait(lambda: any("/pull/" in said for said in sentry.said(issue)), "the comment names it")
        [said] = sentry.said(issue)
        assert f"/acme/shop/pull/{life.pull.number}" in said
        assert issue.links == {f"acme/shop#{life.pull.number}": life.rehearsal.forge.web_url + _path(life.pull.number)}
        assert life.read(TEST) == FAILING
        assert life.read(CART) == FIXED
        assert life.pull.draft
        body = life.pull.issue.body or ""
        assert f"Fixes {issue.short_id}" in body
        assert CHECK in body
        commit = life.shop.bare.commit_info(life.shop.head_sha(life.pull))
        assert f"\nFixes {issue.short_id}" in commit.message
        assert "hunter2" not in str(life.endpoint.requests)
        assert issue.status == "unresolved"
        life.rehearsal.person("ann").merge(life.shop, life.pull.number)
        life.wait(lambda: issue.in_next_release, "the issue is resolved by the merge")
        life.wait(lambda: "was merged" in sentry.said(issue)[-1], "the issue says so")
        sentry.happen("shop", NO_PRICE, group="a", rule="New errors")
        assert issue.substatus == "regressed"
        life.wait(lambda: "What I found" in sentry.said(issue)[-1], "the second try is reported")
        assert "added up right" in sentry.said(issue)[-1]
        assert _path(life.pull.number) in str(life.endpoint.requests[-1])
    assert life.rehearsal.forge.violations == []
    assert "Traceback" not in life.server.said
    # What the agent did, in our own Sentry.
    first, second = sink.items("transaction")
    assert first["environment"] == "rehearsal"
    assert [whole["tags"]["source"] for whole in (first, second)] == ["sentry", "sentry"]
    received = sink.received.decode("utf-8", "replace")
    assert [secret for secret in (SECRET, state.token, "t" * 32, FAILING) if secret in received] == []


def _path(number: int) -> str:
    return f"/acme/shop/pull/{number}"
