"""Takes secrets out of texts: the ones we hold, in every form they may take, and whatever looks like a token. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pullwright.agents.token_patterns import LOOKALIKES, TOKENS, secret_forms

REDACTED = "[redacted]"

_PATTERNS = (*LOOKALIKES, *(token.pattern for token in TOKENS))
_TOKENS = re.compile("|".join(f"(?:{pattern})" for pattern in _PATTERNS), re.DOTALL)


class Redactor:
    """Takes a fixed set of secrets out of many texts."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets for form in secret_forms(secret)}
        # The longest first, because one form may begin with another.
        ordered = sorted(forms, key=lambda form: (-len(form), form))
        self._forms = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        """Return the text without secrets and tokens."""
        if self._forms is not None:
            text = self._forms.sub(REDACTED, text)
        return _TOKENS.sub(REDACTED, text)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text without the given secrets and without anything that looks like a token."""
    return Redactor(secrets)(text)
