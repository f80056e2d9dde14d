"""The ``agent`` command. Commands import what they need when they run, so that ``--help`` is quick."""

from __future__ import annotations

import gc
import sys
from datetime import datetime
from typing import Annotated, NoReturn

import typer

from pullwright.agents.errors import ConfigError, PullwrightError
from pullwright.cli.speech import complain, set_up_logging

app = typer.Typer(
    name="agent",
    help="File a task, walk away, come back to a pull request.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
sandbox = typer.Typer(help="The sandbox that tasks run in.", no_args_is_help=True)
app.add_typer(sandbox, name="sandbox")
endpoint = typer.Typer(help="The server that runs the model.", no_args_is_help=True)
app.add_typer(endpoint, name="endpoint")
db = typer.Typer(help="The database that keeps tasks, journals and checkpoints.", no_args_is_help=True)
app.add_typer(db, name="db")


Json = Annotated[bool, typer.Option("--json", help="One JSON object per line, for scripts.")]
At = Annotated[int, typer.Option("--at", min=1, help="Number of the checkpoint.", metavar="N")]
Slots = Annotated[
    int, typer.Option(min=0, max=1000, help="Most runs at once; 0 for what memory and cores of this host allow.")
]
DrainSeconds = Annotated[
    float, typer.Option(min=0, help="After SIGTERM, how long runs may take to the end of their step.")
]
TaskId = Annotated[str, typer.Argument(help="The task's id, or its beginning.")]


@app.command()
def run(
    task: Annotated[str, typer.Argument(help='What to do: "fix issue #42", or any instruction.')],
    repo: Annotated[
        str, typer.Option(help="Repository to work on, instead of this checkout.", metavar="PATH-or-URL")
    ] = "",
    base: Annotated[str, typer.Option(help="Branch, tag or commit to start from.", metavar="REF")] = "",
    check: Annotated[
        list[str], typer.Option(help="Command that must pass with the change; repeatable.", metavar="CMD")
    ] = [],  # noqa: B006 - typer's way to say "repeatable"
    no_pr: Annotated[bool, typer.Option("--no-pr", help="End with a local branch and a patch file.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="File the task, print its id and return.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Wait for your yes to the plan before work begins.")] = False,
    json: Json = False,
    max_steps: Annotated[int | None, typer.Option(min=1, help="Most model replies.")] = None,
    max_minutes: Annotated[float | None, typer.Option(min=0.01, help="Most minutes.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Most tokens, cached ones included.")] = None,
    max_fresh_tokens: Annotated[int | None, typer.Option(min=1, help="Most tokens that no cache had.")] = None,
    max_cost: Annotated[
        float | None, typer.Option(min=0.0001, help="Most dollars, where the model has a price.", metavar="DOLLARS")
    ] = None,
    priority: Annotated[
        int, typer.Option(min=-1000, max=1000, help="Higher goes first among the tasks of the repository.")
    ] = 0,
    not_before: Annotated[
        str, typer.Option(help="Begin no earlier: +2h, or a time such as 2026-12-24T18:00.", metavar="TIME")
    ] = "",
) -> None:
    """Do a task now, and end with a pull request.

    Exit codes: 0 change made, 1 the run failed, 2 usage or settings, 3 nothing needed changing, 4 it waits for an
    answer, 130 canceled.
    """
    from pullwright.cli.commands.run import run_command
    from pullwright.cli.intake import RunRequest, moment

    request = RunRequest(
        instruction=task,
        repo=repo,
        base=base,
        checks=tuple(check),
        no_pr=no_pr,
        max_steps=max_steps,
        max_minutes=max_minutes,
        max_tokens=max_tokens,
        max_fresh_tokens=max_fresh_tokens,
        max_cost=max_cost,
        priority=priority,
        not_before=moment(not_before, datetime.now().astimezone()) if not_before else None,
        plan=plan,
    )
    raise typer.Exit(run_command(request, detach=detach, json=json))


@app.command(name="list")
def list_(json: Json = False) -> None:
    """Show the newest tasks."""
    from pullwright.cli.commands.tasks import list_command

    raise typer.Exit(list_command(json=json))


@app.command()
def show(task: TaskId, json: Json = False) -> None:
    """Show a task and what happened in it."""
    from pullwright.cli.commands.tasks import show_command

    raise typer.Exit(show_command(task, json=json))


@app.command()
def watch(task: TaskId, json: Json = False) -> None:
    """Follow a task until it ends; exits like `agent run`."""
    from pullwright.cli.commands.tasks import watch_command

    raise typer.Exit(watch_command(task, json=json))


@app.command()
def diff(
    task: TaskId,
    from_: Annotated[
        int | None, typer.Option("--from", min=0, help="Checkpoint to compare with; 0 is the base.", metavar="N")
    ] = None,
    to: Annotated[int | None, typer.Option(min=0, help="Checkpoint to show; by default the last.", metavar="N")] = None,
) -> None:
    """Print the patch of a task, or with --from or --to what lies between two of its checkpoints."""
    from pullwright.cli.commands.checkpoints import difference_command
    from pullwright.cli.commands.tasks import diff_command

    if from_ is None and to is None:
        raise typer.Exit(diff_command(task))
    raise typer.Exit(difference_command(task, old=from_, new=to))


@app.command()
def checkpoints(task: TaskId, json: Json = False) -> None:
    """Show the checkpoints of a task: the files as they were after each step that changed them."""
    from pullwright.cli.commands.checkpoints import checkpoints_command

    raise typer.Exit(checkpoints_command(task, json=json))


@app.command()
def restore(task: TaskId, at: At) -> None:
    """Bring the files of a checkpoint into your checkout, as a new branch; nothing is switched or overwritten."""
    from pullwright.cli.commands.checkpoints import restore_command

    raise typer.Exit(restore_command(task, at=at))


@app.command()
def fork(
    task: TaskId,
    words: Annotated[str, typer.Argument(help="What to do from there.")],
    at: At,
    json: Json = False,
) -> None:
    """File a new task that starts with the files of a checkpoint, and print its id."""
    from pullwright.cli.commands.checkpoints import fork_command

    raise typer.Exit(fork_command(task, words, at=at, json=json))


@app.command()
def cancel(task: TaskId) -> None:
    """Stop a task; its work so far is kept as a patch."""
    from pullwright.cli.commands.steering import cancel_command

    raise typer.Exit(cancel_command(task))


@app.command()
def say(task: TaskId, words: Annotated[str, typer.Argument(help="What the model reads at its next step.")]) -> None:
    """Tell a task something while it goes on."""
    from pullwright.cli.commands.steering import say_command

    raise typer.Exit(say_command(task, words))


@app.command()
def answer(
    task: TaskId, words: Annotated[str, typer.Argument(help="The answer; yes or no to a plan or a budget.")]
) -> None:
    """Answer what a task waits for; it goes on."""
    from pullwright.cli.commands.steering import answer_command

    raise typer.Exit(answer_command(task, words))


@app.command()
def retry(
    task: TaskId,
    from_: Annotated[
        int | None, typer.Option("--from", min=0, help="Keep the files as they were after this step.", metavar="STEP")
    ] = None,
    json: Json = False,
) -> None:
    """File a task that has ended once more, and print the new id."""
    from pullwright.cli.commands.retry import retry_command

    raise typer.Exit(retry_command(task, from_step=from_, json=json))


@app.command()
def worker(
    task: Annotated[str, typer.Option(help="Only this task, then end.", metavar="ID")] = "",
    drain: Annotated[bool, typer.Option("--drain", help="End when no task is queued.")] = False,
    slots: Slots = 0,
    drain_seconds: DrainSeconds = 120.0,
) -> None:
    """Run queued tasks of every repository; SIGTERM ends it after the present steps, Ctrl-C at once.

    What it had in hand goes on elsewhere, or when the next worker starts.
    """
    from pullwright.cli.commands.worker import WorkerRequest, worker_command

    request = WorkerRequest(task=task, until_empty=drain, slots=slots, drain_seconds=drain_seconds)
    raise typer.Exit(worker_command(request))


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; anything but this host needs a proxy with TLS.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any that is free.")] = 8700,
    slots: Slots = 0,
    drain_seconds: DrainSeconds = 120.0,
    poll: Annotated[
        float, typer.Option(min=0, help="Let no webhook in; ask every so many seconds instead.", metavar="SECONDS")
    ] = 0.0,
) -> None:
    """Answer the HTTP API, and run queued tasks in the same process; ends like `agent worker`."""
    from pullwright.cli.commands.serve import ServeRequest, serve_command

    request = ServeRequest(host=host, port=port, slots=slots, drain_seconds=drain_seconds, poll=poll)
    raise typer.Exit(serve_command(request))


@app.command()
def workers(json: Json = False) -> None:
    """Show the workers that are alive."""
    from pullwright.cli.commands.fleet import workers_command

    raise typer.Exit(workers_command(json=json))


@app.command()
def lanes(json: Json = False) -> None:
    """Show the lanes: the queue of each repository."""
    from pullwright.cli.commands.fleet import lanes_command

    raise typer.Exit(lanes_command(json=json))


@app.command()
def lane(
    key: Annotated[str, typer.Argument(help="The lane, such as github.com/acme/shop.")],
    weight: Annotated[float | None, typer.Option(help="Its share of the turns, next to the others' weights.")] = None,
    max_running: Annotated[int | None, typer.Option(min=0, help="Most runs of it at once.")] = None,
    pause: Annotated[
        bool | None, typer.Option("--pause/--resume", help="Begin no run of it, or begin them again.")
    ] = None,
) -> None:
    """Change a lane, and show all."""
    from pullwright.cli.commands.fleet import lane_command

    raise typer.Exit(lane_command(key, weight=weight, max_running=max_running, paused=pause))


@app.command()
def doctor() -> None:
    """Check engine, endpoint and token, and say what to do about what is missing."""
    from pullwright.cli.commands.doctor import doctor_command

    raise typer.Exit(doctor_command())


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


@endpoint.command()
def status(json: Json = False) -> None:
    """Print the health and the load of every configured endpoint, asked once."""
    from pullwright.cli.commands.endpoint_status import status_command

    raise typer.Exit(status_command(json=json))


def main() -> NoReturn:
    """Run the command line; expected errors are one line on standard error, a traceback is a bug."""
    # Importing builds thousands of long-lived classes; collecting garbage between them only costs start-up time.
    gc.disable()
    set_up_logging()
    try:
        app()
    except ConfigError as exc:
        complain(exc)
        sys.exit(2)
    except PullwrightError as exc:
        complain(exc)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    sys.exit(0)
