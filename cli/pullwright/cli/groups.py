"""The groups of the ``agent`` command: what is around tasks. Commands import what they need when they run."""

from __future__ import annotations

from typing import Annotated

import typer

from pullwright.cli.options import Json

sandbox = typer.Typer(help="The sandbox that tasks run in.", no_args_is_help=True)
endpoint = typer.Typer(help="The server that runs the model.", no_args_is_help=True)
schedule = typer.Typer(help="Tasks that workers file again and again.", no_args_is_help=True)
db = typer.Typer(help="The database that keeps tasks, journals and checkpoints.", no_args_is_help=True)

ScheduleName = Annotated[str, typer.Argument(help="The schedule's name.")]


@sandbox.command()
def build(
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Build it even if it is there.")] = False,
) -> None:
    """Build the image that sandboxes are made from (done by itself on first use)."""
    from pullwright.cli.commands.sandbox import build_command

    raise typer.Exit(build_command(rebuild=rebuild))


@sandbox.command()
def prune() -> None:
    """Remove this installation's containers and volumes, those of running tasks included; the image stays."""
    from pullwright.cli.commands.sandbox import prune_command

    raise typer.Exit(prune_command())


@sandbox.command(hidden=True)
def reap(owner: str, engine_url: str) -> None:
    """Remove what a killed process left on an engine; started by the watchdog of that process."""
    from pullwright.cli.commands.sandbox import reap_command

    raise typer.Exit(reap_command(owner, engine_url))


@endpoint.command()
def recipe(
    server: Annotated[str, typer.Argument(help="vllm, sglang, ollama, llamacpp or nim.")],
    gpus: Annotated[str, typer.Option(help="Number, name and memory, such as 4xH100-80.", metavar="NxNAME-GB")],
    window: Annotated[int | None, typer.Option(min=1, help="Tokens; by default the most that fit.")] = None,
    agents: Annotated[int | None, typer.Option(min=1, help="Agents at once; by default the most that fit.")] = None,
    kv: Annotated[str, typer.Option(help="KV cache: bf16, or fp8 for twice the context.")] = "bf16",
    weights: Annotated[str, typer.Option(help="For llamacpp: q4 or q8.")] = "",
    compare_api: Annotated[
        str, typer.Option(help="Compare with an API at so many tokens a day, such as 250M.", metavar="TOKENS_PER_DAY")
    ] = "",
    price_in: Annotated[float, typer.Option(min=0, help="API: dollars per million input tokens.")] = 1.5,
    price_out: Annotated[float, typer.Option(min=0, help="API: dollars per million output tokens.")] = 7.5,
    output_share: Annotated[float, typer.Option(min=0, max=1, help="Part of the tokens that is output.")] = 0.05,
    gpu_hour: Annotated[float | None, typer.Option(min=0, help="Dollars per GPU-hour.")] = None,
    json: Json = False,
) -> None:
    """Print how to start a server for Mistral Medium 3.5 on these GPUs, and what fits."""
    from pullwright.agents.llm.capacity import Prices
    from pullwright.cli.commands.endpoint import RecipeRequest, recipe_command

    prices = Prices(per_million_in=price_in, per_million_out=price_out, output_share=output_share, gpu_hour=gpu_hour)
    request = RecipeRequest(
        server=server,
        gpus=gpus,
        window=window,
        agents=agents,
        kv=kv,
        weights=weights,
        tokens_per_day=compare_api,
        prices=prices,
    )
    raise typer.Exit(recipe_command(request, json=json))


@db.command()
def upgrade() -> None:
    """Bring the database to the schema of this release; waits for another process that does the same."""
    from pullwright.cli.commands.db import upgrade_command

    raise typer.Exit(upgrade_command())


@db.command()
def check() -> None:
    """Say how the database is, and what to do about what is wrong; changes nothing."""
    from pullwright.cli.commands.db import check_command

    raise typer.Exit(check_command())


@db.command()
def move(
    to: Annotated[str, typer.Option(help="An empty database: postgresql://… or sqlite:////…", metavar="URL")],
) -> None:
    """Copy everything to another database, and compare; needs all workers to be stopped."""
    from pullwright.cli.commands.db import move_command

    raise typer.Exit(move_command(to))


