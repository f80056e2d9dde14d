"""Holds every request against a vendor's own OpenAPI document, when that document is at hand.

``openapi-core`` is a test-only dependency, so it is imported when the first request is checked and not before; the
demos run without it, and then nothing is checked.
"""

from __future__ import annotations

import functools
import gzip
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

CONTRACTS_VARIABLE = "CONTRACTS_DIR"
_ROOT = Path(__file__).resolve().parents[4]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """A request to the REST API as it came in; the token is not kept."""

    method: str
    path: str
    """Below the API's base address."""
    query: str
    headers: Mapping[str, str]
    body: bytes
    authorized: bool
    raw_path: str = ""
    """The path as it was sent, with its escapes."""

    def json(self) -> Any:
        """Return the body's JSON value."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A request that the vendor's document does not allow."""

    request: str
    reason: str


def contracts_folder() -> Path:
    """Return where the documents are expected: ``CONTRACTS_DIR``, else beside the repository."""
    chosen = os.environ.get(CONTRACTS_VARIABLE, "")
    return Path(chosen) if chosen else _ROOT.parent / "shared" / "contracts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """A vendor's document, and what of it is used."""

    document: str
    """Below the folder of contracts."""
    operations: str
    """A file with a method and a path in each line, beside it."""
    also: str
    """What the rehearsal answers beyond that list, in the same form."""
    host: str
    path_in: Callable[[RecordedRequest], str]
    """Says how the document writes the path of a request; empty for a request that it does not speak of."""


class ContractGate:
    """Checks recorded requests; ``active`` says whether there is anything to check with."""

    def __init__(self, contract: Contract, folder: Path | None = None) -> None:
        self._contract = contract
        self._folder = folder or contracts_folder()

    @property
    def active(self) -> bool:
        """Whether the documents are there, and what reads them."""
        documents = (self._folder / name for name in (self._contract.document, self._contract.operations))
        return find_spec("openapi_core") is not None and all(document.is_file() for document in documents)

    def check(self, request: RecordedRequest) -> Violation | None:
        """Return what is wrong with a request; None when nothing is, or when the gate is off."""
        path = self._contract.path_in(request)
        if not self.active or not path:
            return None
        from openapi_core.exceptions import OpenAPIError
        from openapi_core.testing import MockRequest

        candidate = MockRequest(
            self._contract.host,
            request.method,
            path,
            args=dict(parse_qsl(request.query, keep_blank_values=True)),
            headers=dict(request.headers),
            data=request.body or None,
        )
        try:
            _load(self._contract, self._folder).validate_request(candidate)
        except OpenAPIError as exc:
            return Violation(request=f"{request.method} {request.path}", reason=_reasons(exc))
        return None


def _reasons(error: BaseException) -> str:
    texts = [str(error)]
    cause: BaseException | None = error.__cause__
    while cause is not None:
        texts += [str(inner)[:300] for inner in getattr(cause, "schema_errors", ())] or [str(cause)[:300]]
        cause = cause.__cause__
    return " · ".join(text for text in texts if text)


@functools.cache
def _load(contract: Contract, folder: Path) -> Any:
    from openapi_core import Config, OpenAPI

    with gzip.open(folder / contract.document) as stream:
        document = json.load(stream)
    listed = (folder / contract.operations).read_text() + contract.also
    used = {tuple(line.split()) for line in listed.splitlines() if line.strip()}
    document["paths"] = {path: kept for path, item in document["paths"].items() if (kept := _kept(path, item, used))}
    document["servers"] = [{"url": contract.host}]
    # Who signs a request is checked by the rehearsal. Validating the document itself takes longer than all tests
    # together, and it is the vendor's business.
    document.pop("security", None)
    return OpenAPI.from_dict(document, config=Config(spec_validator_cls=None))


def _kept(path: str, item: Mapping[str, Any], used: set[tuple[str, ...]]) -> dict[str, Any]:
    operations = {
        method: {name: value for name, value in operation.items() if name != "security"}
        for method, operation in item.items()
        if (method.upper(), path) in used
    }
    shared = {key: item[key] for key in ("parameters",) if key in item}
    return {**shared, **operations} if operations else {}
