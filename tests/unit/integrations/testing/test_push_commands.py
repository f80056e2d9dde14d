from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pullwright.integrations.testing.git_server import push_commands

OLD, NEW = "0" * 40, "a" * 40


def line(text: bytes) -> bytes:
    return b"%04x%s" % (len(text) + 4, text)


def test_every_command_is_found() -> None:
    first = f"{OLD} {NEW} refs/heads/agent/1\0 report-status side-band-64k".encode()
    second = f"{NEW} {OLD} refs/heads/old".encode()
    body = line(first) + line(second) + b"0000PACK...."
    assert push_commands(body) == [(OLD, NEW, "refs/heads/agent/1"), (NEW, OLD, "refs/heads/old")]


def test_nothing_is_pushed_by_a_probe() -> None:
    assert push_commands(b"0000") == []


@given(st.binary(max_size=200))
def test_rubbish_has_no_commands(body: bytes) -> None:
    assert isinstance(push_commands(body), list)
