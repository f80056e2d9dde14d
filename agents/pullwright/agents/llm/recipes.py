"""Launch commands for the servers that can run the model. Their words are data, in ``recipes.toml``."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from string import Template
from types import MappingProxyType
from typing import Any, Final

from pullwright.agents.errors import ConfigError
from pullwright.agents.llm.capacity import GB, GPU_RESERVE, PAGED, SLOTS, Capacity, Gpus, KvCache, Wish, fit

SERVERS: Final = ("vllm", "sglang", "ollama", "llamacpp", "nim")
QUANTIZATIONS: Final = MappingProxyType({"q4": "Q4_K_M", "q8": "Q8_0"})
LEAST_QUEUE: Final = 8
"""Requests that may wait even on a server for few agents."""
CARD_SEQUENCES: Final = 128
"""The model card's limit of sequences in a batch."""


class Fp8Support(StrEnum):
    """What a GPU does with FP8 weights."""

    NATIVE = "native"
    WEIGHTS_ONLY = "weights only"
    """They are unpacked to BF16 for each multiplication."""
    NONE = "none"
    UNKNOWN = "unknown"


_ARCHITECTURES: Final = (
    # The names as cloud providers and lspci write them, without spaces.
    (r"V100|P100|P40|T4|MI[12][0-9]{2}X?", Fp8Support.NONE),
    (r"A100|A800|A[1-4]0G?|A16|A2|A[4-6]000|RTXA[4-6]000|(RTX)?30[5-9]0", Fp8Support.WEIGHTS_ONLY),
    (
        r"G?H[12]00|H[28]0|L40S?|L4|G?B[123]00|MI3[0-9]{2}[AX]?|RTX(PRO)?[4-6]000(ADA)?|(RTX)?[45]0[6-9]0|GB10",
        Fp8Support.NATIVE,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Where public sources differ, or what is easily missed."""

    topic: str
    claim: str
    """What is said elsewhere; empty when nothing is."""
    follow: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How to start one server."""

    server: str
    profile: str
    url: str
    prepare: tuple[str, ...]
    """Commands that are run once before."""
    lines: tuple[tuple[str, ...], ...]
    """The words of the command, as they are spread over lines."""
    then: tuple[str, ...]
    """Commands that are run once while it runs."""
    capacity: Capacity
    reads: str
    """Where Pullwright sees how busy the server is."""
    watch: str
    """Where an operator sees whether drafts are accepted; empty without a draft head."""
    notes: tuple[Note, ...]

    @property
    def command(self) -> str:
        """The command, for a shell."""
        return " \\\n  ".join(" ".join(map(_quoted, line)) for line in self.lines)

    @property
    def words(self) -> tuple[str, ...]:
        """The command, word by word."""
        return tuple(word for line in self.lines for word in line)


def recipe(server: str, wish: Wish) -> Recipe:
    """Return the recipe for a server on these GPUs.

    Raises:
        ConfigError: There is no such server, or what is wished does not fit; the line says what would.
    """
    if server not in SERVERS:
        raise ConfigError(f"there is no recipe for {server[:40]!r}; there is one for {', '.join(SERVERS)}")
    data = _data()[server]
    paged = data["memory"] == "paged"
    support = fp8_support(wish.gpus.name)
    if paged:
        _refuse_gpu(server, wish.gpus, support)
    capacity = fit(PAGED if paged else SLOTS, wish)
    if server == "ollama" and capacity.weights.name != "q4":
        raise ConfigError("the recipe for ollama is for its usual Q4 tag; for Q8 use `llamacpp --weights q8`")
    values = _values(wish.gpus, capacity)
    lines = [tuple(Template(word).substitute(values) for word in line) for line in _lines(data, wish.kv)]
    return Recipe(
        server=server,
        profile=data["profile"],
        url=data["url"],
        prepare=tuple(shlex.join(line) for line in data["prepare"]),
        lines=tuple(lines),
        then=tuple(shlex.join(line) for line in data["then"]),
        capacity=capacity,
        reads=data["reads"],
        watch=data["watch"],
        notes=(*(_gpu_notes(wish, support) if paged else ()), *_kv_notes(wish), *_notes(server)),
    )


def fp8_support(name: str) -> Fp8Support:
    """Return what GPUs of this name do with FP8, as far as it is known."""
    plain = re.sub(r"[ _.-]|NVIDIA|AMD|GEFORCE|SXM[0-9]?|PCIE|NVL$", "", name.upper())
    return next((support for names, support in _ARCHITECTURES if re.fullmatch(names, plain)), Fp8Support.UNKNOWN)


def _is_amd(gpus: Gpus) -> bool:
    return re.search(r"(^|[_.-])MI[0-9]{3}", gpus.name) is not None


def _refuse_gpu(server: str, gpus: Gpus, support: Fp8Support) -> None:
    if support is Fp8Support.NONE:
        raise ConfigError(f"{gpus.name} can not run the FP8 weights that {server} needs; what fits: llamacpp or ollama")
    if server == "nim" and _is_amd(gpus):
        raise ConfigError(f"NIM runs on NVIDIA GPUs only, not on {gpus.name}; what fits: vllm or sglang")


def _gpu_notes(wish: Wish, support: Fp8Support) -> Iterator[Note]:
    topic = f"FP8 on {wish.gpus.name}"
    if support is Fp8Support.WEIGHTS_ONLY:
        kv = ", and check that the server starts with an FP8 KV cache" if wish.kv is KvCache.FP8 else ""
        yield Note(
            topic=topic,
            claim="FP8 weights need Hopper",
            follow=f"the same command; expect a slower prefill{kv}",
            why="its tensor cores have no FP8: Marlin kernels keep the weights in FP8 and unpack them as they go",
        )
    if support is Fp8Support.UNKNOWN:
        yield Note(
            topic=topic,
            claim="",
            follow="only its memory was counted; check that the server supports FP8 weights on it",
            why="this GPU is not known here",
        )
    if _is_amd(wish.gpus):
        yield Note(
            topic="installation",
            claim="pip installs the server for every GPU",
            follow="the server's ROCm image of the same version, with the same flags",
            why="the packages of the package index are for NVIDIA GPUs",
        )


def _kv_notes(wish: Wish) -> Iterator[Note]:
    if wish.kv is KvCache.FP8:
        yield Note(
            topic="KV cache of 8 bits",
            claim="it costs no quality",
            follow="it, because you asked for it; bf16 is the default",
            why="we have seen no measurement of what it does to long runs with many tool calls",
        )


def _values(gpus: Gpus, capacity: Capacity) -> dict[str, str]:
    queued = max(LEAST_QUEUE, capacity.agents)
    # SGLang counts weights and cache only; what it needs besides is the reserve.
    static_share = PAGED.share - GPU_RESERVE / (gpus.gb * GB)
    return {
        "gpus": str(gpus.count),
        "window": str(capacity.window),
        "agents": str(capacity.agents),
        "all_windows": str(capacity.window * capacity.agents),
        "sequences": str(max(CARD_SEQUENCES, capacity.agents)),
        "queued": str(queued),
        "in_flight": str(capacity.agents + queued),
        "static_share": f"{static_share:.3f}",
        "quantization": QUANTIZATIONS.get(capacity.weights.name, ""),
    }


def _lines(data: Mapping[str, Any], kv: KvCache) -> list[list[str]]:
    lines: list[list[str]] = data["command"]
    if kv is KvCache.BF16:
        return lines
    eight_bit: list[list[str]] = data["eight_bit_kv"]
    # Before the last line, which may be the program that environment variables stand in front of.
    return [*lines[:-1], *eight_bit, lines[-1]]


def _quoted(word: str) -> str:
    return f'"{word}"' if re.fullmatch(r"\$[A-Z_]+", word) else shlex.quote(word)


def _notes(server: str) -> tuple[Note, ...]:
    return tuple(
        Note(topic=note["topic"], claim=note["claim"], follow=note["follow"], why=note["why"])
        for note in _data()["notes"]
        if server in note["servers"]
    )


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("recipes.toml").read_text(encoding="utf-8"))