@db.command()
def trim(
    days: Annotated[int, typer.Option(min=1, help="Only of tasks that ended more than so many days ago.")],
    journals: Annotated[bool, typer.Option("--journals", help="Remove what they did and said, too.")] = False,
) -> None:
    """Remove the checkpoints and patches that are kept of old tasks."""
    from pullwright.cli.commands.db import trim_command

    raise typer.Exit(trim_command(days=days, journals=journals))


@schedule.command()
def add(
    name: ScheduleName,
    task: Annotated[str, typer.Argument(help='What to do each time, as for "agent run".')],
    cron: Annotated[
        str, typer.Option(help='Minute, hour, day of month, month, day of week: "0 6 * * 1-5".', metavar="FIELDS")
    ],
    tz: Annotated[str, typer.Option(help="Time zone, such as Europe/Berlin.", metavar="ZONE")] = "UTC",
    repo: Annotated[
        str, typer.Option(help="Repository to work on, instead of this checkout.", metavar="PATH-or-URL")
    ] = "",
    base: Annotated[str, typer.Option(help="Branch, tag or commit to start from.", metavar="REF")] = "",
    check: Annotated[
        list[str], typer.Option(help="Command that must pass with the change; repeatable.", metavar="CMD")
    ] = [],  # noqa: B006 - typer's way to say "repeatable"
    no_pr: Annotated[bool, typer.Option("--no-pr", help="End with a local branch and a patch file.")] = False,
    priority: Annotated[
        int, typer.Option(min=-1000, max=1000, help="Higher goes first among the tasks of the repository.")
    ] = 0,
    overlap: Annotated[
        str, typer.Option(help="When the task before is not over: skip, queue or replace.", metavar="HOW")
    ] = "skip",
    catch_up: Annotated[
        str, typer.Option(help="How late it may be filed when no worker was there: 0 to 7d.", metavar="TIME")
    ] = "1h",
) -> None:
    """File a task again and again, in the place of the schedule that has the name."""
    from pullwright.cli.commands.schedule import add_command
    from pullwright.cli.intake import RunRequest
    from pullwright.cli.schedules import ScheduleRequest

    filed = RunRequest(instruction=task, repo=repo, base=base, checks=tuple(check), no_pr=no_pr, priority=priority)
    raise typer.Exit(
        add_command(ScheduleRequest(name=name, cron=cron, tz=tz, overlap=overlap, catch_up=catch_up, task=filed))
    )


@schedule.command(name="list")
def list_(json: Json = False) -> None:
    """Show the schedules: when each is due, and what it did last."""
    from pullwright.cli.commands.schedule import list_command

    raise typer.Exit(list_command(json=json))


@schedule.command(name="next")
def next_(
    name: ScheduleName,
    count: Annotated[int, typer.Option(min=1, max=1000, help="How many times.")] = 5,
) -> None:
    """Show when a schedule is due."""
    from pullwright.cli.commands.schedule import next_command

    raise typer.Exit(next_command(name, count=count))


@schedule.command()
def pause(name: ScheduleName) -> None:
    """File nothing for a schedule until it is resumed."""
    from pullwright.cli.commands.schedule import pause_command

    raise typer.Exit(pause_command(name, pause=True))


@schedule.command()
def resume(name: ScheduleName) -> None:
    """Let a schedule go on; what would have been due meanwhile is not made up for."""
    from pullwright.cli.commands.schedule import pause_command

    raise typer.Exit(pause_command(name, pause=False))


@schedule.command()
def remove(name: ScheduleName) -> None:
    """Remove a schedule; the tasks that it filed stay."""
    from pullwright.cli.commands.schedule import remove_command

    raise typer.Exit(remove_command(name))


@endpoint.command()
def status(json: Json = False) -> None:
    """Print the health and the load of every configured endpoint, asked once."""
    from pullwright.cli.commands.endpoint_status import status_command

    raise typer.Exit(status_command(json=json))
