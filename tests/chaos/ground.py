"""The ground that runs are disturbed on: a forge, an endpoint, a store, and hosts."""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
import docker
from anyio import to_thread

from pullwright.agents.clock import SystemClock
from pullwright.agents.queue.claims import GIVE_UP
from pullwright.agents.queue.migrations import upgrade
from pullwright.agents.queue.open import open_store
from pullwright.agents.queue.sql_store import SqlStore
from pullwright.agents.task import LIVE, Task, TaskSpec, TaskStatus
from pullwright.agents.testing.scripted_endpoint import ScriptedEndpoint
from pullwright.integrations.testing.access import WRITE_ALL, TokenRights, token_of
from pullwright.integrations.testing.forge import RehearsalForge
from pullwright.integrations.testing.web_server import Request
from tests.chaos import story
from tests.chaos.hosts import Host

OWNER: Final = "acme"
MAX_LOSSES: Final = 100_000
"""Here workers die over runs all the time, and no run is the reason."""

LATENCY: Final = 0.1
LOOK_SECONDS: Final = 0.03
API_TOKEN: Final = "chaos-0123456789abcdef"

UNDER_WAY: Final = frozenset({TaskStatus.SCHEDULED, TaskStatus.QUEUED, TaskStatus.WAITING, *LIVE})


