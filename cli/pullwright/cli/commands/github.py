"""``agent github setup`` and ``check``: what has to be right before the bot can work, and who mends it."""

from __future__ import annotations

import json as json_
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import typer

from pullwright.agents.errors import AuthFailed, ConfigError, IntegrationError
from pullwright.cli import settings_file, wiring
from pullwright.cli.render import printable
from pullwright.cli.runtime import run_async
from pullwright.cli.settings import Settings, load_settings, user_file
from pullwright.cli.speech import complain, masked

if TYPE_CHECKING:
    from pullwright.integrations.github.asking import Asking
    from pullwright.integrations.github.client import Session
    from pullwright.integrations.github.settings import GitHubSettings
    from pullwright.integrations.github.setup_check import SetupFacts, SetupFinding

SIGNS: Final = {"ok": "✔", "warning": "!", "problem": "✘"}
DELIVERY_SECONDS: Final = 20.0
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupRequest:
    """What was typed."""

    repositories: Sequence[str] = ()
    url: str = ""
    """Where this server is reached from outside; empty when it only polls."""
    app_id: str = ""
    app_key_file: Path | None = None
    workflows: bool = False
    """Whether the agent may edit workflows."""
    changes: bool = False
    """Whether GitHub and the settings may be changed at all; ``agent github check`` changes nothing."""
    make_label: bool | None = None
    """None to ask."""
    mend_hook: bool | None = None
    write: bool = False
    """Whether the settings are written rather than shown."""
    json: bool = False
    seconds: float = DELIVERY_SECONDS
    """How long a test delivery may take."""


def setup_command(request: SetupRequest) -> int:
    """Look at each repository, mend what may be mended; 0 when the bot can work, 1 when something is missing.

    Raises:
        ConfigError: Nobody is signed in, or no repository is named.
        IntegrationError: GitHub does not answer, or does not know us.
    """
    from pullwright.integrations.github.asking import asking

    settings = load_settings(Path.cwd())
    check_url(request.url)
    github = _signed_in(settings, request)
    setup = Setup(asking(github), settings, request)
    results = [setup.look_at(repository) for repository in request.repositories or _here(github)]
    if request.changes:
        setup.finish()
    return 0 if all(results) else 1


def check_url(url: str) -> None:
    """Raise ConfigError unless GitHub may send webhooks to this server."""
    parts = urlsplit(url)
    if url and parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise ConfigError(f"--url is {url[:100]!r}; give the https:// address of the proxy in front of `agent serve`")


def _signed_in(settings: Settings, request: SetupRequest) -> GitHubSettings:
    github = wiring.github_settings(settings)
    if request.app_key_file is None:
        return github
    return replace(github, app_id=request.app_id or github.app_id, app_key="", app_key_file=request.app_key_file)


def _here(github: GitHubSettings) -> Sequence[str]:
    advice = "name the repositories: agent github setup OWNER/REPO"
    try:
        origin = run_async(wiring.read_origin, "")
    except (ConfigError, IntegrationError) as exc:
        raise ConfigError(f"this folder is no checkout; {advice}") from exc
    if origin.remote is None or not github.matches(origin.remote):
        raise ConfigError(f"this folder is no checkout of a repository at {github.web_host!r}; {advice}")
    return (origin.remote.slug,)


