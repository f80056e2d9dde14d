"""Looks for secrets in what a change adds. Says where and of which kind, never which. Pure, no I/O."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from pullwright.agents.token_patterns import IN_CONTEXT, TOKENS, secret_forms

OURS: Final = "a secret of this installation"

SHORTEST_SECRET: Final = 12
"""A shorter value of ours ("EMPTY" as the key of a model server) would be found in ordinary words."""

_PLACEHOLDER: Final = re.compile(
    rb"example|placeholder|your|dummy|fake|redacted|change-?me|insert|not-?real|xxxx|123456789|abcdefgh", re.IGNORECASE
)
_FEWEST_CHARACTERS: Final = 7
"""Fewer different ones make a pattern, not a token."""

_DOCUMENTED: Final = frozenset(
    {b"AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="}
)
"""Published by their makers for use in tests (Azurite's development storage)."""

_KINDS: Final = tuple(
    (token.kind, re.compile(token.pattern.encode("ascii"), re.DOTALL)) for token in (*TOKENS, *IN_CONTEXT)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Where a secret was found."""

    kind: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """The lines of a file that its base does not hold, with their ends, and the number of each, from 1."""

    lines: tuple[bytes, ...]
    numbers: tuple[int, ...]

    @classmethod
    def between(cls, old: bytes, new: bytes) -> Added:
        """Return what ``new`` adds. A line that was only moved is not new."""
        known = frozenset(old.splitlines(keepends=True))
        added = [(number, line) for number, line in enumerate(new.splitlines(keepends=True), 1) if line not in known]
        return cls(lines=tuple(line for _, line in added), numbers=tuple(number for number, _ in added))


class SecretScanner:
    """Finds the secrets that it is given, in every form they may take, and well-known tokens.

    Args:
        secrets: Exact values, like the tokens of this installation.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets if len(secret) >= SHORTEST_SECRET for form in secret_forms(secret)}
        encoded = sorted(form.encode("utf-8", "surrogatepass") for form in forms)
        self._ours = re.compile(b"|".join(map(re.escape, encoded))) if encoded else None

    def find(self, added: Added, known: Collection[bytes] = ()) -> Finding | None:
        """Return the first secret in added lines, or None.

        Args:
            added: What a change adds to a file.
            known: Contents of the base; what one of them holds is not new.
        """
        text = b"".join(added.lines)
        for kind, value, place in self._matches(text):
            if not any(value in content for content in known):
                ends = list(accumulate(map(len, added.lines)))
                return Finding(kind=kind, line=added.numbers[bisect_right(ends, place)])
        return None

    def holds(self, text: bytes) -> bool:
        """Whether a text that is not a file's holds a secret, like a file's name."""
        return next(self._matches(text), None) is not None

    def _matches(self, text: bytes) -> Iterator[tuple[str, bytes, int]]:
        if self._ours is not None:
            yield from ((OURS, match[0], match.start()) for match in self._ours.finditer(text))
        for kind, pattern in _KINDS:
            yield from ((kind, match[0], match.start()) for match in pattern.finditer(text) if _is_real(match[0]))


def _is_real(token: bytes) -> bool:
    """Whether it is more than a placeholder."""
    body = re.sub(rb"\s", b"", token.rpartition(b"-----")[2])[4:]
    return (
        token not in _DOCUMENTED
        and not _PLACEHOLDER.search(token)
        and len(set(body)) >= _FEWEST_CHARACTERS
        and (any(byte in b"0123456789" for byte in body) or body.lower() != body != body.upper())
    )
