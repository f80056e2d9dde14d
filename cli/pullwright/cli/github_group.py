"""The group ``agent github``. Commands import what they need when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pullwright.cli.options import Json, Newest, Status

github = typer.Typer(help="The bot on GitHub: set it up, check it, see what reached it.", no_args_is_help=True)

Repositories = Annotated[
    list[str] | None, typer.Argument(help="Where the bot works; by default this checkout's.", metavar="[OWNER/REPO]...")
]
Url = Annotated[
    str, typer.Option(help="Address of `agent serve` as GitHub reaches it; leave it out to poll.", metavar="https://…")
]
AppId = Annotated[str, typer.Option(help="Number of the App, if the settings do not have it.", metavar="ID")]
AppKey = Annotated[
    Path | None, typer.Option(help="Its private key, as downloaded from GitHub.", metavar="FILE", dir_okay=False)
]
Workflows = Annotated[bool, typer.Option("--workflows", help="The agent may change .github/workflows.")]


@github.command()
def setup(
    repositories: Repositories = None,
    url: Url = "",
    app_id: AppId = "",
    app_key_file: AppKey = None,
    workflows: Workflows = False,
    make_label: Annotated[
        bool | None, typer.Option("--make-label/--no-label", help="Make the label that asks for work; else ask.")
    ] = None,
    hook: Annotated[
        bool | None, typer.Option("--hook/--no-hook", help="Make or mend the webhook for --url; else ask.")
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Write the settings to your pullwright.toml; secrets are not shown.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: make label and webhook where they are missing.")] = (
        False
    ),
    new_app: Annotated[
        str, typer.Option(help="Make a GitHub App of this name first; a browser is needed.", metavar="NAME")
    ] = "",
    organization: Annotated[str, typer.Option(help="Who owns the new App; by default you.", metavar="LOGIN")] = "",
    code: Annotated[
        str, typer.Option(help="What the browser came back with after the click.", metavar="CODE-or-ADDRESS")
    ] = "",
    form: Annotated[
        Path | None, typer.Option(help="Where to put the page with the button; - prints it.", metavar="FILE")
    ] = None,
    json: Json = False,
) -> None:
    """Walk through an App or a token: check every permission and the webhook, say what to click, offer to mend it.

    Exit codes: 0 the bot can work, 1 something is missing, 2 usage or settings.
    """
    from pullwright.cli.commands.github import SetupRequest, setup_command
    from pullwright.cli.commands.github_app import NewAppRequest, new_app_command

    if new_app or code:
        wanted = NewAppRequest(
            name=new_app, organization=organization, url=url, code=code, form=form, workflows=workflows, yes=yes
        )
        raise typer.Exit(new_app_command(wanted))
    request = SetupRequest(
        repositories=tuple(repositories or ()),
        url=url,
        app_id=app_id,
        app_key_file=app_key_file,
        workflows=workflows,
        changes=True,
        make_label=True if yes and make_label is None else make_label,
        mend_hook=True if yes and hook is None else hook,
        write=write,
        json=json,
    )
    raise typer.Exit(setup_command(request))


@github.command()
def check(
    repositories: Repositories = None,
    url: Url = "",
    app_id: AppId = "",
    app_key_file: AppKey = None,
    workflows: Workflows = False,
    json: Json = False,
) -> None:
    """Check the same, and change nothing."""
    from pullwright.cli.commands.github import SetupRequest, setup_command

    request = SetupRequest(
        repositories=tuple(repositories or ()),
        url=url,
        app_id=app_id,
        app_key_file=app_key_file,
        workflows=workflows,
        json=json,
    )
    raise typer.Exit(setup_command(request))


@github.command()
def deliveries(status: Status = "", limit: Newest = 50, json: Json = False) -> None:
    """Show what reached the bot from GitHub; the same as `agent deliveries --source github`."""
    from pullwright.cli.commands.deliveries import deliveries_command

    raise typer.Exit(deliveries_command(source="github", status=status, limit=limit, json=json))


@github.command()
def event(json: Json = False) -> None:
    """In a GitHub Actions workflow: do what its event asks for, if whoever asks may; exits like `agent run`."""
    from pullwright.cli.commands.github_event import event_command

    raise typer.Exit(event_command(json=json))
