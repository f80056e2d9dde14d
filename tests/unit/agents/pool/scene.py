"""What the pool's tests share: replicas whose models follow a script, and servers that are as healthy as told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from pullwright.agents.message import SystemMessage, UserMessage
from pullwright.agents.pool.endpoint import Endpoint, Replica
from pullwright.agents.pool.load import Load
from pullwright.agents.ports.model import DeltaListener, Model, ModelReply, ModelRequest
from pullwright.agents.testing.scripted_model import ScriptedModel, ScriptItem


def replica(name: str, *script: ScriptItem, profile: str = "vllm", kv_tokens: int = 0) -> Replica:
    return hosting(name, ScriptedModel(script, name=name), profile=profile, kv_tokens=kv_tokens)


def hosting(name: str, model: Model, *, profile: str = "vllm", kv_tokens: int = 0) -> Replica:
    endpoint = Endpoint(name=name, url=f"http://{name}.test/v1", profile=profile, kv_tokens=kv_tokens)
    return Replica(endpoint=endpoint, model=model)


def requests(one: Replica) -> list[ModelRequest]:
    """What its model was asked."""
    assert isinstance(one.model, ScriptedModel)
    return one.model.requests


def asked(one: Replica) -> int:
    """How often its model was asked."""
    return len(requests(one))


def request(conversation_id: str = "task") -> ModelRequest:
    messages = (SystemMessage(content="You fix things."), UserMessage(content="Fix it."))
    return ModelRequest(conversation_id=conversation_id, messages=messages, tools=())


class Hanging:
    """A model that never answers."""

    name = "hanging"
    window = 0

    def __init__(self) -> None:
        self.asked = anyio.Event()
        self.canceled = False

    async def complete(self, request: ModelRequest, on_delta: DeltaListener | None = None) -> ModelReply:
        self.asked.set()
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            self.canceled = True
            raise
        raise AssertionError("unreachable")

    def release(self, conversation_id: str) -> None:
        pass


class ToldProber:
    """Implements ``Prober``: answers what it was told and notes when it was asked."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.sick: set[str] = set()
        self.loads: dict[str, Load] = {}
        self.asked: list[tuple[float, str]] = []
        """When the health of which endpoint was asked for."""

    async def healthy(self, endpoint: Endpoint) -> bool:
        self.asked.append((self._clock.monotonic(), endpoint.name))
        await checkpoint()
        return endpoint.name not in self.sick

    async def load(self, endpoint: Endpoint) -> Load | None:
        await checkpoint()
        return self.loads.get(endpoint.name)


class ManualClock:
    """Sleepers wake when the test moves the time past their end."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self._sleepers: list[tuple[float, anyio.Event]] = []

    def now(self) -> datetime:
        return datetime(2026, 11, 1, tzinfo=UTC) + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        woken = anyio.Event()
        self._sleepers.append((self.elapsed + seconds, woken))
        await woken.wait()

    async def advance(self, seconds: float) -> None:
        """Move time on from one end of a sleep to the next, and let everybody act at each."""
        end = self.elapsed + seconds
        await _settle()
        while due := min((when for when, _ in self._sleepers if when <= end), default=None):
            self.elapsed = due
            for when, woken in self._sleepers:
                if when <= due:
                    woken.set()
            self._sleepers = [sleeper for sleeper in self._sleepers if not sleeper[1].is_set()]
            await _settle()
        self.elapsed = end


async def _settle() -> None:
    """Wait until everybody waits. A few turns first: the look at all tasks takes a tenth of a second if one can run."""
    for _ in range(20):
        await checkpoint()
    await wait_all_tasks_blocked()
