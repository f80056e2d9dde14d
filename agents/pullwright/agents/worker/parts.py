"""Parts: everything that runs are made of; put together by the composition root, shared by all runs of a worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pullwright.agents.budget import DayLimits, Usage
from pullwright.agents.change import RepositoryRef
from pullwright.agents.compaction import Compactor
from pullwright.agents.conversation import RunState
from pullwright.agents.llm.prices import Cost, PriceList, cost_of_run
from pullwright.agents.ports.clock import Clock
from pullwright.agents.ports.code_host import CodeHost, Wording
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.mirror import Mirror
from pullwright.agents.ports.model import DeltaListener, Model, ReasoningEffort
from pullwright.agents.ports.sandbox import EnvironmentSource, SandboxProvider, Verifier
from pullwright.agents.recorder import Meter


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What an attempt at a task needs around it."""

    store: DurableStore
    model: Model
    sandboxes: SandboxProvider
    verifier: Verifier
    environments: EnvironmentSource
    mirror: Mirror
    code_host: Callable[[RepositoryRef], CodeHost | None]
    """Finds the code host of a repository; None where there is none that this installation may speak to."""
    wording: Wording
    clock: Clock
    patches: Path
    """Folder for patch files."""
    effort: ReasoningEffort = ReasoningEffort.HIGH
    on_delta: Callable[[str], DeltaListener | None] = lambda _: None
    """By task id, who is told what the model says while it says it."""
    compactor: Callable[[], Compactor] | None = None
    """Makes what keeps a run's conversation within the model's window."""
    prices: PriceList = field(default_factory=dict)
    """What each endpoint costs, as far as that is known."""

    limits: DayLimits = field(default_factory=DayLimits)
    """What all runs together may spend on a day."""

    def meter(self) -> Meter:
        """Return what reads an attempt's spending from now on."""
        return Meter(self.clock, self._price)

    def _price(self, endpoint: str, usage: Usage) -> float | None:
        dollars = cost_of_run({endpoint: usage}, self.prices, model=self.model.name).dollars
        return None if dollars is None else float(dollars)

    def cost(self, state: RunState) -> Cost:
        """Return what a run has cost until now."""
        return cost_of_run(state.spent, self.prices, model=self.model.name)
