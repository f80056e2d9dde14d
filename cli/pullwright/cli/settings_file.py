"""Writes settings into a user's ``pullwright.toml``, leaving everything else in it as it is."""

from __future__ import annotations

import json
import os
import re
import secrets
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from pullwright.agents.errors import ConfigError

Value = str | int | Sequence[str]


def lines(values: Mapping[str, Value], *, hidden: frozenset[str] = frozenset()) -> list[str]:
    """Return settings as lines of TOML; of the hidden ones only the names."""
    return [
        f"# {key} is secret and not shown" if key in hidden else f"{key} = {_toml(value)}"
        for key, value in values.items()
    ]


def put(file: Path, values: Mapping[str, Value]) -> None:
    """Set top-level keys in a file that only its owner may read; it is replaced as a whole, or not at all.

    Raises:
        ConfigError: It can not be read or written, or is written in a way that can not be changed line by line.
    """
    try:
        old = file.read_text(encoding="utf-8") if file.exists() else ""
        before = tomllib.loads(old)
        new = _changed(old, values)
        others = {key: value for key, value in before.items() if _name(key) not in values}
        if tomllib.loads(new) != others | {key: _plain(value) for key, value in values.items()}:
            raise ValueError("its lines are not of the form 'key = value'")
        write_private(file, new, replace=True)
    except (OSError, ValueError) as exc:
        shown = "; ".join(lines(dict.fromkeys(values, "…")))
        raise ConfigError(f"{str(file)!r} can not be changed ({exc}); put these in by hand: {shown}") from exc


def write_private(file: Path, text: str, *, replace: bool = False) -> None:
    """Write a file that only its owner may read.

    Raises:
        FileExistsError: There is one already, and it is not to be replaced.
        OSError.
    """
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if replace:
            fresh.replace(file)
        else:
            file.hardlink_to(fresh)
    finally:
        fresh.unlink(missing_ok=True)


def _changed(text: str, values: Mapping[str, Value]) -> str:
    kept = text.splitlines()
    end = next((number for number, line in enumerate(kept) if line.lstrip().startswith("[")), len(kept))
    head = [line for line in kept[:end] if not _sets(line, values)]
    while head and not head[-1].strip():
        head.pop()
    tail = ["", *kept[end:]] if kept[end:] else []
    return "\n".join([*head, *lines(values), *tail]) + "\n"


def _sets(line: str, values: Mapping[str, Value]) -> bool:
    found = re.match(r"\s*\"?(?P<key>[A-Za-z0-9_-]+)\"?\s*=", line)
    return found is not None and _name(found["key"]) in values


def _name(key: str) -> str:
    return key.lower().removeprefix("agent_")


def _toml(value: Value) -> str:
    # JSON is TOML here, but for halves of characters, which are not written this way, and one control character.
    return json.dumps(_plain(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _plain(value: Value) -> str | int | list[str]:
    return value if isinstance(value, str | int) else list(value)
