"""Background services in a container without Python: each is one exec whose output is read as long as it lasts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from pullwright.agents.errors import SandboxError, ServiceError
from pullwright.agents.ports.sandbox import ServiceState
from pullwright.sandbox.docker_engine import ExecStream
from pullwright.sandbox.exec_run import Transcript, output
from pullwright.sandbox.exec_scripts import KEEPER_MARK, SERVICE_MARKS

MOST_SERVICES = 8
LOG_BYTES = 65_536
"""Bytes of a service's log that are kept, half at each end."""
START_LIMIT = 30.0
"""Seconds that the engine may take to start a service."""
SETTLE_SECONDS = 1.0
"""How long the end of a log may come after the exit code; what a service left behind may hold it open for ever."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(slots=True, kw_only=True)
class ExecService:
    """One service and what is known of it."""

    name: str
    mark: str
    """What its processes are known by inside."""
    transcript: Transcript = field(default_factory=lambda: Transcript(LOG_BYTES))
    started: anyio.Event = field(default_factory=anyio.Event)
    ended: anyio.Event = field(default_factory=anyio.Event)
    """Its output has ended: nothing of it is left."""
    word: str = ""
    """The last thing that its script said: ``ready``, or its exit code."""

    def state(self, limit: int, *, stopped: bool = False) -> ServiceState:
        """Return how it is, with up to ``limit`` bytes of its log."""
        running = self.word in ("", "ready") and not self.ended.is_set() and not stopped
        code = int(self.word) if re.fullmatch(r"[0-9]{1,3}", self.word) and int(self.word) <= 128 else None
        return ServiceState(name=self.name, running=running, exit_code=code, log=output(self.transcript.stdout, limit))

    async def settle(self) -> None:
        """Once its script has ended, wait a moment for the rest of its log: both come by different ways."""
        if self.word not in ("", "ready"):
            with anyio.move_on_after(SETTLE_SECONDS):
                await self.ended.wait()

    def listen(self) -> None:
        """Take in what its script has said."""
        words = []
        while trailer := self.transcript.take_trailer():
            words.append(trailer.word)
        if words:
            self.word = words[0]  # the last is found first
            self.started.set()


class ExecServices:
    """The services by name."""

    def __init__(self) -> None:
        self._by_name: dict[str, ExecService] = {}
        self._group: TaskGroup | None = None
        self._serving = anyio.Event()

    async def serve(self) -> None:
        """Read what the services print, until it is canceled."""
        async with anyio.create_task_group() as group:
            self._group = group
            self._serving.set()
            await anyio.sleep_forever()

    @property
    def kept(self) -> str:
        """The marks of all processes that are not a command's."""
        return " ".join([str(KEEPER_MARK), *(service.mark for service in self._by_name.values())])

    def reserve(self, name: str) -> ExecService:
        """Take a name.

        Raises:
            ServiceError: It is taken or malformed, or there are too many services.
        """
        if not _NAME.fullmatch(name):
            raise ServiceError(
                f"service name {name[:80]!r} is not allowed: a letter or digit, then letters, digits, '.', '_' and '-'"
            )
        if name in self._by_name:
            raise ServiceError(f"service {name!r} is there already: stop it first, or take another name")
        if len(self._by_name) >= MOST_SERVICES:
            raise ServiceError(f"service {name!r} is one too many: stop another first")
        used = {service.mark for service in self._by_name.values()}
        mark = next(str(mark) for mark in SERVICE_MARKS if str(mark) not in used)
        self._by_name[name] = ExecService(name=name, mark=mark)
        return self._by_name[name]

    def find(self, name: str) -> ExecService:
        """Return a service.

        Raises:
            ServiceError: There is none of that name.
        """
        service = self._by_name.get(name)
        if service is None:
            raise ServiceError(f"there is no service {name[:80]!r}: start it first")
        return service

    def forget(self, service: ExecService) -> None:
        """Free its name."""
        self._by_name.pop(service.name, None)

    async def follow(self, service: ExecService, stream: ExecStream) -> None:
        """Read what a service prints from now on, and return once it runs.

        Raises:
            ServiceError: It did not start.
        """
        await self._serving.wait()
        assert self._group is not None
        self._group.start_soon(self._read, service, stream)
        with anyio.move_on_after(START_LIMIT):
            await service.started.wait()
        if not service.word:
            raise ServiceError(f"service {service.name!r} could not be started: the container did not run its shell")

    async def _read(self, service: ExecService, stream: ExecStream) -> None:
        try:
            async with stream:
                await service.transcript.follow(stream, service.listen)
        except SandboxError:
            return  # nothing more is known of it than that it is no longer there
        finally:
            service.ended.set()
            service.started.set()
