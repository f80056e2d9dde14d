"""``agent endpoint``: how to start a server for the model, and what fits on it."""

from __future__ import annotations

import json as json_
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pullwright.agents.errors import ConfigError
from pullwright.agents.llm.capacity import (
    GB,
    GPU_RESERVE,
    Comparison,
    Gpus,
    KvCache,
    Prices,
    Wish,
    compare,
    parse_gpus,
    parse_tokens,
)
from pullwright.agents.llm.recipes import Recipe, recipe

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeRequest:
    """What was asked for on the command line."""

    server: str
    gpus: str
    window: int | None = None
    agents: int | None = None
    kv: str = "bf16"
    weights: str = ""
    tokens_per_day: str = ""
    """Empty for no comparison with an API."""
    prices: Prices


def recipe_command(request: RecipeRequest, *, json: bool) -> int:
    """Print a launch command and what fits.

    Raises:
        ConfigError: It does not fit, or something is written wrongly.
    """
    gpus = parse_gpus(request.gpus)
    wish = Wish(
        gpus=gpus, window=request.window, agents=request.agents, kv=_kv(request.kv), weights=request.weights.lower()
    )
    found = recipe(request.server, wish)
    tokens = request.tokens_per_day
    comparison = compare(gpus, parse_tokens(tokens), request.prices) if tokens else None
    if json:
        sys.stdout.write(json_.dumps(_as_data(gpus, found, comparison, request.prices)) + "\n")
        return 0
    _show(gpus, found)
    if comparison:
        _show_comparison(gpus, comparison, request.prices)
    _show_notes(found)
    return 0


def _kv(text: str) -> KvCache:
    try:
        return KvCache(text.lower())
    except ValueError:
        raise ConfigError(f"--kv is one of {', '.join(KvCache)}, not {text[:40]!r}") from None


def _as_data(gpus: Gpus, found: Recipe, comparison: Comparison | None, prices: Prices) -> dict[str, Any]:
    fits = found.capacity
    return {
        "server": found.server,
        "profile": found.profile,
        "url": found.url,
        "gpus": asdict(gpus),
        "prepare": found.prepare,
        "command": found.command,
        "words": found.words,
        "then": found.then,
        "capacity": {**asdict(fits), "agents_at_full_window": fits.agents_at_full_window},
        "reads": found.reads,
        "watch": found.watch,
        "comparison": comparison and {**asdict(comparison), "prices": asdict(prices)},
        "notes": [asdict(note) for note in found.notes],
    }


def _show(gpus: Gpus, found: Recipe) -> None:
    for command in (*found.prepare, found.command, *found.then):
        sys.stdout.write(f"{command}\n\n")
    sys.stdout.write(f"export AGENT_ENDPOINT_URL={found.url} AGENT_ENDPOINT_PROFILE={found.profile}\n\n")
    fits = found.capacity
    kv = fits.kv.value if fits.kv is KvCache.BF16 or fits.weights.name == "fp8" else "q8_0"
    rows = [
        (
            "usable memory",
            f"{fits.usable / GB:,.0f} GB: {fits.share:.0%} of {gpus}, less {GPU_RESERVE // GB} GB on each GPU",
        ),
        ("weights", f"{fits.weights.name}, {fits.weights.gb} GB"),
        ("KV cache", f"{fits.kv_tokens:,} tokens of {fits.kv_bytes:,} bytes ({kv})"),
        ("window", f"{fits.window:,} tokens"),
        ("agents at once", f"{fits.agents}{_room(found)}"),
        ("Pullwright reads", found.reads),
    ]
    _print(_table([*rows, ("watch", found.watch)] if found.watch else rows))


def _room(found: Recipe) -> str:
    fits = found.capacity
    more = f" (room for {fits.agents_that_fit})" if fits.agents < fits.agents_that_fit else ""
    if fits.agent_tokens == fits.window:
        return f"{more}, each with the full window"
    return f"{more} at {fits.agent_tokens:,} tokens each; {fits.agents_at_full_window} with the full window"


def _show_comparison(gpus: Gpus, found: Comparison, prices: Prices) -> None:
    rows = [
        (
            "API",
            f"${found.api_per_day:,.2f} a day for {found.tokens_per_day:,} tokens, {prices.output_share:.0%} of them"
            f" output, at ${prices.per_million_in:.2f} in and ${prices.per_million_out:.2f} out per million;"
            " cached input counted at the full price",
        ),
        ("even at", f"${found.even_gpu_hour:,.2f} per GPU-hour for {gpus.count} GPUs day and night"),
    ]
    if found.own_per_day is not None and found.even_tokens_per_day is not None:
        rows += [
            ("own GPUs", f"${found.own_per_day:,.2f} a day at ${prices.gpu_hour:.2f} per GPU-hour"),
            (
                "break-even",
                f"{found.even_tokens_per_day:,} tokens a day, {found.even_tokens_per_day / 86_400:,.0f} a second on"
                " average; measure whether these GPUs do that",
            ),
        ]
    sys.stdout.write("\n")
    _print(_table(rows))


def _show_notes(found: Recipe) -> None:
    sys.stdout.write("\nWhere sources differ, and what we follow:\n")
    _print(
        _table(
            (
                f"{number}.",
                f"{note.topic}: {f'{note.claim}. ' if note.claim else ''}We follow: {note.follow}; {note.why}.",
            )
            for number, note in enumerate(found.notes, 1)
        )
    )


def _table(rows: Iterable[tuple[str, str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(Text(name), Text(text))
    return table


def _print(table: Table) -> None:
    from rich.console import Console

    Console(highlight=False).print(table)
