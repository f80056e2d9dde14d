from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pullwright.integrations.testing.contract_gate import ContractGate, RecordedRequest, contracts_folder
from pullwright.integrations.testing.github_gate import GITHUB
from tests.means import NO_DOCUMENTS

needs_documents = pytest.mark.skipif(
    not ContractGate(GITHUB).active,
    reason=NO_DOCUMENTS,
)
CREATE = RecordedRequest(
    method="POST",
    path="/repos/acme/shop/pulls",
    query="",
    headers={"Content-Type": "application/json"},
    body=json.dumps({"title": "T", "head": "b", "base": "main", "draft": True}).encode(),
    authorized=True,
)


@needs_documents
def test_a_good_request_passes() -> None:
    assert ContractGate(GITHUB).check(CREATE) is None


@needs_documents
@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (replace(CREATE, body=b'{"title": "T"}'), "base"),
        (replace(CREATE, body=b'{"head": "b", "base": "main", "draft": "yes"}'), "boolean"),
        (replace(CREATE, path="/repos/acme/shop/nowhere"), "not found"),
        (replace(CREATE, method="DELETE"), "not found"),
        (replace(CREATE, method="GET", body=b"", query="state=sideways"), "sideways"),
        (replace(CREATE, method="GET", body=b"", path="/repos/acme/shop/issues/x"), "integer"),
    ],
    ids=["missing", "type", "path", "method", "query", "number"],
)
def test_a_bad_request_does_not(request_: RecordedRequest, reason: str) -> None:
    violation = ContractGate(GITHUB).check(request_)
    assert violation is not None
    assert reason in violation.reason.lower()
    assert request_.path in violation.request


def test_without_documents_the_gate_is_off(tmp_path: Path) -> None:
    gate = ContractGate(GITHUB, tmp_path)
    assert not gate.active
    assert gate.check(replace(CREATE, body=b"nonsense")) is None


def test_the_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CONTRACTS_DIR", str(tmp_path))
    assert contracts_folder() == tmp_path
