"""The group ``agent notify``. Commands import what they need when they run."""

from __future__ import annotations

from pathlib import Path

import typer

notify = typer.Typer(help="Where people are told what tasks came to.", no_args_is_help=True)


@notify.command()
def test() -> None:
    """Send a test message to every target, and say whether it arrived.

    Exit codes: 0 it did everywhere, 1 it did not somewhere, 2 usage or settings.
    """
    from pullwright.cli.commands.notify import test_command
    from pullwright.cli.settings import load_settings

    raise typer.Exit(test_command(load_settings(Path.cwd())))


@notify.callback()
def _notify() -> None:
    """Keep the group a group while it has one command."""
