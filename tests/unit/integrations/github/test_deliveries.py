from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.integrations.github.deliveries import Delivery, Fault, UnreadableDelivery, parse_delivery
from pullwright.integrations.json_body import NESTING_LIMIT
from tests.unit.integrations.github.payload_samples import GUID, headers

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def fault(given_headers: list[tuple[str, str]], body: bytes) -> Fault:
    found = parse_delivery(given_headers, body)
    assert isinstance(found, UnreadableDelivery)
    return found.fault


def test_a_delivery_has_what_the_headers_say() -> None:
    names = headers(
        "issues",
        x_github_hook_id="42",
        X_GitHub_Hook_Installation_Target_Type="integration",
        X_GitHub_Hook_Installation_Target_ID="77",
        X_GitHub_Enterprise_Host="GHE.example.test",
    )
    found = parse_delivery(names, b'{"action": "labeled"}')
    assert found == Delivery(
        id=GUID,
        event="issues",
        action="labeled",
        document={"action": "labeled"},
        hook_id=42,
        target_type="integration",
        target_id=77,
        enterprise_host="ghe.example.test",
    )


@pytest.mark.parametrize(
    "given_headers",
    [
        [],
        headers("issues")[1:],
        headers("issues")[:1],
        headers(""),
        headers("Issues"),
        headers("a b"),
        headers("x" * 100),
        headers("issues", X_GitHub_Delivery=""),
        headers("issues", X_GitHub_Delivery="../../x"),
        headers("issues", X_GitHub_Delivery="a" * 101),
        [*headers("issues"), ("x-github-event", "push")],
    ],
)
def test_without_its_headers_it_is_no_delivery(given_headers: list[tuple[str, str]]) -> None:
    assert fault(given_headers, b"{}") is Fault.HEADERS
    assert Fault.HEADERS.status == 400


@pytest.mark.parametrize("kind", ["", "text/plain", "application/xml", "multipart/form-data", "application/json-seq"])
def test_other_content_types_are_refused(kind: str) -> None:
    assert fault(headers("ping", Content_Type=kind), b"{}") is Fault.CONTENT_TYPE
    assert Fault.CONTENT_TYPE.status == 415


def test_packed_bodies_are_refused() -> None:
    assert fault(headers("ping", Content_Encoding="gzip"), b"{}") is Fault.CONTENT_TYPE
    assert isinstance(parse_delivery(headers("ping", Content_Type="Application/JSON; charset=utf-8"), b"{}"), Delivery)


@given(st.dictionaries(st.text(max_size=5), JSON_VALUES, max_size=4))
def test_a_form_and_json_say_the_same(document: dict[str, object]) -> None:
    text = json.dumps(document)
    plain = parse_delivery(headers("push"), text.encode())
    form = urlencode({"payload": text}).encode()
    assert parse_delivery(headers("push", Content_Type="application/x-www-form-urlencoded"), form) == plain
    assert isinstance(plain, Delivery)
    assert plain.document == document


@pytest.mark.parametrize(
    "body",
    [b"", b"payload", b"other=1", b"payload={}&payload={}", b"payload=%ff", b"&".join([b"a=1"] * 50), b"payload="],
)
def test_a_form_has_one_payload(body: bytes) -> None:
    assert fault(headers("push", Content_Type="application/x-www-form-urlencoded"), body) is Fault.FORM


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}", b"{}x", b'{"a": NaN}', b'{"a": 1e}',
     b'{"a": ' + b"9" * 5000 + b"}", b"payload={}", b'{"a": "\\ud8"}', b'{"a": "\n"}'],
)  # fmt: skip
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    assert fault(headers("push"), body) is Fault.JSON


@pytest.mark.parametrize("signs", ["[]", "{}"])
def test_deep_nesting_is_refused_before_it_is_parsed(signs: str) -> None:
    def nested(depth: int) -> bytes:
        opening = "[" if signs == "[]" else '{"a":'
        return ('{"a":' + opening * depth + "1" + signs[1] * depth + "}").encode()

    assert isinstance(parse_delivery(headers("push"), nested(NESTING_LIMIT - 1)), Delivery)
    for depth in (NESTING_LIMIT, 10_000, 1_000_000):
        assert fault(headers("push"), nested(depth)) is Fault.NESTING


def test_half_characters_are_taken_as_they_are() -> None:
    """The quick parser refuses them, and they are in payloads of real comments."""
    found = parse_delivery(headers("push"), b'{"a": "\\ud83d", "b": [1e3, -0.5, 12345678901234567890]}')
    assert isinstance(found, Delivery)
    assert found.document == {"a": "\ud83d", "b": [1000.0, -0.5, 12345678901234567890]}


def test_brackets_in_texts_are_no_nesting() -> None:
    body = json.dumps({"a": "[" * 1000, 'b"{': "\\" * 3 + '"[' * 500}).encode()
    assert isinstance(parse_delivery(headers("push"), body), Delivery)
    assert fault(headers("push"), b'{"a": "' + b"[" * 1000) is Fault.JSON


@given(st.binary(max_size=200), st.sampled_from(["application/json", "application/x-www-form-urlencoded"]))
def test_any_bytes_can_be_given(body: bytes, kind: str) -> None:
    assert parse_delivery(headers("push", Content_Type=kind), body)


@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), max_size=5))
def test_any_headers_can_be_given(others: list[tuple[str, str]]) -> None:
    assert parse_delivery(others, b"{}")
    assert parse_delivery([*headers("push"), *others], b"{}")


def test_an_action_that_is_no_name_is_none() -> None:
    for action in (5, None, "a b", "x" * 200, "", ["labeled"]):
        found = parse_delivery(headers("issues"), json.dumps({"action": action}).encode())
        assert isinstance(found, Delivery)
        assert found.action == ""
