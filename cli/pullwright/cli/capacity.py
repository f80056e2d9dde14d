"""How many runs this host can take at once."""

from __future__ import annotations

import os
from typing import Final

from pullwright.cli.settings import Settings

MEMORY_SHARE: Final = 0.8
"""Part of the host's memory that sandboxes may fill; the rest is the worker's, the engine's and the page cache's."""

RUNS_PER_CORES: Final = 4
"""How many runs share the cores of one sandbox: most of the time each of them waits for the model."""


def default_slots(settings: Settings) -> int:
    """Return how many runs fit: by the memory that each sandbox may fill, and by the cores that they share."""
    if settings.slots:
        return settings.slots
    return slots_for(settings, memory_mb=_memory_mb(), cores=os.cpu_count() or 1)


def slots_for(settings: Settings, *, memory_mb: float, cores: int) -> int:
    """Return how many runs fit in so much memory and on so many cores; at least one."""
    by_memory = MEMORY_SHARE * memory_mb / settings.sandbox_memory_mb
    by_cores = RUNS_PER_CORES * cores / settings.sandbox_cpus
    return max(1, int(min(by_memory, by_cores)))


def _memory_mb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 20)
