"""What is read out of a container's words, without a container."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.errors import ProtocolViolation, SandboxGone, ServiceError
from pullwright.sandbox.exec_run import MOST_TRAILER, Trailer, Transcript, exit_code
from pullwright.sandbox.exec_scripts import SERVICE_MARKS, asking
from pullwright.sandbox.exec_services import MOST_SERVICES, ExecServices
from pullwright.sandbox.exec_stream import STDERR, STDOUT


def trailer(token: str, word: str, report: str = "") -> bytes:
    return f"\n{token} {word}\n{report}\n{token}\n".encode()


@given(st.binary(max_size=300), st.binary(max_size=50), st.integers(0, 255), st.integers(1, 40))
def test_a_trailer_is_found_wherever_it_was_cut(before: bytes, after: bytes, code: int, size: int) -> None:
    transcript = Transcript(10_000)
    whole = before + trailer(transcript.token, str(code), "0\n/workspace\n") + after
    for start in range(0, len(whole), size):
        transcript.add(STDERR, whole[start : start + size])
    found = transcript.take_trailer()
    assert found == Trailer(word=str(code), report=b"0\n/workspace\n")
    assert exit_code(found) == code
    assert transcript.stderr(10_000).head == before + after


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_without_its_token_nothing_is_a_trailer(pieces: list[bytes]) -> None:
    transcript = Transcript(100_000)
    for piece in pieces:
        transcript.add(STDERR, piece)
    assert transcript.take_trailer() is None
    assert transcript.stderr(100_000).head == b"".join(pieces)


def test_a_flood_is_counted_and_not_kept() -> None:
    transcript = Transcript(1000)
    for _ in range(200):
        transcript.add(STDERR, b"e" * 65536)
        transcript.add(STDOUT, b"o" * 65536)
    transcript.add(STDERR, trailer(transcript.token, "7"))
    assert exit_code(transcript.take_trailer()) == 7
    error = transcript.stderr(1000)
    assert len(error.head) + len(error.tail) == 1000
    assert error.dropped == 200 * 65536 - 1000
    assert len(transcript.stdout.head) + len(transcript.stdout.tail) <= 1500 + 65536


def test_the_last_of_two_trailers_counts() -> None:
    transcript = Transcript(1000)
    transcript.add(STDERR, trailer(transcript.token, "0") + trailer(transcript.token, "9"))
    assert exit_code(transcript.take_trailer()) == 9


def test_a_report_that_is_too_long_hides_the_trailer() -> None:
    transcript = Transcript(1000)
    transcript.add(STDERR, trailer(transcript.token, "0", "x" * MOST_TRAILER))
    assert transcript.take_trailer() is None


@pytest.mark.parametrize("word", ["", "ready", "256", "-1", "1e2", "٣", "9" * 20])
def test_a_word_that_is_no_exit_code_breaks_the_protocol(word: str) -> None:
    with pytest.raises(ProtocolViolation):
        exit_code(Trailer(word=word))


def test_a_script_without_a_trailer_was_killed() -> None:
    with pytest.raises(SandboxGone):
        exit_code(None)


def test_the_question_stands_on_the_commands_first_line() -> None:
    assert "\n" not in asking("/tmp/.pullwright-0")


def test_names_and_marks_of_services() -> None:
    services = ExecServices()
    made = [services.reserve(f"s{number}") for number in range(MOST_SERVICES)]
    assert len({service.mark for service in made}) == MOST_SERVICES
    with pytest.raises(ServiceError, match="too many"):
        services.reserve("more")
    with pytest.raises(ServiceError, match="there already"):
        services.reserve("s0")
    services.forget(made[3])
    assert services.reserve("again").mark == made[3].mark
    assert services.kept.split()[1:] != []
    assert all(int(mark) in SERVICE_MARKS for mark in services.kept.split()[1:])
    for name in ("", "-x", "a/b", "a\n", "x" * 65):
        with pytest.raises(ServiceError, match="not allowed"):
            services.reserve(name)
    with pytest.raises(ServiceError, match="no service"):
        services.find("nobody")


def test_how_a_service_ended() -> None:
    service = ExecServices().reserve("web")
    assert service.state(100).running
    service.transcript.add(STDERR, trailer(service.transcript.token, "ready"))
    service.listen()
    assert service.started.is_set()
    assert service.state(100).running
    service.transcript.add(STDERR, trailer(service.transcript.token, "3"))
    service.listen()
    assert (service.state(100).running, service.state(100).exit_code) == (False, 3)
    service.word = "137"
    assert service.state(100).exit_code is None
