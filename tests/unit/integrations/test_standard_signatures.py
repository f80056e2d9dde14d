"""Standard Webhooks: the published signature, and everything that is nearly one."""

from __future__ import annotations

import base64
import secrets as random
from hashlib import sha256
from hmac import digest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.errors import ConfigError
from pullwright.agents.intake.door import Headers
from pullwright.integrations.signatures import Problem, Secret, StandardVerifier, Verdict, sign_standard

# The known answer that the reference libraries of the specification are tested with.
KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
IDENT = "msg_p5jXN8AQM9LWM0D4loKWxJek"
STAMP = 1_614_265_330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
# Signatures that the same tests expect to be refused.
FALSE = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
NEARLY = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA="

OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


def verifier(*values: str) -> StandardVerifier:
    return StandardVerifier([Secret(name=f"n{i}", value=value) for i, value in enumerate(values or (KEY,))])


def headers(signature: str = SIGNATURE, ident: str = IDENT, stamp: str = str(STAMP)) -> Headers:
    return [("webhook-id", ident), ("webhook-timestamp", stamp), ("webhook-signature", signature)]


def check(given: Headers, body: bytes = BODY, now: float = STAMP) -> Verdict:
    return verifier().check(given, body, now=now)


def test_the_published_signature_is_made_and_accepted() -> None:
    assert sign_standard(KEY, IDENT, BODY, now=STAMP) == headers()
    assert check(headers()) == Verdict(secret="n0")
    assert check([(name.upper(), value) for name, value in headers()]).accepted


@pytest.mark.parametrize(
    ("signature", "problem"),
    [
        (SIGNATURE, None),
        (f"{FALSE} v2,{FALSE[3:]} {SIGNATURE} {FALSE}", None),
        (f"v1a,{SIGNATURE[3:]} {SIGNATURE}", None),
        (f"{SIGNATURE} nonsense", None),
        (f"  {SIGNATURE} ", None),
        (FALSE, Problem.MISMATCH),
        (NEARLY, Problem.MISMATCH),
        (f"{FALSE} {NEARLY}", Problem.MISMATCH),
        ("v1,", Problem.MISMATCH),
        ("v1,dawfeoifkpqwoekfpqoekf", Problem.MISMATCH),
        (SIGNATURE.rstrip("="), Problem.MISMATCH),
        (SIGNATURE + "=", Problem.MISMATCH),
        (SIGNATURE + "\n", Problem.MISMATCH),
        (SIGNATURE.replace("/", "_").replace("+", "-"), Problem.MISMATCH),
        ("v1," + "é" * 44, Problem.MISMATCH),
        ("v1,\ud800", Problem.MISMATCH),
        (SIGNATURE[3:], Problem.METHOD),
        ("V" + SIGNATURE[1:], Problem.METHOD),
        ("v2," + SIGNATURE[3:], Problem.METHOD),
        (f"{SIGNATURE[3:]},v1", Problem.METHOD),
        ("\t" + SIGNATURE, Problem.METHOD),
        ("", Problem.MISSING),
    ],
)
def test_a_list_of_signatures(signature: str, problem: Problem | None) -> None:
    assert check(headers(signature)).problem is problem


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_each_header_is_there_once(name: str) -> None:
    wanted = {"webhook-id": Problem.NO_ID, "webhook-timestamp": Problem.NO_TIME, "webhook-signature": Problem.MISSING}
    without = [pair for pair in headers() if pair[0] != name]
    assert check(without).problem is wanted[name]
    twice = check([*headers(), *(pair for pair in headers() if pair[0] == name)]).problem
    assert twice is (Problem.REPEATED if name == "webhook-signature" else wanted[name])


def resigned(ident: str, stamp: str) -> Headers:
    """Return headers whose signature is right, whatever else they are."""
    key = base64.b64decode(KEY.removeprefix("whsec_"))
    made = base64.b64encode(digest(key, f"{ident}.{stamp}.".encode() + BODY, sha256)).decode()
    return headers(f"v1,{made}", ident, stamp)


@pytest.mark.parametrize("ident", ["a.b", "a b", "é", "x" * 201, "a\n", "\x7f"])
def test_an_id_can_not_be_taken_for_another_part_of_what_is_signed(ident: str) -> None:
    assert check(resigned(IDENT, str(STAMP))).accepted
    assert check(resigned(ident, str(STAMP))).problem is Problem.NO_ID


