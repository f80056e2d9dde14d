"""Finds out what ``setup_check`` judges; blocks, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from pydantic import Field

from pullwright.agents.errors import NotFound
from pullwright.integrations.github.app_auth import AppCredentials
from pullwright.integrations.github.client import Refused, Session
from pullwright.integrations.github.payloads import Payload
from pullwright.integrations.github.setup_check import HookFacts, SetupFacts

T = TypeVar("T")

_CONFIG = "/app/hook/config"
_DELIVERIES = "/app/hook/deliveries"


class AppPayload(Payload):
    """The App itself."""

    slug: str = ""
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
    insecure_ssl: str | int = "0"


class DeliveryPayload(Payload):
    """One delivery as GitHub remembers it."""

    status_code: int = 0


class LastResponsePayload(Payload):
    """What the newest delivery of a repository's hook got."""

    code: int | None = None


class HookPayload(Payload):
    """A hook of a repository."""

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
    permissions: RightsPayload = RightsPayload()


class LoginPayload(Payload):
    """Who the one who asks is."""

    login: str


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
    seen = app.ask(lambda session: _get(session, AppPayload, "/app", "reading the App"))
    facts = replace(facts, is_app=True, login=f"{seen.slug}[bot]")
    path = f"/repos/{facts.repository}/installation"
    try:
        installed = app.ask(lambda session: _get(session, InstallationPayload, path, "reading its installation"))
    except NotFound:
        return replace(facts, seen=False)
    facts = replace(facts, suspended=installed.suspended_at is not None, permissions=installed.permissions)
    if not facts.polls:
        facts = replace(facts, hook=app.ask(lambda session: _app_hook(session, seen.events)))
    return facts


def read_token_facts(session: Session, facts: SetupFacts) -> SetupFacts:
    """Fill in what a token can see of itself and of ``facts.repository``.

    Raises:
        Refused: With 401 when GitHub does not know the token.
        IntegrationError.
    """
    user = _get(session, LoginPayload, "/user", "reading the user of the token")
    facts = replace(facts, is_app=False, login=user.login)
    path = f"/repos/{facts.repository}"
    found = _unless(lambda: _get(session, CheckedRepositoryPayload, path, "reading the repository"), 404)
    if found is None:
        return replace(facts, seen=False)
    facts = replace(facts, archived=found.archived, may_push=found.permissions.push)
    return read_rate(session, facts if facts.polls else _with_repository_hook(session, facts))


def read_rate(session: Session, facts: SetupFacts) -> SetupFacts:
    """Fill in the rate limit of the token of a session."""
    rate = _get(session, RateLimitPayload, "/rate_limit", "reading the rate limit").rate
    return replace(facts, rate_limit=rate.limit, rate_remaining=rate.remaining)


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
    last = ours.last_response.code
    return replace(facts, hook=_facts_of(ours.config, tuple(ours.events), active=ours.active, last=last))


def _facts_of(config: HookConfigPayload, events: tuple[str, ...], *, active: bool, last: int | None) -> HookFacts:
    return HookFacts(
        url=config.url,
        has_secret=bool(config.secret),
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
