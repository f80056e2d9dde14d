"""What has to be right before the bot can work, one line for each thing: what, why, and how to mend it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pullwright.integrations.github.credentials import Step
from pullwright.integrations.github.text import one_line

EVENTS = (
    "issues",
    "issue_comment",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "pull_request_review_thread",
    "check_run",
    "workflow_run",
    "repository",
)
"""What the hook has to tell; installations and the hook's own end are told without asking."""

_LEVELS = {"": 0, "read": 1, "write": 2, "admin": 3}
_LOW_RATE = 500
_WHY = {
    "metadata": "every request needs it",
    "contents": "the code is read, and the branch is pushed",
    "pull_requests": "pull requests are opened and answered",
    "issues": "comments, labels and reactions are written",
    "checks": "progress is shown at the commit, and failures are seen",
    "actions": "the logs of failed jobs are read",
    "statuses": "checks that are told the old way are seen",
    "workflows": "you let the agent edit .github/workflows",
    "members": "teams are on the list of those who may ask",
}
_TITLES = {"statuses": "Commit statuses", "pull_requests": "Pull requests"} | {
    name: name.capitalize() for name in ("metadata", "contents", "issues", "checks", "actions", "workflows", "members")
}
"""What GitHub's pages call them."""
_CLICKS = {"read": "Read-only", "write": "Read and write"}
_SPARED = {
    "checks": "checks of third parties are not seen, those of GitHub Actions are",
    "statuses": "progress is not shown at the commit, only in the status comment",
}
"""What a token works without; some kinds of tokens can not have it."""


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupFinding:
    """One thing that was looked at."""

    level: Level
    name: str
    what: str
    why: str = ""
    mend: str = ""

    @property
    def line(self) -> str:
        """The finding on one line."""
        return one_line("; ".join(part for part in (f"{self.name}: {self.what}", self.why, self.mend) if part), 600)


@dataclass(frozen=True, slots=True, kw_only=True)
class HookFacts:
    """What GitHub says about the hook. It never says the secret, only that there is one."""

    url: str
    has_secret: bool
    id: int | None = None
    """None for the one of an App, which has an address of its own."""
    content_type: str = "json"
    checks_certificate: bool = True
    active: bool = True
    events: tuple[str, ...] = ()
    last_status: int | None = None
    """HTTP status of the newest delivery; 0 when nothing answered, None when there was none yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupFacts:
    """What was found out about one repository."""

    repository: str
    is_app: bool
    login: str = ""
    seen: bool = True
    """Whether the App is installed there, or the token sees it."""
    suspended: bool = False
    archived: bool = False
    may_push: bool = True
    permissions: Mapping[str, str] = field(default_factory=dict)
    """What an App was granted; of a token what was found out by asking, because GitHub does not tell it."""
    page: str = ""
    """Where permissions and, of an App, the webhook are set."""
    hook: HookFacts | None = None
    hook_readable: bool = True
    expected_url: str = ""
    """Where the server listens, as people outside reach it; empty when it only polls."""
    rate_limit: int | None = None
    rate_remaining: int | None = None
    label: str = ""
    """The label that asks for work."""
    label_there: bool | None = None
    """None when it could not be looked for."""
    options: frozenset[str] = field(default_factory=frozenset)
    """Optional permissions that the operator's settings make necessary: ``workflows``, ``members``."""

    @property
    def polls(self) -> bool:
        """Whether no hook is wanted."""
        return not self.expected_url


def needed_permissions(options: Iterable[str] = ()) -> dict[str, str]:
    """Return the permissions that an App needs: the sum of all steps, and what the settings add."""
    needed: dict[str, str] = {}
    for step in Step:
        if step in (Step.PUSH_WORKFLOWS, Step.TEAMS):
            continue
        for name, level in step.permissions.items():
            if _LEVELS[level] > _LEVELS[needed.get(name, "")]:
                needed[name] = level
    extra = {"workflows": "write", "members": "read"}
    return needed | {name: extra[name] for name in sorted(set(options) & set(extra))}


def needed_of_token(options: Iterable[str] = ()) -> dict[str, str]:
    """Return the permissions that a fine-grained token needs: only Apps write checks, a token writes statuses."""
    return {**needed_permissions(options), "checks": "read", "statuses": "write"}


def check_setup(facts: SetupFacts) -> list[SetupFinding]:
    """Return everything that was looked at, problems and what is right alike."""
    access = _access(facts)
    if access.level is Level.PROBLEM:
        return [access]
    found = [access, *_permissions(facts), *_identity(facts), *_label(facts), *_hook(facts), *_rate(facts)]
    if facts.archived:
        found.append(
            _problem("repository", f"{facts.repository} is archived", "nothing can be written", "unarchive it")
        )
    return found


def _access(facts: SetupFacts) -> SetupFinding:
    who = "the App" if facts.is_app else "the token"
    if not facts.seen:
        mend = (
            f"install the App there, {_at(facts)}" if facts.is_app else f"add the repository to the token, {_at(facts)}"
        )
        return _problem("access", f"{who} does not see {facts.repository}", "nothing can be done there", mend)
    if facts.suspended:
        mend = "unsuspend it in the settings of the account that it is installed in"
        return _problem("access", "the installation is suspended", "GitHub refuses everything", mend)
    return _ok("access", f"{who} sees {facts.repository} as {facts.login or 'nobody that has a name'}")