class Traps:
    """Kill the host that makes a request of a certain kind, before it hears the answer; the request is carried out."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        self._hosts = hosts
        self._lock = threading.Lock()
        self._wanted: list[tuple[str, str]] = []

    def add(self, method: str, ending: str) -> None:
        """Wait for one more request; every run makes one of each kind, so that it comes sooner or later."""
        with self._lock:
            self._wanted.append((method, ending))

    def __call__(self, request: Request) -> None:
        with self._lock:
            fitting = [one for one in self._wanted if one[0] == request.method and request.path.endswith(one[1])]
            host = next((host for host in self._hosts if host.token == token_of(request.headers)), None)
            if fitting and host is not None:
                self._wanted.remove(fitting[0])
                host.kill()


@dataclass(kw_only=True)
class Ground:
    """Everything that a disturbed run touches."""

    folder: Path
    forge: RehearsalForge
    store: SqlStore
    hosts: Sequence[Host]
    traps: Traps

    async def file(self, name: str) -> Task:
        """File one run on a repository, which is made if there is none of that name."""
        if self.forge.state.find(OWNER, name) is None:
            await to_thread.run_sync(self.forge.create_repository, OWNER, name, story.FILES)
        return await self.store.create(
            TaskSpec(instruction="go through chaos", repository=self.forge.ref(OWNER, name), title="chaos")
        )

    async def under_way(self) -> Sequence[Task]:
        return await self.store.list(limit=1000, statuses=UNDER_WAY)

    async def settled(self, seconds: float, tasks: Collection[str] | None = None) -> None:
        """Wait until none of these tasks, or of all, is under way."""
        left: Sequence[Task] = ()
        with anyio.move_on_after(seconds):
            while left := [one for one in await self.under_way() if tasks is None or one.id in tasks]:  # noqa: ASYNC110
                await anyio.sleep(0.1)
            return
        raise AssertionError(
            f"under way after {seconds:g} s: {[(one.id, one.status, one.status_reason) for one in left]}"
        )

    async def disown(self, worker_id: str) -> None:
        """Take the runs of a worker that lives, as no part of ours does."""
        await self.store._database.write(lambda tx: tx.run(GIVE_UP, worker_id=worker_id))
        await self.store.tend()

    def close_pull_requests(self) -> None:
        """Do what a person may: close every pull request, so that who does not look it up can open a second one."""
        person = self.forge.person("octocat")
        for repository in tuple(self.forge.state.repositories):
            for number in [number for number, pull in tuple(repository.pulls.items()) if pull.issue.state == "open"]:
                person.close(repository, number)

    async def holder(self, task_id: str) -> Host | None:
        """Return the host that has a task in hand."""
        task = await self.store.get(task_id)
        pids = {worker.id: worker.pid for worker in await self.store.workers()}
        return next((host for host in self.hosts if host.pid and host.pid == pids.get(task.worker_id)), None)

    async def until_event(self, task_id: str, type_: str, *, after: int = 0) -> int:
        """Wait for an event of a task and return its number."""
        while True:
            entries = await self.store.journal(task_id, after=after)
            for entry in entries:
                after = entry.seq
                if entry.event.type == type_:
                    return after
            await anyio.sleep(LOOK_SECONDS)

    def diffs(self, task: Task) -> list[bytes]:
        """Return what the pull requests of a task change."""
        name = task.spec.repository.name
        pulls = [pull for pull in self.forge.pull_requests(OWNER, name) if pull.branch == task.branch]
        return [self.forge.pull_request_diff(OWNER, name, pull.number) for pull in pulls]


@asynccontextmanager
async def open_ground(folder: Path, url: str, commands: Sequence[str] = ("worker", "worker")) -> AsyncIterator[Ground]:
    """Lay the ground; no host is started yet. Afterwards nothing of it is left."""
    with ExitStack() as stack:
        forge = stack.enter_context(RehearsalForge(folder / "forge"))
        endpoint = stack.enter_context(ScriptedEndpoint(story.answer, latency=LATENCY))
        hosts = [_host(folder, number, command, url, endpoint.url, forge) for number, command in enumerate(commands)]
        for host in hosts:
            stack.enter_context(_cleared(host))
        traps = Traps(hosts)
        forge.watch(traps)
        upgrade(url)  # here and not in a thread: in one process alembic can do one database at a time
        async with open_store(url, SystemClock(), max_losses=MAX_LOSSES) as store:
            yield Ground(folder=folder, forge=forge, store=store, hosts=hosts, traps=traps)


def _host(folder: Path, number: int, command: str, url: str, endpoint: str, forge: RehearsalForge) -> Host:
    token = f"ghp_Chaos{number}" + "0" * 30
    forge.add_token(token, TokenRights(user="pullwright-agent", permissions=WRITE_ALL))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_")}
    environment = {
        **inherited,
        "AGENT_DATABASE_URL": url,
        "AGENT_ENDPOINT_URL": endpoint,
        "AGENT_GITHUB_API_URL": forge.api_url,
        "AGENT_API_TOKEN": API_TOKEN,
        "AGENT_MAX_LOSSES": str(MAX_LOSSES),
        "REQUESTS_CA_BUNDLE": str(forge.ca_file),
        "GIT_SSL_CAINFO": str(forge.ca_file),
        "PYTHONSAFEPATH": "1",
    }
    return Host(name=f"host-{number}", folder=folder, environment=environment, token=token, command=command)


@contextmanager
def _cleared(host: Host) -> Iterator[None]:
    try:
        yield
    finally:
        host.thaw()
        host.kill()
        host.prune()


def instance(host: Host) -> str:
    """Return a host's name on the container engine; empty when it never had one."""
    file = host.home / "instance"
    return file.read_text().strip() if file.exists() else ""


def containers(host: Host) -> list[tuple[str, str]]:
    """Return id and task label of the running containers that belong to tasks of a host."""
    client = docker.from_env(environment=dict(host.environment))
    try:
        found = client.api.containers(filters={"label": f"pullwright.instance={instance(host)}"})
        labelled = [(str(one["Id"]), str((one["Labels"] or {}).get("pullwright.task", ""))) for one in found]
        return [(id_, task) for id_, task in labelled if task]
    finally:
        client.close()


def kill_container(id_: str) -> bool:
    """Kill a container; say whether it was still there."""
    client = docker.from_env()
    try:
        client.api.kill(id_)
    except docker.errors.APIError:
        return False
    finally:
        client.close()
    return True


def left_on_engine(host: Host) -> list[str]:
    """Return the containers and volumes that belong to tasks of a host."""
    client = docker.from_env(environment=dict(host.environment))
    try:
        label = {"label": f"pullwright.instance={instance(host)}"}
        found = [*client.api.containers(all=True, filters=label), *(client.api.volumes(filters=label)["Volumes"] or [])]
        return [
            str(one.get("Names") or one.get("Name")) for one in found if (one["Labels"] or {}).get("pullwright.task")
        ]
    finally:
        client.close()
