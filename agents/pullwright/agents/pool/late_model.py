"""A replica's client that connects when the server is there: one that is down at the start joins later."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Self

from anyio import Lock

from pullwright.agents.ports.model import DeltaListener, Model, ModelReply, ModelRequest

OpenModel = Callable[[], AbstractAsyncContextManager[Model]]


class LateModel:
    """Implements ``Model`` by one that is opened at the first call, or by ``connect``. Make it with ``open``."""

    def __init__(self, make: OpenModel, stack: AsyncExitStack) -> None:
        self._make = make
        self._stack = stack
        self._model: Model | None = None
        self._one_at_a_time = Lock()

    @classmethod
    @asynccontextmanager
    async def open(cls, make: OpenModel) -> AsyncIterator[Self]:
        """Make one that is not connected yet, and close at the end what it has opened.

        Args:
            make: Opens the model. It may be opened in one task and closed in another, so it must hold no cancel scope.
        """
        async with AsyncExitStack() as stack:
            yield cls(make, stack)

    @property
    def name(self) -> str:
        """Empty until it is connected."""
        return self._model.name if self._model else ""

    @property
    def window(self) -> int:
        """0 until it is connected."""
        return self._model.window if self._model else 0

    async def connect(self) -> Model:
        """Open the model unless that was done.

        Raises:
            ModelError: It can not be opened now; a later call tries again.
        """
        async with self._one_at_a_time:
            if self._model is None:
                self._model = await self._stack.enter_async_context(self._make())
            return self._model

    async def complete(self, request: ModelRequest, on_delta: DeltaListener | None = None) -> ModelReply:
        return await (await self.connect()).complete(request, on_delta)

    def release(self, conversation_id: str) -> None:
        if self._model is not None:
            self._model.release(conversation_id)
