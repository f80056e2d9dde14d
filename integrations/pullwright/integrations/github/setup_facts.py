"""Finds out what ``setup_check`` judges; blocks, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar
from urllib.parse import quote

from pydantic import Field

from pullwright.agents.errors import NotFound
from pullwright.integrations.github.app_auth import AppCredentials
from pullwright.integrations.github.client import Refused, Session
from pullwright.integrations.github.payloads import Payload
from pullwright.integrations.github.setup_check import HookFacts, SetupFacts
from pullwright.integrations.github.token_probes import read_token_permissions

T = TypeVar("T")

_CONFIG = "/app/hook/config"
_DELIVERIES = "/app/hook/deliveries"


class AccountPayload(Payload):
    """A person, an organization or a bot."""

    id: int
    login: str
    type: str = "User"


class AppPayload(Payload):
    """The App itself."""

    id: int = 0
    slug: str = ""
    html_url: str = ""
    owner: AccountPayload | None = None
    events: list[str] = Field(default_factory=list)


class InstallationPayload(Payload):
    """Its installation at the repository."""

    id: int
    permissions: dict[str, str] = Field(default_factory=dict)
    suspended_at: str | None = None


class HookConfigPayload(Payload):
    """Where a hook goes."""

    url: str = ""
    secret: str | None = None
    content_type: str = "json"
    insecure_ssl: str | int = "0"


class DeliveryPayload(Payload):
    """One delivery as GitHub remembers it."""

    status_code: int = 0


class LastResponsePayload(Payload):
    """What the newest delivery of a repository's hook got."""

    code: int | None = None


class HookPayload(Payload):
    """A hook of a repository."""

    id: int | None = None
    active: bool = True
    events: list[str] = Field(default_factory=list)
    config: HookConfigPayload = HookConfigPayload()
    last_response: LastResponsePayload = LastResponsePayload()


class RightsPayload(Payload):
    """What the one who asks may do in a repository."""

    push: bool = False


class CheckedRepositoryPayload(Payload):
    """A repository with the rights in it."""

    archived: bool = False
    default_branch: str = "main"
    permissions: RightsPayload = RightsPayload()


class RatePayload(Payload):
    """How much may still be asked."""

    limit: int
    remaining: int


class RateLimitPayload(Payload):
    """The limits; ``rate`` is the usual one."""

    rate: RatePayload


def read_app_facts(app: AppCredentials, facts: SetupFacts) -> SetupFacts:
    """Fill in what an App can see of itself and of ``facts.repository``.

    Raises:
        AuthFailed: GitHub does not know the App by its key.
        IntegrationError.
    """
    seen = read_app(app)
    facts = replace(facts, is_app=True, login=f"{seen.slug}[bot]", page=_permissions_page(seen))
    path = f"/repos/{facts.repository}/installation"
    try:
        installed = app.ask(lambda session: _get(session, InstallationPayload, path, "reading its installation"))
    except NotFound:
        return replace(facts, seen=False, page=f"{seen.html_url}/installations/new" if seen.html_url else "")
    facts = replace(facts, suspended=installed.suspended_at is not None, permissions=installed.permissions)
    if not facts.polls:
        facts = replace(facts, hook=app.ask(lambda session: _app_hook(session, seen.events)))
    return facts


def read_app(app: AppCredentials) -> AppPayload:
    """Return the App itself.

    Raises:
        AuthFailed: GitHub does not know the App by its key.
        IntegrationError.
    """
    return app.ask(lambda session: _get(session, AppPayload, "/app", "reading the App"))


def read_user(session: Session, login: str = "") -> AccountPayload:
    """Return a user with its id; without a login the user of the token.

    Raises:
        Refused: There is no such user, or the token is worthless.
        IntegrationError.
    """
    path = f"/users/{quote(login, safe='[]')}" if login else "/user"
    return _get(session, AccountPayload, path, f"reading the user {login or 'of the token'}")


