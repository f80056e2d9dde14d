"""What leaves for our own Sentry: every event and transaction is walked whole, and what may be a secret is taken out.

The SDK's own scrubber goes by the names of members. That leaves secrets in messages, in contexts and in addresses,
so its output is treated here as any other text that goes out. Nothing raises: an event that can not be walked is
dropped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from pullwright.integrations.redaction import REDACTED, Redactor
from pullwright.integrations.sentry.scrubbing import Scrubber, is_secret_name

DEPTH: Final = 30
_MEMBERS: Final = 1000

_NEVER: Final = frozenset({"request", "user", "server_name", "modules"})
"""Members of an event that are not needed to find a defect."""
_NEVER_IN_FRAMES: Final = frozenset({"vars", "pre_context", "context_line", "post_context", "abs_path"})
"""Local variables, literals of the source, and where on the machine it lies."""
_IDS: Final = frozenset(
    {"event_id", "trace_id", "span_id", "parent_span_id", "timestamp", "start_timestamp", "received"}
)
_ID: Final = re.compile(r"[0-9a-f-]{8,36}|[0-9T:.Z+-]{10,40}", re.ASCII)
_OWN_SPANS: Final = "gen_ai."

Json = Mapping[str, object]


class Outgoing:
    """Scrubs what the SDK is about to send."""

    def __init__(self, redactor: Redactor) -> None:
        """Take what knows our own secrets."""
        self._scrubber = Scrubber(redactor)

    def event(self, event: Json) -> dict[str, object]:
        """Return an error as it may leave."""
        kept = {name: value for name, value in event.items() if name not in _NEVER}
        return self._mapping(kept, 0)

    def transaction(self, event: Json) -> dict[str, object]:
        """Return a transaction as it may leave; of its spans only those of the agent, never of a program it ran."""
        spans = event.get("spans")
        own = [span for span in spans if _is_own(span)] if isinstance(spans, list) else []
        return self.event({**event, "spans": own, "breadcrumbs": None})

    def breadcrumb(self, crumb: Json) -> dict[str, object] | None:
        """Return a breadcrumb as it may leave; None for one of a program that was run, or of a request."""
        category = crumb.get("category")
        if isinstance(category, str) and category.startswith(("subprocess", "httplib", "http")):
            return None
        return self._mapping({**crumb, "data": None}, 0)

    def _mapping(self, value: Json, depth: int) -> dict[str, object]:
        is_frame = "lineno" in value or "context_line" in value
        kept: dict[str, object] = {}
        for name, inside in list(value.items())[:_MEMBERS]:
            shown = str(name)
            if is_frame and shown in _NEVER_IN_FRAMES:
                continue
            if shown in _IDS and isinstance(inside, str) and _ID.fullmatch(inside):
                kept[shown] = inside
            elif is_secret_name(shown) and not isinstance(inside, int | float | None):
                kept[self._scrubber.text(shown)] = REDACTED
            else:
                kept[self._scrubber.text(shown)] = self._any(inside, depth + 1)
        return kept

    def _any(self, value: object, depth: int) -> object:
        if value is None or isinstance(value, bool | int | float):
            return value
        if depth > DEPTH:
            return REDACTED
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
            return [self._any(one, depth + 1) for one in value[:_MEMBERS]]
        if isinstance(value, bytes | bytearray):
            return REDACTED
        return self._scrubber.text(str(value))


def _is_own(span: object) -> bool:
    op = span.get("op") if isinstance(span, Mapping) else None
    return isinstance(op, str) and op.startswith(_OWN_SPANS)
