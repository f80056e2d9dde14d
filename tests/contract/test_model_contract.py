from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from pullwright.agents.llm.openai_model import OpenAIModel
from pullwright.agents.llm.profile import PROFILES
from pullwright.agents.llm.settings import EndpointSettings
from pullwright.agents.ports.model import Model
from pullwright.agents.testing.contracts_model import ModelContract, OpenModel
from pullwright.agents.testing.scripted_endpoint import ScriptedEndpoint
from pullwright.agents.testing.scripted_model import Reply, ScriptedModel

pytestmark = pytest.mark.anyio


class TestScriptedModel(ModelContract):
    @pytest.fixture(params=["asyncio", "trio"])
    def anyio_backend(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def open_model(self) -> OpenModel:
        @asynccontextmanager
        async def open_model(script: Sequence[Reply]) -> AsyncIterator[Model]:
            yield ScriptedModel(script)

        return open_model


@pytest.mark.parametrize("profile", PROFILES)
class TestOpenAIModel(ModelContract):
    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture
    def open_model(self, profile: str) -> OpenModel:
        @asynccontextmanager
        async def open_model(script: Sequence[Reply]) -> AsyncIterator[Model]:
            with ScriptedEndpoint(script, style=profile.removeprefix("nim-")) as endpoint:
                async with OpenAIModel.open(EndpointSettings(url=endpoint.url, profile=profile)) as model:
                    yield model

        return open_model
