"""Puts together what runs think with: one endpoint or a pool of several, and what counts and prices their tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from anyio import Event, create_task_group, sleep

from pullwright.agents.background import beside
from pullwright.agents.errors import ConfigError, ModelError, ModelUnavailable
from pullwright.agents.llm.prices import MEDIUM_3_5, Price, PriceList, Prices
from pullwright.cli.settings import Settings
from pullwright.cli.settings_tables import EndpointTable

if TYPE_CHECKING:
    from pullwright.agents.llm.counting import EndpointCounter, ExactCounter
    from pullwright.agents.llm.self_test import SelfTest
    from pullwright.agents.llm.settings import EndpointSettings
    from pullwright.agents.pool.endpoint import Endpoint
    from pullwright.agents.pool.late_model import LateModel
    from pullwright.agents.ports.model import Model

POOLED_RETRY_SECONDS: Final = 20.0
"""How long the client of one of several endpoints tries again before the pool goes on with another."""

AGAIN_SECONDS: Final = 1.0
"""How often an endpoint that was not there at the start is looked for."""

Note = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedModel:
    """What runs talk to, and what counts for it."""

    model: Model
    counter: EndpointCounter


def require_endpoint(settings: Settings) -> None:
    """Check what can be checked without asking anybody.

    Raises:
        ConfigError: There is no endpoint to ask.
    """
    if not settings.each_endpoint():
        raise ConfigError(
            "there is no model endpoint; set AGENT_ENDPOINT_URL to one that speaks OpenAI's API (http://HOST:PORT/v1)"
        )


def endpoint_settings(settings: Settings) -> EndpointSettings:
    """Return what the settings say about the only endpoint."""
    from pullwright.agents.llm.settings import EndpointSettings

    return EndpointSettings(
        url=settings.endpoint_url,
        key=settings.endpoint_key.get_secret_value(),
        model=settings.model,
        profile=settings.endpoint_profile,
        log_prompts=settings.log_prompts,
    )


async def probe_endpoint(settings: Settings) -> SelfTest:
    """Try what runs need of the only endpoint.

    Raises:
        ModelUnavailable: It does not answer.
    """
    from pullwright.agents.llm.self_test import self_test

    return await self_test(endpoint_settings(settings))


@asynccontextmanager
async def open_model(
    settings: Settings, note: Note, *, when_ready: Callable[[], None] | None = None
) -> AsyncIterator[OpenedModel]:
    """Connect to the endpoint, or to as many of several as answer.

    Args:
        settings: Where they are.
        note: Told which of them is missing at the start; it joins when it is there.
        when_ready: Called when one is connected, which may be long after the block has begun. Without it the block
            begins when one is connected, or not at all.

    Raises:
        ConfigError: A setting can not be right.
        ModelError: The endpoint does not answer, or refuses the key; of several: all of them.
    """
    from pullwright.agents.llm.counting import EndpointCounter
    from pullwright.agents.llm.openai_model import OpenAIModel

    each = settings.each_endpoint()
    models: dict[str, Model] = {}
    async with AsyncExitStack() as stack:
        counter = EndpointCounter(await _exact_counter(settings, models, stack))
        if len(each) == 1 and when_ready is None:
            ((name, only),) = each.items()
            models[name] = model = await stack.enter_async_context(
                OpenAIModel.open(endpoint_settings(only), count=counter.known)
            )
            yield OpenedModel(model=model, counter=counter)
        else:
            late = await _late_models(each, counter, stack)
            models.update(late)
            await _await_arrivals(late, note, when_ready, stack)
            yield OpenedModel(model=await _one_of(settings.endpoints, late, stack), counter=counter)


async def _late_models(
    each: Mapping[str, Settings], counter: EndpointCounter, stack: AsyncExitStack
) -> Mapping[str, LateModel]:
    from pullwright.agents.llm.openai_model import OpenAIModel
    from pullwright.agents.llm.retry import RetryPolicy
    from pullwright.agents.pool.late_model import LateModel, OpenModel

    pooled = RetryPolicy(budget=POOLED_RETRY_SECONDS, loading_budget=POOLED_RETRY_SECONDS)
    retry = pooled if len(each) > 1 else RetryPolicy()

    def opening(one: Settings) -> OpenModel:
        return lambda: OpenAIModel.open(endpoint_settings(one), retry=retry, count=counter.known)

    return {name: await stack.enter_async_context(LateModel.open(opening(one))) for name, one in each.items()}


async def _await_arrivals(
    late: Mapping[str, LateModel], note: Note, when_ready: Callable[[], None] | None, stack: AsyncExitStack
) -> None:
    """Wait until one endpoint is connected, or have that waited for beside what follows."""
    arrivals = _Arrivals(late, note, patient=when_ready is not None)
    await stack.enter_async_context(beside(arrivals.connect))
    if when_ready is None:
        await arrivals.first()
        return

    async def announce() -> None:
        await arrivals.first()
        when_ready()

    await stack.enter_async_context(beside(announce))


async def _one_of(tables: Sequence[EndpointTable], late: Mapping[str, LateModel], stack: AsyncExitStack) -> Model:
    """Return the only model, or a pool of several."""
    if len(late) == 1:
        return next(iter(late.values()))
    from pullwright.agents.pool.endpoint import Replica
    from pullwright.agents.pool.pool import EndpointPool

    replicas = [Replica(endpoint=pooled(table), model=late[table.name]) for table in tables]
    return await stack.enter_async_context(EndpointPool.open(replicas))


def pooled(table: EndpointTable) -> Endpoint:
    """Return what the pool has to know about an endpoint."""
    from pullwright.agents.pool.endpoint import Endpoint

    return Endpoint(
        name=table.name,
        url=table.url,
        profile=table.profile,
        key=table.key.get_secret_value(),
        kv_tokens=table.kv_tokens,
    )


class _Arrivals:
    """Connects to all endpoints at once; a run begins when the first is there."""

    def __init__(self, models: Mapping[str, LateModel], note: Note, *, patient: bool) -> None:
        """Make one.

        Args:
            models: By name, which is empty for a single one.
            note: Told which of them is missing.
            patient: Ask those that do not answer again until one does.
        """
        self._models = models
        self._note = note
        self._patient = patient
        self._troubles: list[ModelError] = []
        self._decided = Event()

    @staticmethod
    def _called(name: str) -> str:
        return f"endpoint {name}" if name else "the endpoint"

    async def connect(self) -> None:
        async with create_task_group() as group:
            for name, model in self._models.items():
                group.start_soon(self._connect, name, model)

    async def first(self) -> None:
        """Wait until one is connected.

        Raises:
            ModelError: None can be; the reason of the first that said so.
        """
        await self._decided.wait()
        if len(self._troubles) == len(self._models):
            raise self._troubles[0]

    async def _connect(self, name: str, model: LateModel) -> None:
        try:
            await self._until_there(name, model)
        except ModelError as error:
            if len(self._models) > 1:
                self._note(f"{self._called(name)} can not be used now: {error}")
            self._troubles.append(error)
            if len(self._troubles) < len(self._models):
                return
        self._decided.set()

    async def _until_there(self, name: str, model: LateModel) -> None:
        """Connect; where it is not there, and patience asks for it, once more until any of them is."""
        told = False
        while not self._decided.is_set():
            try:
                await model.connect()
            except ModelUnavailable as error:
                if not self._patient:
                    raise
                if not told:
                    self._note(f"work begins when {self._called(name)} answers: {error}")
                told = True
                await sleep(AGAIN_SECONDS)
            else:
                if told:
                    self._note(f"{self._called(name)} answers: work begins")
                return


async def _exact_counter(settings: Settings, models: Mapping[str, Model], stack: AsyncExitStack) -> ExactCounter | None:
    """Return the model's own tokenizer where it is configured, else the servers that count, if any does."""
    from pullwright.agents.llm.exact_counts import FirstOf, ServerCounter, TokenizerCounter

    if settings.tokenizer_file is not None:
        return await TokenizerCounter.load(settings.tokenizer_file.expanduser())

    def model_of(name: str) -> Callable[[], str]:
        return lambda: models[name].name

    counters = [
        await stack.enter_async_context(ServerCounter.open(endpoint_settings(one), model=model_of(name)))
        for name, one in settings.each_endpoint().items()
        if ServerCounter.offered_by(one.endpoint_profile)
    ]
    return FirstOf(*counters) if counters else None


def price_list(settings: Settings) -> PriceList:
    """Return what each endpoint costs, as far as the settings say it."""
    each = settings.each_endpoint()
    # A journal names the endpoint only where there are several.
    return {name if len(each) > 1 else "": _prices(one) for name, one in each.items()}


def _prices(settings: Settings) -> Prices:
    hosted = settings.endpoint_profile == "mistral"
    table = (MEDIUM_3_5,) if hosted else ()
    if settings.price_input is not None and settings.price_output is not None:
        own = Price(
            pattern="",
            prompt=settings.price_input,
            completion=settings.price_output,
            cached=settings.price_cached_input,
        )
        table = (own,)
    return Prices(table=table, gpus=0 if hosted else settings.gpus, gpu_hour=settings.gpu_hour_price)
