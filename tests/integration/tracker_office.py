"""What the tests of all trackers work with: a door over real HTTP, and somebody who deals with what comes in by it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pullwright.agents.change import RepositoryRef
from pullwright.agents.intake.decisions import Decision
from pullwright.agents.intake.door import PATH_SECRET, Door, Headers, Particular, Unreadable
from pullwright.agents.intake.reception import Reception
from pullwright.agents.intake.source import Handler
from pullwright.agents.ports.inbox import Delivery, DeliveryStatus, NewDelivery
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.task import Task
from pullwright.agents.testing.fake_clock import FakeClock


class Ticking:
    """A clock that goes on by a second whenever it is read, so that nothing happens at the same time."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        with self._lock:
            self.now += timedelta(seconds=1)
            return self.now


class Receiver:
    """Lets hooks in by a door, over real HTTP, and keeps what came of them."""

    def __init__(self, door: Door) -> None:
        self.came: list[NewDelivery] = []
        self.refused: list[str] = []
        self.door = door
        receiver = self

        class HookHandler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = [*self.headers.items(), (PATH_SECRET, self.path.rpartition("/")[2])]
                self.send_response(receiver.take(headers, body))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), HookHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/webhooks/{door.source}/{door.connection}"

    def take(self, headers: Headers, body: bytes) -> int:
        """Return the status that a delivery is answered with."""
        if problem := self.door.problem(headers, body, now=datetime.now(UTC).timestamp()):
            self.refused.append(problem)
            return 401
        read = self.door.read(headers, body)
        if isinstance(read, Unreadable):
            self.refused.append(read.detail)
            return read.status
        self.came.append(read)
        return self.door.success_status if isinstance(self.door, Particular) else 202

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Desk:
    """Where deliveries arrive and are dealt with; ``sent`` returns when all hooks of the tracker are delivered."""

    def __init__(
        self, door: Door, handler: Handler, *, store: MemoryStore, clock: FakeClock, sent: Callable[[], None]
    ) -> None:
        self.handler, self.store, self.clock = handler, store, clock
        self.receiver = Receiver(door)
        self._sent = sent
        self._taken = 0

    async def arrived(self) -> list[NewDelivery]:
        """Return what has come by hook since the last time."""
        self._sent()
        news = self.receiver.came[self._taken :]
        self._taken += len(news)
        return news

    async def settle(self) -> list[Delivery]:
        """Deal with everything that came, and return what became of it, oldest first."""
        for delivery in await self.arrived():
            await self.store.receive(delivery)
        handlers = {self.receiver.door.source: self.handler}
        await Reception(self.store, handlers, clock=self.clock).deal_with_all("w")
        return list(await self.store.deliveries())[::-1]

    async def decide(self) -> Decision:
        """Return what is decided about what came last; it is not carried out."""
        for delivery in await self.arrived():
            await self.store.receive(delivery)
        waiting = await self.store.deliveries(status=DeliveryStatus.WAITING)
        return await self.handler.handle(waiting[0])

    async def tasks(self) -> list[Task]:
        return list(await self.store.list())

    def close(self) -> None:
        self.receiver.close()


def repository(slug: str) -> RepositoryRef:
    owner, _, name = slug.partition("/")
    return RepositoryRef(url=f"https://git.example/{slug}.git", host="git.example", owner=owner, name=name)
