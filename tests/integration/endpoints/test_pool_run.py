"""Whole runs over real HTTP through what the settings describe, with everything but the model's servers in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from pullwright.agents.clock import SystemClock
from pullwright.agents.compaction import Compactor
from pullwright.agents.errors import ConfigError, ModelError
from pullwright.agents.events import ModelReplied
from pullwright.agents.message import UserMessage
from pullwright.agents.ports.model import Delta
from pullwright.agents.task import Task, TaskStatus
from pullwright.agents.testing.contracts_model import request
from pullwright.agents.testing.endpoint_script import by_turn
from pullwright.agents.testing.scripted_endpoint import Fault, FaultKind, ScriptedEndpoint
from pullwright.agents.testing.scripted_model import ScriptedModel
from pullwright.agents.worker.advance import Advancer
from pullwright.cli.model_wiring import OpenedModel, open_model
from pullwright.cli.settings import Settings
from pullwright.cli.settings_tables import EndpointTable
from tests.unit.agents.pipeline_scene import LOOK, WRITE, Scene, Turn, finish

pytestmark = pytest.mark.anyio

THOUGHTFUL = replace(WRITE, text="Now I write it down, in so many words that they come in several pieces.")
SCRIPT = by_turn({"": [LOOK, replace(LOOK, text="Once more."), THOUGHTFUL, finish()]})
STYLES = {"one": "vllm", "two": "llamacpp", "small": "sglang"}


class Servers:
    """Scripted servers by name; each can be killed on its own."""

    def __init__(self) -> None:
        self.up: dict[str, ScriptedEndpoint] = {}
        self._stacks: dict[str, ExitStack] = {}

    def start(self, name: str, *faults: FaultKind) -> ScriptedEndpoint:
        window = 131_072 if name == "small" else 262_144
        endpoint = ScriptedEndpoint(SCRIPT, style=STYLES[name], window=window, faults=[Fault(kind) for kind in faults])
        self._stacks[name] = ExitStack()
        self.up[name] = self._stacks[name].enter_context(endpoint)
        return self.up[name]

    def kill(self, name: str) -> None:
        self._stacks[name].close()

    def settings(self, folder: Path) -> Settings:
        tables = [{"name": name, "url": up.url, "profile": STYLES[name]} for name, up in self.up.items()]
        return Settings(home=folder, endpoints=tuple(map(EndpointTable.model_validate, tables)))


@pytest.fixture
def servers() -> Iterator[Servers]:
    started = Servers()
    yield started
    for name in started.up:
        started.kill(name)


async def run(folder: Path, opened: OpenedModel, on_delta: Callable[[Delta], None]) -> tuple[Task, list[ModelReplied]]:
    scene = Scene(model=ScriptedModel([]), patches=folder / "patches")
    model = opened.model
    parts = replace(
        scene.parts,
        model=model,
        clock=SystemClock(),
        on_delta=lambda _: on_delta,
        compactor=lambda: Compactor(model, opened.counter, window=lambda: model.window),
    )
    claimed = await scene.store.claim("w", (await scene.file()).id)
    assert claimed is not None
    await Advancer(parts)(Turn(task=claimed))
    done = await scene.store.get(claimed.id)
    return done, [event for event in await scene.events(done) if isinstance(event, ModelReplied)]


async def test_a_run_goes_on_at_another_endpoint_when_its_own_dies_in_the_middle_of_a_reply(
    tmp_path: Path, servers: Servers
) -> None:
    stalls = (FaultKind.NONE, FaultKind.NONE, FaultKind.STALL)
    one, two = servers.start("one", *stalls), servers.start("two", *stalls)
    killed: list[str] = []

    def kill_the_home_in_the_third_reply(delta: Delta) -> None:
        if not killed and len(one.requests) + len(two.requests) == 3:
            killed.append("one" if one.requests else "two")
            servers.kill(killed[0])

    async with open_model(servers.settings(tmp_path), killed.append) as opened:
        done, replies = await run(tmp_path, opened, kill_the_home_in_the_third_reply)
        assert done.status is TaskStatus.SUCCEEDED, done.status_reason
    (dead,) = killed
    (other,) = {"one", "two"} - {dead}
    assert [reply.endpoint for reply in replies] == [dead, dead, other, other]
    assert [reply.step for reply in replies] == [1, 2, 3, 4], "no turn is lost and none is taken twice"
    assert [history(body) for body in servers.up[other].requests] == [6, 8], "with all that was said"


def history(body: Mapping[str, object]) -> int:
    messages = body["messages"]
    assert isinstance(messages, list)
    return len(messages)


async def test_an_endpoint_that_is_down_at_the_start_does_not_hold_up_the_run(tmp_path: Path, servers: Servers) -> None:
    servers.start("one")
    servers.start("two")
    servers.kill("two")
    notes: list[str] = []
    async with open_model(servers.settings(tmp_path), notes.append) as opened:
        assert (opened.model.name, opened.model.window) == ("scripted-mistral", 262_144)
        done, replies = await run(tmp_path, opened, lambda delta: None)
        assert done.status is TaskStatus.SUCCEEDED, done.status_reason
    assert {reply.endpoint for reply in replies} == {"one"}


async def test_without_any_endpoint_the_first_reason_is_told(tmp_path: Path, servers: Servers) -> None:
    for name in ("one", "two"):
        servers.start(name)
        servers.kill(name)
    notes: list[str] = []
    with pytest.raises(ModelError, match=r"http://127\.0\.0\.1"):
        async with open_model(servers.settings(tmp_path), notes.append):
            pass
    assert len(notes) == 2


async def test_the_window_of_several_is_the_smallest(tmp_path: Path, servers: Servers) -> None:
    servers.start("one")
    servers.start("small")
    async with open_model(servers.settings(tmp_path), lambda note: None) as opened:
        await run(tmp_path, opened, lambda delta: None)
        assert opened.model.window == 131_072


async def test_a_single_endpoint_needs_no_pool(tmp_path: Path, servers: Servers) -> None:
    settings = Settings(home=tmp_path, endpoint_url=servers.start("one").url)
    async with open_model(settings, lambda note: None) as opened:
        done, replies = await run(tmp_path, opened, lambda delta: None)
    assert done.status is TaskStatus.SUCCEEDED, done.status_reason
    assert {reply.endpoint for reply in replies} == {""}


@pytest.mark.parametrize("names", [("one",), ("one", "small")])
async def test_the_server_counts_where_an_estimate_can_not_decide_and_only_there(
    tmp_path: Path, servers: Servers, names: tuple[str, ...]
) -> None:
    started = [servers.start(name) for name in names]
    async with open_model(servers.settings(tmp_path), lambda note: None) as opened:
        asked = request(UserMessage(content="word " * 2_000))
        guess = await opened.counter.count(asked, limit=200_000)
        assert (guess.exact, _counts(started)) == (False, 0)
        counted = await opened.counter.count(asked, limit=guess.tokens)
        assert (counted.exact, _counts(started)) == (True, 1)
        again = await opened.counter.count(asked, limit=guess.tokens)
        assert (again.tokens, _counts(started)) == (counted.tokens, 1), "what is known is not asked for again"


def _counts(endpoints: Sequence[ScriptedEndpoint]) -> int:
    return sum(endpoint.asked.count("/tokenize") for endpoint in endpoints)


async def test_a_tokenizer_file_without_its_library_is_one_line(tmp_path: Path) -> None:
    settings = Settings(endpoint_url="http://127.0.0.1:9/v1", tokenizer_file=tmp_path / "tekken.json")
    with pytest.raises(ConfigError, match="mistral-common") as caught:
        async with open_model(settings, print):
            pass
    assert "\n" not in str(caught.value)