@pytest.mark.parametrize("stamp", ["hello", "1614265330.0", "-1", " 1614265330", "1614265330 ", "9" * 13, "١٢", "1e9"])
def test_a_time_is_a_number_of_seconds(stamp: str) -> None:
    assert check(resigned(IDENT, stamp)).problem is Problem.NO_TIME


@pytest.mark.parametrize(("offset", "problem"), [(0, None), (300, None), (301, Problem.STALE)])
def test_five_minutes_either_way(offset: int, problem: Problem | None) -> None:
    for now in (STAMP - offset, STAMP + offset):
        assert check(headers(), now=now) == Verdict(problem=problem, secret="n0")


@given(st.binary(max_size=200), st.from_regex(r"[!-\-/-~]{1,200}", fullmatch=True), st.data())
def test_any_bit_that_is_changed_is_noticed(body: bytes, ident: str, data: st.DataObject) -> None:
    made = [*sign_standard(KEY, ident, body, now=STAMP)]
    assert check(made, body).accepted
    whole = [*(part.encode() for _, part in made), *(name.encode() for name, _ in made), body or b"x"]
    which = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole[which])
    place = data.draw(st.integers(0, len(changed) - 1))
    bit = data.draw(st.integers(0, 7))
    changed[place] ^= 1 << bit
    if 3 <= which < 6 and changed.decode("latin-1").lower() == made[which - 3][0]:
        return  # the names of headers are the same in either case
    whole[which] = bytes(changed)
    values, names = [part.decode("latin-1") for part in whole[:3]], [part.decode("latin-1") for part in whole[3:6]]
    sent = whole[6] if which == 6 or body else b""
    assert not check([*zip(names, values, strict=True)], sent).accepted


def test_the_parts_can_not_be_shifted() -> None:
    made = sign_standard(KEY, "a", b"1.{}", now=12)
    shifted = [("webhook-id", "a"), ("webhook-timestamp", "12.1"), made[2]]
    assert check(made, b"1.{}", now=12).accepted
    assert check(shifted, b"{}", now=12).problem is Problem.NO_TIME


def test_during_a_rotation_either_side_may_have_two() -> None:
    both = verifier(OTHER, KEY)
    assert both.check(headers(), BODY, now=STAMP) == Verdict(secret="n1")
    old, new = (dict(sign_standard(one, IDENT, BODY, now=STAMP))["webhook-signature"] for one in (KEY, OTHER))
    assert verifier(KEY).check(headers(f"{new} {old}"), BODY, now=STAMP).accepted
    assert verifier(OTHER).check(headers(f"{new} {old}"), BODY, now=STAMP).accepted
    assert verifier(OTHER).check(headers(), BODY, now=STAMP).problem is Problem.MISMATCH


@pytest.mark.parametrize("size", [24, 25, 26, 32, 64])
def test_a_secret_is_24_to_64_bytes(size: int) -> None:
    value = "whsec_" + base64.b64encode(random.token_bytes(size)).decode()
    made = sign_standard(value, IDENT, BODY, now=STAMP)
    assert verifier(value).check(made, BODY, now=STAMP).accepted
    assert verifier(value.rstrip("=")).check(made, BODY, now=STAMP).accepted


@pytest.mark.parametrize(
    "value",
    [
        "",
        "   ",
        "whsec_",
        KEY.removeprefix("whsec_"),
        "whsk_" + KEY.removeprefix("whsec_"),
        "whsec_" + "A" * 28,
        "whsec_" + base64.b64encode(b"x" * 65).decode(),
        KEY + "!",
        KEY + "\n",
        KEY + "A",
        "whsec_" + "é" * 32,
        "whsec_" + "-_" * 16,
    ],
)
def test_a_secret_of_another_form_opens_no_door(value: str) -> None:
    with pytest.raises(ConfigError, match="secret") as caught:
        verifier(value)
    assert not value.removeprefix("whsec_").strip() or value not in str(caught.value)
    with pytest.raises(ConfigError, match="no webhook secret"):
        StandardVerifier([])
