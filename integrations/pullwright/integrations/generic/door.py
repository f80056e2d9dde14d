"""The door for signed requests of anybody's own systems: verified as Standard Webhooks says, and understood. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from pullwright.agents.intake.door import Headers, Unreadable
from pullwright.agents.ports.inbox import NewDelivery
from pullwright.integrations.generic.connection import SOURCE, Connection
from pullwright.integrations.generic.payload import (
    FileRequest,
    Mistake,
    PingRequest,
    Request,
    kind_of,
    parse_request,
    request_to_json,
)
from pullwright.integrations.json_body import json_document, once_each
from pullwright.integrations.signatures import STANDARD_ID, Secret, StandardVerifier


class GenericDoor:
    """One connection. A delivery that comes again has its id again, and a time and signature of its own."""

    source: Final = SOURCE

    def __init__(self, connection: Connection, secrets: Iterable[Secret]) -> None:
        """Make one.

        Raises:
            ConfigError: There is no usable secret.
        """
        self.connection = connection.name
        self._rules = connection
        self._verifier = StandardVerifier(secrets)

    def problem(self, headers: Headers, body: bytes, *, now: float) -> str:
        return self._verifier.check(headers, body, now=now).objection

    def read(self, headers: Headers, body: bytes) -> NewDelivery | Unreadable:
        known = once_each(headers)
        document = json_document(known, body)
        if isinstance(document, Unreadable):
            return replace(document, told=document.detail)
        request = parse_request(document)
        if isinstance(request, Mistake):
            return _unreadable(422, request.says)
        if isinstance(request, FileRequest):
            if objection := self._rules.objection(request):
                return _unreadable(objection.status, objection.says)
            request = request.model_copy(update={"repository": self._rules.slug(request.repository)})
        return self._new_delivery(request, known[STANDARD_ID])

    def _new_delivery(self, request: Request, key: str) -> NewDelivery:
        return NewDelivery(
            source=SOURCE,
            connection=self.connection,
            key=key,
            work_key=self._rules.work_key(getattr(request, "work_key", "")),
            kind=kind_of(request),
            content=request_to_json(request),
            ignored="it only asked whether it gets in" if isinstance(request, PingRequest) else "",
        )


def _unreadable(status: int, says: str) -> Unreadable:
    return Unreadable(status=status, detail=says, told=says)
