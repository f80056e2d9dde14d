"""The ``agent`` command. Commands import what they need when they run, so that ``--help`` is quick."""

from __future__ import annotations

import gc
import sys
from datetime import datetime
from typing import Annotated, NoReturn

import typer

from pullwright.agents.errors import ConfigError, PullwrightError
from pullwright.cli.github_group import github
from pullwright.cli.groups import db, endpoint, sandbox, schedule
from pullwright.cli.notify_group import notify
from pullwright.cli.options import At, DrainSeconds, Json, Newest, Slots, Status, TaskId
from pullwright.cli.speech import complain, set_up_logging
from pullwright.cli.tracker_groups import jira, linear, sentry

app = typer.Typer(
    name="agent",
    help="File a task, walk away, come back to a pull request.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(sandbox, name="sandbox")
app.add_typer(endpoint, name="endpoint")
app.add_typer(schedule, name="schedule")
app.add_typer(db, name="db")
app.add_typer(github, name="github")
app.add_typer(jira, name="jira")
app.add_typer(linear, name="linear")
app.add_typer(sentry, name="sentry")
app.add_typer(notify, name="notify")


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
def deliveries(
    source: Annotated[str, typer.Option(help="Only from there: github, jira, linear, sentry, generic.")] = "",
    status: Status = "",
    limit: Newest = 50,
    json: Json = False,
) -> None:
    """Show what reached the bot from other systems, what became of it, and why."""
    from pullwright.cli.commands.deliveries import deliveries_command

    raise typer.Exit(deliveries_command(source=source, status=status, limit=limit, json=json))


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