@dataclass(slots=True)
class Setup:
    """One walk over the repositories."""

    asking: Asking
    settings: Settings
    request: SetupRequest
    fresh_secret: str = field(default="", repr=False)
    repositories: list[str] = field(default_factory=list)

    @property
    def hook_url(self) -> str:
        """Where webhooks have to go; empty without a server that is reached."""
        base = self.request.url.rstrip("/")
        return f"{base}/webhooks/github/{self.settings.github_connection}" if base else ""

    def look_at(self, repository: str) -> bool:
        """Print what was found out about a repository, and return whether the bot can work there."""
        from pullwright.integrations.github.setup_check import Level, check_setup

        self.repositories.append(repository)
        facts = self._facts(repository)
        if self.request.changes and facts.seen and not facts.suspended and self._mended(facts):
            facts = self._facts(repository)
        if self.request.changes:
            facts = self._tried(facts)
        found = check_setup(facts)
        self._show(repository, found)
        return all(finding.level is not Level.PROBLEM for finding in found)

    def finish(self) -> None:
        """Write the settings, or show what has to be in them."""
        values = self._values()
        if self.request.write:
            settings_file.put(user_file(), values)
            _say(f"\nwritten to {user_file()}: {', '.join(values)}")
        else:
            hidden = frozenset({"github_webhook_secrets"})
            text = "\n".join(settings_file.lines(values, hidden=hidden))
            _say(f"\nThese settings belong into {user_file()} (`--write` puts them there):\n\n{text}")
        if not self.asking.settings.is_app:
            _say("The token stays where it is: in AGENT_GITHUB_TOKEN, or as github_token in that file.")

    # What is so

    def _facts(self, repository: str) -> SetupFacts:
        from pullwright.integrations.github.credentials import Step
        from pullwright.integrations.github.setup_check import SetupFacts
        from pullwright.integrations.github.setup_facts import read_app_facts, read_label, read_rate, read_token_facts

        wanted = {"workflows": self.request.workflows, "members": bool(self.settings.github_teams)}
        options = frozenset(name for name, needed in wanted.items() if needed)
        label, url, app = self.settings.github_label, self.hook_url, self.asking.app
        facts = SetupFacts(
            repository=repository, is_app=app is not None, label=label, expected_url=url, options=options
        )
        if app is None:
            return self.asking.there(repository, Step.READ, lambda session: read_token_facts(session, facts))
        found = read_app_facts(app, facts)
        if not found.seen or found.suspended:
            return found
        try:
            return self.asking.there(repository, Step.READ, lambda s: read_rate(s, read_label(s, found)))
        except AuthFailed:  # for want of a permission, and which one is found out from what was granted
            return found

    # What is changed

    def _mended(self, facts: SetupFacts) -> bool:
        """Change what is agreed to, and return whether anything was."""
        label = facts.label_there is False and self._agreed(
            self.request.make_label, f"Make the label {facts.label!r} in {facts.repository}?"
        )
        if label:
            self._make_label(facts)
        hook = self._hook_is_wrong(facts) and self._agreed(
            self.request.mend_hook, f"Let the webhook of {self._whose(facts)} go to {self.hook_url}?"
        )
        if hook:
            self._mend_hook(facts)
        return label or hook

    def _whose(self, facts: SetupFacts) -> str:
        return "the App" if facts.is_app else facts.repository

    def _hook_is_wrong(self, facts: SetupFacts) -> bool:
        from pullwright.integrations.github.setup_check import EVENTS

        if facts.polls or not facts.hook_readable:
            return False
        hook = facts.hook
        if hook is None or hook.url.rstrip("/") != facts.expected_url.rstrip("/"):
            return True
        events = hook.events if not facts.is_app and "*" not in hook.events else EVENTS
        right = hook.has_secret and hook.active and hook.checks_certificate and hook.content_type == "json"
        return not right or not set(EVENTS) <= set(events)

    def _make_label(self, facts: SetupFacts) -> None:
        from pullwright.integrations.github.credentials import Step
        from pullwright.integrations.github.setup_acts import make_label

        self._try(
            lambda: self.asking.there(
                facts.repository, Step.TALK, partial(make_label, repository=facts.repository, label=facts.label)
            )
        )

    def _mend_hook(self, facts: SetupFacts) -> None:
        from pullwright.integrations.github import setup_acts as acts
        from pullwright.integrations.github.credentials import Step

        secret, url, app, repository = self._secret(), self.hook_url, self.asking.app, facts.repository
        if app is not None:
            self._try(lambda: app.ask(lambda session: acts.mend_app_hook(session, url, secret)))
            return
        known = facts.hook.id if facts.hook else None

        def change(session: Session) -> None:
            if known is None:
                acts.make_hook(session, repository, url, secret)
            else:
                acts.mend_hook(session, repository, known, url, secret)

        self._try(lambda: self.asking.there(repository, Step.TALK, change))

    def _secret(self) -> str:
        """Return the secret of webhooks; a new one has to be written, because it is not shown."""
        known = [secret.get_secret_value() for secret in self.settings.github_webhook_secrets]
        if known:
            return known[0]
        if not self.request.write:
            raise ConfigError(
                "a webhook needs a secret at both ends; add --write to have one made and written to the settings, "
                "or set AGENT_GITHUB_WEBHOOK_SECRETS"
            )
        self.fresh_secret = self.fresh_secret or secrets.token_hex(32)
        # Before GitHub has it: a secret that only GitHub knows would be lost.
        settings_file.put(user_file(), {"github_webhook_secrets": [self.fresh_secret]})
        return self.fresh_secret

    def _tried(self, facts: SetupFacts) -> SetupFacts:
        """Have something delivered, and note what came of it."""
        from pullwright.integrations.github.credentials import Step
        from pullwright.integrations.github.setup_acts import HookPlace, try_delivery

        hook, app = facts.hook, self.asking.app
        if hook is None or not hook.active or self._hook_is_wrong(facts):
            return facts
        place = HookPlace() if app else HookPlace(repository=facts.repository, hook_id=hook.id)
        work = partial(try_delivery, place=place, seconds=self.request.seconds)
        sent = app.ask(work) if app else self.asking.there(facts.repository, Step.READ, work)
        if sent is None:
            return facts
        return replace(facts, hook=replace(hook, last_status=sent.status_code))

    # How it is said

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except IntegrationError as exc:
            complain(exc)

    def _agreed(self, chosen: bool | None, question: str) -> bool:
        if chosen is not None:
            return chosen
        return sys.stdin.isatty() and typer.confirm(question, default=True, err=True)

    def _show(self, repository: str, found: Sequence[SetupFinding]) -> None:
        if self.request.json:
            for finding in found:
                told = {"repository": repository, "level": finding.level, "name": finding.name, "line": finding.line}
                sys.stdout.write(json_.dumps(told) + "\n")
            return
        lines = [f"  {SIGNS[finding.level]} {finding.line}" for finding in found]
        _say("\n".join([repository, *lines]))

    def _values(self) -> Mapping[str, settings_file.Value]:
        from pullwright.integrations.github.setup_facts import read_app

        github, settings = self.asking.settings, self.settings
        values: dict[str, settings_file.Value] = {}
        if settings.github_api_url != "https://api.github.com":
            values["github_api_url"] = settings.github_api_url
        if self.asking.app is not None:
            values["github_app_id"] = read_app(self.asking.app).id
            if github.app_key_file:
                values["github_app_private_key_file"] = str(github.app_key_file.resolve())
        else:  # an App knows where it is installed, of a token that can not be found out
            names = [*settings.github_repositories, *self.repositories]
            values["github_repositories"] = list(dict.fromkeys(names))
        login, number = self._bot()
        values |= {"github_bot_login": login, "github_bot_id": number, "github_label": settings.github_label}
        if self.fresh_secret or settings.github_webhook_secrets:
            known = [secret.get_secret_value() for secret in settings.github_webhook_secrets]
            values["github_webhook_secrets"] = known or [self.fresh_secret]
        return values

    def _bot(self) -> tuple[str, int]:
        try:
            return self.asking.bot(self.repositories[0] if self.repositories else "")
        except IntegrationError as exc:
            complain(exc)
            return self.settings.github_bot_login, self.settings.github_bot_id


def _say(text: str) -> None:
    sys.stdout.write(masked("\n".join(map(printable, text.splitlines()))) + "\n")
    sys.stdout.flush()
