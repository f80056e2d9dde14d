"""Reads what engines say about themselves in Prometheus' text format."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from pullwright.agents.pool.load import Load

_RUNNING = frozenset({"vllm:num_requests_running", "sglang:num_running_reqs", "llamacpp:requests_processing"})
_WAITING = frozenset({"vllm:num_requests_waiting", "sglang:num_queue_reqs", "llamacpp:requests_deferred"})
_KV_SHARE = frozenset({"vllm:kv_cache_usage_perc", "sglang:token_usage"})
_KV_USED = "sglang:kv_used_tokens"
_KV_FREE = "sglang:kv_available_tokens"
_KV_BLOCKS = "vllm:cache_config_info"
_PREEMPTED = frozenset({"vllm:num_preemptions", "sglang:num_retracted_reqs"})
_WANTED = _RUNNING | _WAITING | _KV_SHARE | _PREEMPTED | {_KV_USED, _KV_FREE, _KV_BLOCKS}
_TOTAL = "_total"
_MOST_LINES = 512
_MOST_COUNT = 2**53


@dataclass(slots=True)
class _Sums:
    """Counts of all engines behind one address: with data parallelism each has its own labels."""

    counts: dict[str, float] = field(default_factory=dict)
    shares: list[float] = field(default_factory=list)
    kv_tokens: float = 0.0

    def add(self, name: str, value: float) -> None:
        self.counts[name] = self.counts.get(name, 0.0) + value

    def of(self, names: Iterable[str]) -> int | None:
        found = [self.counts[name] for name in names if name in self.counts]
        return int(min(sum(found), _MOST_COUNT)) if found else None


def read_metrics(text: str) -> Load | None:
    """Return the load in an engine's metrics, or None when none of its known names is there.

    Counters are read with and without the ``_total`` that some exporters append. Lines that can not be read are passed
    by, and so is everything that is not wanted, histograms above all.
    """
    sums = _Sums()
    for name, labels, value in _samples(text):
        if name in _KV_SHARE:
            sums.shares.append(min(value, 1.0))
        elif name == _KV_BLOCKS:
            sums.kv_tokens += _count(labels.get("num_gpu_blocks")) * _count(labels.get("block_size"))
        else:
            sums.add(name, value)
    return _load(sums) if sums.counts or sums.shares else None


def _load(sums: _Sums) -> Load:
    told = sums.of((_KV_USED, _KV_FREE)) if _KV_FREE in sums.counts else int(min(sums.kv_tokens, _MOST_COUNT))
    return Load(
        running=sums.of(_RUNNING) or 0,
        waiting=sums.of(_WAITING) or 0,
        kv_share=max(sums.shares, default=None),
        kv_tokens=told or None,
        preemptions=sums.of(_PREEMPTED),
    )


def _samples(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for line in _wanted_lines(text):
        try:
            found = [sample for family in text_string_to_metric_families(line) for sample in family.samples]
        except ValueError:
            continue
        for sample in found:
            if math.isfinite(sample.value) and sample.value >= 0:
                yield _plain(sample.name), sample.labels, float(sample.value)


def _wanted_lines(text: str) -> list[str]:
    lines = (line for line in text.splitlines() if _plain(line.partition("{")[0].partition(" ")[0]) in _WANTED)
    return [line for line, _ in zip(lines, range(_MOST_LINES), strict=False)]


def _plain(name: str) -> str:
    return name.removesuffix(_TOTAL)


def _count(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 12 else 0