def _permissions(facts: SetupFacts) -> Iterable[SetupFinding]:
    needed = needed_permissions(facts.options) if facts.is_app else needed_of_token(facts.options)
    for name, level in needed.items():
        granted = facts.permissions.get(name, "")
        if _LEVELS.get(granted, 0) >= _LEVELS[level]:
            yield _ok(f"permission {name}", granted)
        else:
            yield _lacking(facts, name, level, granted)
    if not facts.is_app and not facts.may_push:
        yield _problem("role", f"{facts.login!r} may not push", _WHY["contents"], "give this user the role Write")
    writes = sorted(name for name, level in facts.permissions.items() if _LEVELS.get(level, 0) >= _LEVELS["write"])
    if unused := [name for name in writes if name not in needed]:
        why = "a stolen key could do more than the agent ever does"
        yield _warning("permissions", f"it may also write {', '.join(unused)}", why, f"take that away {_at(facts)}")


def _lacking(facts: SetupFacts, name: str, level: str, granted: str) -> SetupFinding:
    label, what = f"permission {name}", f"is {granted or 'missing'!r}, not {level!r}"
    if not facts.is_app and name in _SPARED:
        return _warning(label, what, _SPARED[name], "use a GitHub App if that matters")
    mend = f"set {_TITLES.get(name, name)!r} to {_CLICKS[level]!r} {_at(facts)}"
    if facts.is_app:
        mend += ", then let the owner of the installation accept it"
    return _problem(label, what, _WHY[name], mend)


def _at(facts: SetupFacts) -> str:
    return f"at {facts.page}" if facts.page else f"on the {'App' if facts.is_app else 'token'}'s page"


def _identity(facts: SetupFacts) -> Iterable[SetupFinding]:
    if not facts.is_app:
        why = "the bot never reacts to its own user, and everybody with the token acts as that user"
        yield _warning("identity", f"it works as {facts.login!r}", why, "make sure that this is a machine user")


def _label(facts: SetupFacts) -> Iterable[SetupFinding]:
    if facts.label_there:
        yield _ok("label", f"{facts.label!r} is there")
    elif facts.label_there is not None:
        mend = "make it there, or run `agent github setup --make-label`"
        yield _warning("label", f"{facts.label!r} is not there", "nobody can ask for work by it", mend)


def _hook(facts: SetupFacts) -> Iterable[SetupFinding]:
    if facts.polls:
        yield _ok("webhook", "not used, the agent asks GitHub regularly")
        return
    hook = facts.hook
    if hook is None:
        yield _no_hook(facts)
        return
    if hook.url.rstrip("/") != facts.expected_url.rstrip("/"):
        why = "GitHub tells somebody else"
        yield _problem("webhook", f"it goes to {hook.url!r}", why, f"set its address to {facts.expected_url!r}")
    if not hook.has_secret:
        why = "without one the server takes nothing, because anybody could send it"
        yield _problem("webhook secret", "it is not set", why, "set the same secret there and in the settings here")
    if not hook.checks_certificate:
        why = "somebody in between could read what is sent"
        yield _problem("webhook certificate", "it is not checked", why, "turn on SSL verification at the hook")
    if not hook.active:
        yield _problem("webhook", "it is turned off", "nothing arrives", "tick 'Active' at the hook")
    if hook.content_type != "json":
        why = "it works, but what is large gets larger"
        yield _warning("webhook content type", f"it is {hook.content_type!r}", why, "choose application/json")
    if missing := [event for event in EVENTS if event not in hook.events and "*" not in hook.events]:
        yield _problem("webhook events", f"without {', '.join(missing)}", "these are not told", "tick them at the hook")
    yield _reached(hook)


def _no_hook(facts: SetupFacts) -> SetupFinding:
    if not facts.hook_readable:
        mend = "look at the repository's settings, under Webhooks, by hand"
        return _warning("webhook", "it can not be read with this token", "it may be missing", mend)
    mend = f"add one for {facts.expected_url!r} with a secret, or run `agent serve --poll`"
    return _problem("webhook", "there is none", "the agent hears of nothing", mend)


def _reached(hook: HookFacts) -> SetupFinding:
    status = hook.last_status
    if status is None:
        return _warning("webhook delivery", "nothing was sent yet", "it is not known to arrive", "redeliver the ping")
    if 200 <= status < 300:
        return _ok("webhook delivery", "the newest one arrived")
    if status == 401:
        why = "the secrets differ"
        return _problem("webhook delivery", "the server refused it (401)", why, "set the same secret at both ends")
    what = "nothing answered" if status == 0 else f"the answer was {status}"
    mend = "check that the address is reached from outside, or run `agent serve --poll`"
    return _problem("webhook delivery", what, "what GitHub tells is lost until the next catch-up", mend)


def _rate(facts: SetupFacts) -> Iterable[SetupFinding]:
    if facts.rate_limit is None or facts.rate_remaining is None:
        return
    shown = f"{facts.rate_remaining} of {facts.rate_limit} requests are left in this hour"
    if facts.rate_remaining < min(_LOW_RATE, facts.rate_limit // 10):
        mend = "see who else uses this App or token"
        yield _warning("rate limit", shown, "work will be put off", mend)
    else:
        yield _ok("rate limit", shown)


def _ok(name: str, what: str) -> SetupFinding:
    return SetupFinding(level=Level.OK, name=name, what=what)


def _warning(name: str, what: str, why: str, mend: str) -> SetupFinding:
    return SetupFinding(level=Level.WARNING, name=name, what=what, why=why, mend=mend)


def _problem(name: str, what: str, why: str, mend: str) -> SetupFinding:
    return SetupFinding(level=Level.PROBLEM, name=name, what=what, why=why, mend=mend)
