"""Meanings of deliveries as JSON, one way and back, for the inbox. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Generic, TypeVar

from pydantic import TypeAdapter

M = TypeVar("M")


class MeaningCodec(Generic[M]):
    """Keeps the meanings of one source.

    Args:
        kinds: Every class that a meaning may have. Their names are kept: they must not change between releases.
    """

    def __init__(self, kinds: Sequence[type[M]]) -> None:
        self._kinds = {kind.__name__: kind for kind in kinds}
        self._adapters: dict[str, TypeAdapter[M]] = {}

    def kind_of(self, meaning: M) -> str:
        """Return the name by which a meaning is kept."""
        return type(meaning).__name__

    def to_json(self, meaning: M) -> str:
        """Return a meaning as JSON."""
        kind = self.kind_of(meaning)
        data = self._adapter(kind).dump_python(meaning, mode="json")
        return json.dumps({"kind": kind, "meaning": data}, separators=(",", ":"))

    def from_json(self, text: str) -> M:
        """Return the meaning that was kept; what an older release did not write has its default.

        Raises:
            ValueError: It is none of this release.
        """
        document = json.loads(text)
        return self._adapter(document["kind"]).validate_python(document["meaning"])

    def _adapter(self, kind: str) -> TypeAdapter[M]:
        if kind not in self._kinds:
            raise ValueError(f"a meaning of the kind {kind!r} is not known to this release")
        if kind not in self._adapters:  # made when it is needed: there are many, and each takes a while
            self._adapters[kind] = TypeAdapter(self._kinds[kind])
        return self._adapters[kind]
