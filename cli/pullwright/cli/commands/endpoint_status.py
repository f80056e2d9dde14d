"""``agent endpoint status``: how the configured endpoints are now, asked once."""

from __future__ import annotations

import json as json_
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from anyio import create_task_group

from pullwright.agents.llm.settings import EndpointSettings
from pullwright.agents.pool.endpoint import Endpoint
from pullwright.agents.pool.health import PLANS, HttpProber, Prober
from pullwright.agents.pool.load import Load
from pullwright.cli.model_wiring import pooled, require_endpoint
from pullwright.cli.runtime import interruptible, run_async
from pullwright.cli.settings import Settings, load_settings
from pullwright.cli.settings_tables import EndpointTable

SINGLE = "endpoint"
"""What the only endpoint is called here; it has no name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What one endpoint answered."""

    name: str
    url: str
    """Without what could be a secret in it."""
    healthy: bool
    asked: str
    """The path that tells the health."""
    load: Load | None
    """None where the engine does not tell."""


def status_command(*, json: bool) -> int:
    """Print the health and the load of every configured endpoint; 0 when all are healthy, 1 otherwise.

    Raises:
        ConfigError: No endpoint is configured.
    """
    settings = load_settings(Path.cwd())
    require_endpoint(settings)

    async def look() -> int:
        states = await look_at(endpoints(settings))
        for state in states:
            sys.stdout.write((json_.dumps(asdict(state)) if json else in_words(state)) + "\n")
        return 0 if all(state.healthy for state in states) else 1

    return run_async(interruptible, look)


def endpoints(settings: Settings) -> list[Endpoint]:
    """Return every configured endpoint as a pool sees it."""
    single = EndpointTable.model_construct(
        name=SINGLE, url=settings.endpoint_url, key=settings.endpoint_key, profile=settings.endpoint_profile
    )
    return [pooled(table) for table in settings.endpoints or (single,)]


async def look_at(asked: Sequence[Endpoint]) -> list[State]:
    """Ask all endpoints at once, each once."""
    states: dict[str, State] = {}
    async with HttpProber.open(secure=any(one.url.startswith("https:") for one in asked)) as prober:

        async def look(one: Endpoint) -> None:
            states[one.name] = await _look(one, prober)

        async with create_task_group() as group:
            for one in asked:
                group.start_soon(look, one)
    return [states[one.name] for one in asked]


async def _look(one: Endpoint, prober: Prober) -> State:
    plan = PLANS[one.profile]
    healthy = await prober.healthy(one)
    load = await prober.load(one) if healthy and plan.metrics else None
    url = EndpointSettings(url=one.url).shown_url
    return State(name=one.name, url=url, healthy=healthy, asked=plan.health, load=load)


def in_words(state: State) -> str:
    """Return a line for people."""
    if not state.healthy:
        return f"✘ {state.name} at {state.url}: no healthy answer from {state.asked}; start it, or look at its log"
    told = ", ".join(_load(state.load)) if state.load else "its engine tells no load"
    return f"✔ {state.name} at {state.url}: healthy; {told}"


def _load(load: Load) -> Iterator[str]:
    yield f"{load.running} running"
    yield f"{load.waiting} waiting"
    if load.kv_share is not None:
        yield f"KV cache {load.kv_share:.0%} full"
    if load.kv_tokens is not None:
        yield f"{load.kv_tokens:,} tokens fit in it"
    if load.preemptions:
        yield f"{load.preemptions} preemptions since it started"
