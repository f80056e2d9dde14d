"""The groups ``agent jira``, ``agent linear`` and ``agent sentry``. Commands import what they need when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

jira = typer.Typer(help="Jira, whose tickets become tasks.", no_args_is_help=True)
linear = typer.Typer(help="Linear, whose issues become tasks.", no_args_is_help=True)
sentry = typer.Typer(help="Sentry, whose alerts become tasks.", no_args_is_help=True)

Url = Annotated[str, typer.Option(help="Address of `agent serve` as it is reached from outside.", metavar="https://…")]


@jira.command(name="setup")
def jira_setup(url: Url = "") -> None:
    """Check what has to be right before tickets become tasks: account, permissions, statuses, fields, webhook.

    Exit codes: 0 the bot can work, 1 something is missing, 2 usage or settings.
    """
    from pullwright.cli.commands.jira import setup_command
    from pullwright.cli.settings import load_settings

    raise typer.Exit(setup_command(load_settings(Path.cwd()), url))


@jira.callback()
def _jira() -> None:
    """Keep the group a group while it has one command."""


@linear.command(name="setup")
def linear_setup(url: Url = "") -> None:
    """Check what has to be right before issues of Linear become tasks: token, account, teams, states, webhook.

    Exit codes: 0 the bot can work, 1 something is missing, 2 usage or settings.
    """
    from pullwright.cli.commands.linear import setup_command
    from pullwright.cli.settings import load_settings

    raise typer.Exit(setup_command(load_settings(Path.cwd()), url))


@linear.callback()
def _linear() -> None:
    """Keep the group a group while it has one command."""


@sentry.command(name="setup")
def sentry_setup(url: Url = "") -> None:
    """Check what has to be right before issues of Sentry become tasks: token, projects, alerts, webhook.

    Exit codes: 0 the bot can work, 1 something is missing, 2 usage or settings.
    """
    from pullwright.cli.commands.sentry import setup_command
    from pullwright.cli.intake_parts import repository_of
    from pullwright.cli.settings import load_settings

    settings = load_settings(Path.cwd())
    raise typer.Exit(setup_command(settings, repository_of(settings), url))


@sentry.callback()
def _sentry() -> None:
    """Keep the group a group while it has one command."""
