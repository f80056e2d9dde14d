"""An environment source that says what it was told to say."""

from __future__ import annotations

from anyio.lowlevel import checkpoint

from pullwright.agents.environment import PLAIN, Environment
from pullwright.agents.ports.sandbox import Base


class FakeEnvironments:
    """See ``EnvironmentSource`` for the contract.

    Args:
        environment: What every base asks for.
    """

    def __init__(self, environment: Environment = PLAIN) -> None:
        self.environment = environment

    async def read(self, base: Base) -> Environment:
        await checkpoint()
        return self.environment
