"""An alert becomes a fix: Sentry tells of an error, its issue shows a pull request, and the merge resolves it.

Everything but the sites is what you will run yourself: ``agent serve`` with its webhook door and its workers, signed
webhooks, the container engine, git over HTTPS. Sentry and the code host are rehearsals on this machine. The model is
the one behind AGENT_ENDPOINT_URL if you set it, otherwise a scripted one.
"""

from __future__ import annotations

import json
import secrets
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from examples.serving import Server, clean_up, endpoint, environment, say, serving, wait
from pullwright.integrations.testing.forge_state import Repository
from pullwright.integrations.testing.github_documents import user_id
from pullwright.integrations.testing.rehearsal import SECRET as HOOK_SECRET
from pullwright.integrations.testing.rehearsal import Rehearsal
from pullwright.integrations.testing.sentry_hooks import SentryHooks
from pullwright.integrations.testing.sentry_rehearsal import SentryRehearsal

SCRIPT = Path(__file__).with_name("script.json")
CHECK = "python3 -m unittest discover -s src"
CART = '"""Carts."""\n\n\ndef total(prices):\n    """Return the cents to pay."""\n    return sum(prices)\n'
FILES = {
    "README.md": "# shop\n\nThe prices of a cart are whole cents. A gift has no price.\n",
    "src/shop/__init__.py": "",
    "src/shop/cart.py": CART,
}
FRAME = {
    "abs_path": "/srv/app/shop/cart.py",
    "filename": "shop/cart.py",
    "module": "shop.cart",
    "function": "total",
    "lineno": 6,
    "in_app": True,
    "pre_context": ["def total(prices):", '    """Return the cents to pay."""'],
    "context_line": "    return sum(prices)",
    "post_context": [],
    "vars": {"prices": "[250, None, 100]", "customer_email": "'ann@customer.example'"},
}
VALUE = "unsupported operand type(s) for +: 'int' and 'NoneType'"
ERROR: dict[str, Any] = {
    "platform": "python",
    "level": "error",
    "title": f"TypeError: {VALUE}",
    "exception": {"values": [{"type": "TypeError", "value": VALUE, "stacktrace": {"frames": [FRAME]}}]},
    "tags": [["environment", "production"]],
}


def main() -> int:
    secret = secrets.token_hex(16)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pullwright-sentry-")))
        url = endpoint(stack, SCRIPT, "demo-sentry")
        rehearsal = stack.enter_context(Rehearsal(folder / "forge"))
        shop = rehearsal.repository("shop", FILES)
        (folder / "sentry").mkdir()
        sentry = SentryRehearsal(folder / "sentry")
        stack.callback(sentry.close)
        sentry.state.now = datetime.now(UTC)
        sentry.add_project("shop")
        settings = {**settings_of(sentry, secret), **hooks_of(rehearsal)}
        variables = environment(rehearsal, folder, url, settings, sentry.ca_file)
        stack.callback(clean_up, variables)
        server = stack.enter_context(serving(variables))
        rehearsal.send_hooks_to(f"{server.url}/webhooks/github/main")
        sentry.hooks = SentryHooks(f"{server.url}/webhooks/sentry/main", secret, seconds=10)
        say(f"agent serve listens at {server.url}; {sentry.url} is the rehearsal's Sentry.\n")
        failed = play(sentry, shop, server)
        if not failed:
            print(rehearsal.forge.pull_request_diff("acme", "shop", *shop.pulls).decode("utf-8", "replace"))
            failed = land(sentry, rehearsal, shop, server)
    if failed:
        print(f"\ndemo-sentry: {failed}; agent serve said:\n{server.said}", file=sys.stderr)
    return 1 if failed else 0


def settings_of(sentry: SentryRehearsal, secret: str) -> dict[str, str]:
    """Return what has to be set for Sentry."""
    project = {"project": "shop", "repo": "acme/shop", "stack_root": "/srv/app/", "source_root": "src/"}
    return {
        "AGENT_SENTRY_URL": sentry.url,
        "AGENT_SENTRY_ORGANIZATION": sentry.state.organization,
        "AGENT_SENTRY_TOKEN": sentry.state.token,
        "AGENT_SENTRY_WEBHOOK_SECRETS": json.dumps([secret]),
        "AGENT_SENTRY_INSTALLATION": sentry.state.installation,
        "AGENT_SENTRY_APP": sentry.state.app,
        "AGENT_SENTRY_PROJECTS": json.dumps([project]),
        "AGENT_CHECKS": json.dumps([CHECK]),
    }


def hooks_of(rehearsal: Rehearsal) -> dict[str, str]:
    """Return what has to be set for the code host to tell of the merge at once; otherwise it is asked now and then."""
    return {
        "AGENT_GITHUB_WEBHOOK_SECRETS": json.dumps([HOOK_SECRET]),
        "AGENT_GITHUB_BOT_LOGIN": rehearsal.app.login,
        "AGENT_GITHUB_BOT_ID": str(user_id(rehearsal.app.login)),
    }


def play(sentry: SentryRehearsal, shop: Repository, server: Server) -> str:
    """Let an error happen, and watch; return what did not happen."""
    say(f"In production happens: {ERROR['title']}")
    issue, hooks = sentry.happen("shop", ERROR, group="gifts", times=12, rule="New errors")
    say(f"Sentry makes {issue.short_id} of it, and its alert is answered with {hooks[-1].status}.")
    if not wait(server, lambda: sentry.said(issue)):
        return "nothing on the issue says that work goes on"
    say(f"pullwright comments on {issue.short_id}: {sentry.said(issue)[0].splitlines()[0]}")
    if not wait(server, lambda: issue.links and any("/pull/" in text for text in sentry.said(issue))):
        return "the issue does not show a pull request"
    for name, url in issue.links.items():
        say(f"{issue.short_id} shows {name} in its sidebar: {url}")
    (pull,) = shop.pulls.values()
    say(f"\nWhat a reviewer sees: {'a draft, ' if pull.draft else ''}#{pull.number} {pull.issue.title}\n")
    for line in (pull.issue.body or "").splitlines():
        say(f"  | {line}")
    say("")
    return ""


def land(sentry: SentryRehearsal, rehearsal: Rehearsal, shop: Repository, server: Server) -> str:
    """Merge the pull request, and watch the issue; return what did not happen."""
    (issue,) = sentry.state.issues.values()
    (pull,) = shop.pulls.values()
    say(f"ann merges #{pull.number}.")
    rehearsal.person("ann").merge(shop, pull.number)
    if not wait(server, lambda: issue.in_next_release and "was merged" in sentry.said(issue)[-1]):
        return "the merge did not resolve the issue"
    say(f"pullwright comments on {issue.short_id}: {sentry.said(issue)[-1].splitlines()[0]}")
    return ""


if __name__ == "__main__":
    sys.exit(main())
