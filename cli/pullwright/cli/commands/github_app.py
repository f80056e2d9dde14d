"""``agent github setup --new-app``: makes a GitHub App with one click of a person in a browser."""

from __future__ import annotations

import secrets
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from pullwright.agents.errors import ConfigError
from pullwright.cli import settings_file, wiring
from pullwright.cli.commands.github import check_url
from pullwright.cli.render import printable
from pullwright.cli.settings import Settings, load_settings, user_file

if TYPE_CHECKING:
    from pullwright.integrations.github.app_manifest import MadeAppPayload, WantedApp
    from pullwright.integrations.github.asking import Asking

REDIRECT: Final = "http://127.0.0.1:8700/made"
"""Where the browser ends. Nothing has to answer there: what counts is the code in the address."""
_FORM: Final = "make-github-app.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAppRequest:
    """What was typed."""

    name: str = ""
    organization: str = ""
    url: str = ""
    code: str = ""
    form: Path | None = None
    workflows: bool = False
    yes: bool = False


def new_app_command(request: NewAppRequest) -> int:
    """Put a page with a button somewhere, or exchange what came of it; nothing of the App's secrets is printed.

    Raises:
        ConfigError: What was pasted holds no code.
        IntegrationError: GitHub does not know the code.
    """
    from pullwright.integrations.github.app_manifest import code_of

    settings = load_settings(Path.cwd())
    check_url(request.url)
    if request.code:
        return _exchange(settings, code_of(request.code))
    state = secrets.token_hex(16)
    _offer(settings, request, state)
    if request.yes or not sys.stdin.isatty():
        _say("Then run: agent github setup --code 'THE ADDRESS THAT THE BROWSER ENDED AT'")
        return 0
    pasted = typer.prompt("The address that the browser ended at", err=True)
    return _exchange(settings, code_of(pasted, state))


def _offer(settings: Settings, request: NewAppRequest, state: str) -> None:
    from pullwright.integrations.github.app_manifest import form_address, form_page

    wanted, github = _wanted(settings, request), wiring.github_settings(settings)
    page = form_page(wanted, github, state)
    if request.form is not None and str(request.form) == "-":
        sys.stdout.write(page)
        return
    file = request.form or user_file().with_name(_FORM)
    try:
        settings_file.write_private(file, page, replace=True)
    except OSError as exc:
        raise ConfigError(f"the page can not be written to {str(file)!r}: {exc.strerror}; choose --form FILE") from exc
    _say(f"Open {file.resolve().as_uri()} in a browser and press the button. It goes to")
    _say(f"  {form_address(wanted, github, state)}")
    _say("and asks for exactly what the bot needs. The browser ends at an address with a code; nothing answers there.")


def _wanted(settings: Settings, request: NewAppRequest) -> WantedApp:
    from pullwright.integrations.github.app_manifest import WantedApp

    base = request.url.rstrip("/")
    return WantedApp(
        name=request.name,
        organization=request.organization,
        hook_url=f"{base}/webhooks/github/{settings.github_connection}" if base else "",
        redirect_url=REDIRECT,
        options=("workflows",) if request.workflows else (),
    )


def _exchange(settings: Settings, code: str) -> int:
    from pullwright.integrations.github.app_manifest import exchange
    from pullwright.integrations.github.asking import Asking

    # The code is all that it takes, and whoever else we are does not matter.
    github = replace(wiring.github_settings(settings), app_id="", app_key="", app_key_file=None, token="")
    asking = Asking(github)
    made = asking.anonymously(lambda session: exchange(session, code))
    key_file = _keep_key(made)
    values: dict[str, settings_file.Value] = {
        "github_app_id": made.id,
        "github_app_private_key_file": str(key_file),
        **_bot(asking, made),
    }
    if made.webhook_secret:
        values["github_webhook_secrets"] = [made.webhook_secret]
    settings_file.put(user_file(), values)
    _say(f"The App {made.slug} is made. Its private key is in {key_file}, and what the bot needs in {user_file()}.")
    _say(f"Install it at {made.html_url}/installations/new, then run: agent github setup OWNER/REPO")
    return 0


def _keep_key(made: MadeAppPayload) -> Path:
    """Write the key down at once: GitHub tells it only here."""
    folder, name = user_file().parent, printable(made.slug).replace("/", "-")
    for number in range(100):
        file = folder / f"{name}{f'-{number}' if number else ''}.private-key.pem"
        try:
            settings_file.write_private(file, made.pem)
        except FileExistsError:
            continue
        except OSError as exc:
            advice = "make that folder writable, and generate a new key on the App's page"
            raise ConfigError(f"the App's key can not be written to {str(file)!r}: {exc.strerror}; {advice}") from exc
        return file
    raise ConfigError(f"there are a hundred keys of {name!r} in {str(folder)!r}; remove old ones")


def _bot(asking: Asking, made: MadeAppPayload) -> dict[str, settings_file.Value]:
    from pullwright.agents.errors import IntegrationError
    from pullwright.integrations.github.setup_facts import read_user

    login = f"{made.slug}[bot]"
    try:
        user = asking.anonymously(lambda session: read_user(session, login))
    except IntegrationError:  # the server shows users to nobody, so that the next set-up has to find it out
        return {"github_bot_login": login}
    return {"github_bot_login": user.login, "github_bot_id": user.id}


def _say(text: str) -> None:
    sys.stdout.write(printable(text) + "\n")
    sys.stdout.flush()
