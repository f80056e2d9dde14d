"""What the intakes of all sources have in common: their shape, and what each is put together from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pullwright.agents.budget import Budget
from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import ConfigError
from pullwright.agents.intake.door import Door
from pullwright.agents.intake.source import Handler, Source
from pullwright.agents.llm.prices import cost_of_run
from pullwright.agents.ports.report import Landings, Reports, Standing
from pullwright.cli import wiring
from pullwright.cli.model_wiring import price_list
from pullwright.cli.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What comes in, who understands it, and who shows there what became of it."""

    doors: Sequence[Door] = ()
    handlers: Mapping[str, Handler] = field(default_factory=dict)
    sources: Sequence[Source] = ()
    reports: Mapping[str, Reports] = field(default_factory=dict)
    landings: Mapping[str, Landings] = field(default_factory=dict)
    """Who hears, by source, what became of a pull request after its task had ended."""
    notes: Sequence[str] = ()
    """What to tell the operator at the start."""

    def __or__(self, other: Intake) -> Intake:
        """Return both; they have no source in common."""
        return Intake(
            doors=[*self.doors, *other.doors],
            handlers={**self.handlers, **other.handlers},
            sources=[*self.sources, *other.sources],
            reports={**self.reports, **other.reports},
            landings={**self.landings, **other.landings},
            notes=[*self.notes, *other.notes],
        )


def marker_key(settings: Settings) -> bytes:
    """Return the key for markers, made from what every host of an installation has, and nobody else.

    Markers are public. The slow function keeps them from being a quick way to try out tokens: call it in a thread.
    """
    token = settings.api_token.get_secret_value().encode()
    return hashlib.scrypt(token, salt=b"pullwright markers", n=1 << 14, r=8, p=1, dklen=32)


def repository_of(settings: Settings) -> Callable[[str], RepositoryRef]:
    """Return what makes a reference of ``owner/name`` on the code host.

    Raises:
        ConfigError: The settings of the code host are wrong; what is returned raises it for another form.
    """
    github = wiring.github_settings(settings)

    def repository(slug: str) -> RepositoryRef:
        owner, _, name = slug.partition("/")
        if not owner or not name or "/" in name:
            raise ConfigError(f"{slug!r} is no repository; write it as owner/name")
        return RepositoryRef(url=github.clone_url(owner, name), host=github.web_host, owner=owner, name=name)

    return repository


def budget_of(settings: Settings) -> Budget:
    """Return what a task that came in may spend."""
    return Budget(max_steps=settings.max_steps, max_tokens=settings.max_tokens, max_seconds=60 * settings.max_minutes)


def cost_words(settings: Settings) -> Callable[[Standing], str]:
    """Return what says how much money a task has spent; empty where there is no price."""
    prices = price_list(settings)

    def cost(standing: Standing) -> str:
        return str(cost_of_run(standing.spent, prices, model=standing.model))

    return cost
