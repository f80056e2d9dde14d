"""Makes a GitHub App with a click: the manifest that a person sends to GitHub, and what comes back for it.

Source: GitHub's documentation of "Registering a GitHub App from a manifest": the form is posted by the browser, and
the code of the redirect can be exchanged once, within an hour, without any credential.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from pydantic import Field

from pullwright.agents.errors import ConfigError
from pullwright.integrations.github.client import Session
from pullwright.integrations.github.payloads import Payload
from pullwright.integrations.github.settings import GitHubSettings
from pullwright.integrations.github.setup_check import EVENTS, needed_permissions

HOME_PAGE = "https://github.com/"

_CODE = re.compile(r"[A-Za-z0-9_-]{10,200}", re.ASCII)
_ORGANIZATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}", re.ASCII)


class MadeAppPayload(Payload):
    """The App that GitHub made. Its secrets are told this once."""

    id: int
    slug: str
    html_url: str = ""
    pem: str = Field(repr=False)
    webhook_secret: str | None = Field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedApp:
    """What the App is to be."""

    name: str
    organization: str = ""
    """Who owns it; empty for the person who clicks."""
    hook_url: str = ""
    """Empty for no webhook."""
    redirect_url: str
    """Where the browser goes afterwards, with the code behind it; nothing needs to answer there."""
    options: Iterable[str] = ()
    public: bool = False

    def __post_init__(self) -> None:
        if self.organization and not _ORGANIZATION.fullmatch(self.organization):
            raise ConfigError(f"{self.organization!r} is no organization; give its login")


def manifest(wanted: WantedApp) -> dict[str, Any]:
    """Return the manifest: exactly the permissions and events that the bot needs."""
    hook = {"url": wanted.hook_url, "active": True} if wanted.hook_url else {"url": HOME_PAGE, "active": False}
    return {
        "name": wanted.name,
        "url": HOME_PAGE,
        "hook_attributes": hook,
        "redirect_url": wanted.redirect_url,
        "public": wanted.public,
        "default_permissions": needed_permissions(wanted.options),
        "default_events": list(EVENTS) if wanted.hook_url else [],
    }


def form_address(wanted: WantedApp, settings: GitHubSettings, state: str) -> str:
    """Return where the manifest has to be posted to."""
    whose = f"organizations/{wanted.organization}/settings" if wanted.organization else "settings"
    return f"{settings.web_url}/{whose}/apps/new?{urlencode({'state': state})}"


def form_page(wanted: WantedApp, settings: GitHubSettings, state: str) -> str:
    """Return a page with the one button that sends the manifest to GitHub."""
    address = html.escape(form_address(wanted, settings, state))
    value = html.escape(json.dumps(manifest(wanted)))
    return (
        "<!doctype html>\n<meta charset=utf-8>\n<title>Make the GitHub App</title>\n"
        f'<form action="{address}" method="post">\n<input type="hidden" name="manifest" value="{value}">\n'
        f"<button>Make the GitHub App {html.escape(wanted.name)!s} at {html.escape(settings.web_host)}</button>\n"
        "</form>\n"
    )


def code_of(pasted: str, state: str = "") -> str:
    """Return the code of what a person pasted: the code, or the whole address that the browser was sent to.

    Raises:
        ConfigError: There is none in it, or the address belongs to another form than this one.
    """
    text = pasted.strip()
    query = parse_qs(urlsplit(text).query) if "?" in text else {}
    code = query.get("code", [""])[0] if query else text
    if state and query and query.get("state") != [state]:
        raise ConfigError("this address belongs to another form; open the page again and click once more")
    if not _CODE.fullmatch(code):
        raise ConfigError("there is no code in it; paste the whole address that the browser was sent to")
    return code


def exchange(session: Session, code: str) -> MadeAppPayload:
    """Return the App that a code stands for; it works once.

    Raises:
        Refused: With 404 when the code is unknown, was used, or is older than an hour.
        IntegrationError.
    """
    path = f"/app-manifests/{quote(code, safe='')}/conversions"
    return session.post(MadeAppPayload, path, {}, action="exchanging the code of the new App")
