"""What has to be right before issues of Sentry become tasks: one line for each thing, with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from pullwright.agents.errors import AuthFailed, IntegrationError, NotFound
from pullwright.agents.finding import Finding, Mark
from pullwright.integrations.sentry.api import LATEST, SentryApi
from pullwright.integrations.sentry.event_reading import read_event
from pullwright.integrations.sentry.gate import GateRules, IssueFacts, judge_event
from pullwright.integrations.sentry.meanings import SentryIdentity
from pullwright.integrations.sentry.settings import ORGANIZATION_VARIABLE, TOKEN_VARIABLE, SentrySettings

_RIGHTS: Final = ("event:read", "event:write", "project:read", "org:read")
_MORE: Final = {
    "event:read": ("event:write", "event:admin"),
    "event:write": ("event:admin",),
    "project:read": ("project:write", "project:admin"),
    "org:read": ("org:write", "org:admin"),
}
"""Rights that hold another one."""
_HOOK: Final = "Sentry, hook"
_NEEDED: Final = "issue, comment and, as an alert rule action, event_alert"


async def check_setup(
    settings: SentrySettings, api: SentryApi, me: SentryIdentity, rules: GateRules, *, secrets: int, address: str
) -> Sequence[Finding]:
    """Look at everything.

    Args:
        settings: Where it is.
        api: For the questions.
        me: Who we are there.
        rules: What is to be worked on.
        secrets: How many webhook secrets are configured.
        address: Where hooks arrive from outside; empty where nothing reaches in.
    """
    found = [*_token(settings), *await _organization(settings, api)]
    if all(finding.mark is not Mark.MISSING for finding in found):
        found += [*await _rights(api), *await _projects(api, rules), *await _reading(api, rules)]
    return [*found, *_hook(me, secrets, address), *_links(settings)]


def _token(settings: SentrySettings) -> Iterator[Finding]:
    if not settings.token:
        text = f"there is no token; make an internal integration and put its token in {TOKEN_VARIABLE}"
        yield Finding(name="Sentry, token", mark=Mark.MISSING, text=text)


async def _organization(settings: SentrySettings, api: SentryApi) -> list[Finding]:
    name = "Sentry, organization"
    try:
        slug = await api.organization()
    except (AuthFailed, NotFound) as exc:
        return [Finding(name=name, mark=Mark.MISSING, text=f"{exc}, or correct {ORGANIZATION_VARIABLE}")]
    except IntegrationError as exc:
        return [Finding(name=name, mark=Mark.MISSING, text=str(exc))]
    return [Finding(name=name, mark=Mark.OK, text=f"{slug} at {settings.host}")]


async def _rights(api: SentryApi) -> list[Finding]:
    """Compare what the token may do with what is needed, where Sentry says it."""
    name = "Sentry, rights"
    try:
        given = set(await api.scopes())
    except IntegrationError as exc:
        return [Finding(name=name, mark=Mark.MISSING, text=str(exc))]
    if not given:
        return [
            Finding(
                name=name, mark=Mark.WARN, text=f"Sentry does not say what the token may do; give it {_listed(_RIGHTS)}"
            )
        ]
    lacking = [right for right in _RIGHTS if not given & {right, *_MORE.get(right, ())}]
    if lacking:
        text = f"the integration lacks {_listed(lacking)}; add that in its settings in Sentry"
        return [Finding(name=name, mark=Mark.MISSING, text=text)]
    return [Finding(name=name, mark=Mark.OK, text=_listed(_RIGHTS))]


def _listed(rights: Sequence[str]) -> str:
    return ", ".join(rights)


async def _projects(api: SentryApi, rules: GateRules) -> list[Finding]:
    name = "Sentry, projects"
    if not rules.routes:
        text = "no project has a repository; name them in sentry_projects"
        return [Finding(name=name, mark=Mark.MISSING, text=text)]
    try:
        seen = set(await api.projects())
    except IntegrationError as exc:
        return [Finding(name=name, mark=Mark.MISSING, text=str(exc))]
    unseen = sorted(set(rules.routes) - seen)
    if unseen:
        text = f"the token does not see {', '.join(unseen)}; correct the name, or give the integration project:read"
        return [Finding(name=name, mark=Mark.MISSING, text=text)]
    shown = ", ".join(f"{slug} → {route.repository.slug}" for slug, route in sorted(rules.routes.items()))
    return [Finding(name=name, mark=Mark.OK, text=shown)]


async def _reading(api: SentryApi, rules: GateRules) -> list[Finding]:
    """Read the newest issue, as it would be read when an alert comes."""
    name = "Sentry, events"
    try:
        issues = await api.unresolved(sorted(rules.routes))
        if not issues:
            return [Finding(name=name, mark=Mark.OK, text="there is no unresolved issue")]
        return [Finding(name=name, mark=Mark.OK, text=await _judged(api, issues[0], rules))]
    except IntegrationError as exc:
        return [Finding(name=name, mark=Mark.MISSING, text=str(exc))]


async def _judged(api: SentryApi, issue: IssueFacts, rules: GateRules) -> str:
    try:
        incident = await api.event(issue.id, LATEST)
    except NotFound:
        incident = read_event({})
    now = max(filter(None, (issue.last_seen, issue.first_seen)), default=None)
    if now is None:
        return f"{issue.short_id} can be read"
    verdict = judge_event(issue, incident, rules, now)
    would = "would become a task" if verdict.passed else f"would not become a task: {verdict.reason}"
    return f"{issue.short_id} {would}"


def _hook(me: SentryIdentity, secrets: int, address: str) -> Iterator[Finding]:
    if not secrets:
        text = "there is no webhook secret, so issues are only found by asking now and then"
        yield Finding(name=_HOOK, mark=Mark.WARN, text=text)
    elif not address:
        yield Finding(name=_HOOK, mark=Mark.WARN, text="nobody said where hooks arrive; set the public address")
    else:
        text = f"put {address} as the webhook URL of the integration, with {_NEEDED}"
        yield Finding(name=_HOOK, mark=Mark.OK, text=text)
    if not me.app_ids:
        text = "older Sentries do not say whose hook it is; name the integration, so that the bot never answers itself"
        yield Finding(name="Sentry, bot", mark=Mark.WARN, text=text)


def _links(settings: SentrySettings) -> Iterator[Finding]:
    if not settings.installation:
        text = "pull requests are not shown in the sidebar of issues; set the integration's installation for that"
        yield Finding(name="Sentry, links", mark=Mark.WARN, text=text)