def read_token_facts(session: Session, facts: SetupFacts) -> SetupFacts:
    """Fill in what a token can see of itself and of ``facts.repository``.

    Raises:
        Refused: With 401 when GitHub does not know the token.
        IntegrationError.
    """
    page = f"{session.settings.web_url}/settings/personal-access-tokens"
    facts = replace(facts, is_app=False, login=read_user(session).login, page=page)
    path = f"/repos/{facts.repository}"
    found = _unless(lambda: _get(session, CheckedRepositoryPayload, path, "reading the repository"), 404)
    if found is None:
        return replace(facts, seen=False)
    granted = read_token_permissions(session, facts.repository, found.default_branch)
    facts = replace(facts, archived=found.archived, may_push=found.permissions.push, permissions=granted)
    facts = read_label(session, facts)
    return read_rate(session, facts if facts.polls else _with_repository_hook(session, facts))


def read_label(session: Session, facts: SetupFacts) -> SetupFacts:
    """Fill in whether the label is there, as far as the session may see labels."""
    if not facts.label:
        return facts
    path = f"/repos/{facts.repository}/labels/{quote(facts.label, safe='')}"
    try:
        _get(session, object, path, f"looking for the label {facts.label!r}")
    except Refused as exc:
        if exc.refusal.rate_limited or exc.refusal.status not in (403, 404):
            raise
        return replace(facts, label_there=None if exc.refusal.status == 403 else False)
    return replace(facts, label_there=True)


def read_rate(session: Session, facts: SetupFacts) -> SetupFacts:
    """Fill in the rate limit of the token of a session."""
    rate = _get(session, RateLimitPayload, "/rate_limit", "reading the rate limit").rate
    return replace(facts, rate_limit=rate.limit, rate_remaining=rate.remaining)


def _permissions_page(app: AppPayload) -> str:
    """Return where an owner of the App changes what it may do; the App's own page says on which host that is."""
    web, found, _ = app.html_url.replace("/github-apps/", "/apps/").partition("/apps/")
    if not found or app.owner is None:
        return ""
    whose = f"organizations/{app.owner.login}/settings" if app.owner.type == "Organization" else "settings"
    return f"{web}/{whose}/apps/{app.slug}/permissions"


def _app_hook(session: Session, events: list[str]) -> HookFacts:
    config = _get(session, HookConfigPayload, _CONFIG, "reading the App's webhook")
    newest = _get(session, list[DeliveryPayload], _DELIVERIES, "reading the newest delivery", {"per_page": 1})
    last = newest[0].status_code if newest else None
    return _facts_of(config, tuple(events), active=bool(config.url), last=last)


def _with_repository_hook(session: Session, facts: SetupFacts) -> SetupFacts:
    path = f"/repos/{facts.repository}/hooks"
    hooks = _unless(lambda: _get(session, list[HookPayload], path, "reading the webhooks"), 403, 404)
    if hooks is None:
        return replace(facts, hook_readable=False)
    wanted = facts.expected_url.rstrip("/")
    ours = next((hook for hook in hooks if hook.config.url.rstrip("/") == wanted), None)
    if ours is None:
        return facts
    hook = _facts_of(ours.config, tuple(ours.events), active=ours.active, last=ours.last_response.code)
    return replace(facts, hook=replace(hook, id=ours.id))


def _facts_of(config: HookConfigPayload, events: tuple[str, ...], *, active: bool, last: int | None) -> HookFacts:
    return HookFacts(
        url=config.url,
        has_secret=bool(config.secret),
        content_type=config.content_type,
        checks_certificate=str(config.insecure_ssl) == "0",
        active=active,
        events=events,
        last_status=last,
    )


def _get(
    session: Session, kind: type[T], path: str, action: str, parameters: Mapping[str, str | int] | None = None
) -> T:
    return session.get(kind, path, action=action, parameters=parameters)


def _unless(read: Callable[[], T], *statuses: int) -> T | None:
    try:
        return read()
    except Refused as exc:
        if exc.refusal.status in statuses and not exc.refusal.rate_limited:
            return None
        raise
