from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from pullwright.agents.pool.load import Load
from pullwright.agents.testing.scripted_endpoint import ScriptedEndpoint
from pullwright.cli.commands.endpoint_status import State, in_words, status_command

DOWN = "http://127.0.0.1:9/v1"


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[dict[str, str]]], None]:
    return lambda tables: monkeypatch.setenv("AGENT_ENDPOINTS", json.dumps(tables))


def test_every_endpoint_has_a_line(
    configured: Callable[[list[dict[str, str]]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    with ScriptedEndpoint([]) as up:
        secret = up.url.replace("http://", "http://user:canary@")
        configured([{"name": "up", "url": secret, "key": "sk-canary"}, {"name": "down", "url": DOWN}])
        assert status_command(json=False) == 1
        told = capsys.readouterr().out
        assert status_command(json=True) == 1
        data = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told.splitlines()[0].startswith(f"✔ up at {up.url}: healthy; ")
    assert told.splitlines()[1].startswith(f"✘ down at {DOWN}: no healthy answer from /health; ")
    assert [(one["name"], one["healthy"]) for one in data] == [("up", True), ("down", False)]
    assert "canary" not in told + json.dumps(data)


def test_the_only_endpoint_is_shown_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedEndpoint([]) as up:
        monkeypatch.setenv("AGENT_ENDPOINT_URL", up.url)
        assert status_command(json=False) == 0
    assert capsys.readouterr().out.startswith(f"✔ endpoint at {up.url}: healthy; ")


def test_the_load_is_told_as_far_as_the_engine_does() -> None:
    state = State(name="a", url="u", healthy=True, asked="/health", load=Load(running=3, waiting=1))
    assert in_words(state) == "✔ a at u: healthy; 3 running, 1 waiting"
    load = Load(running=3, kv_share=0.456, kv_tokens=380_000, preemptions=2)
    full = State(name="a", url="u", healthy=True, asked="/health", load=load)
    assert in_words(full) == (
        "✔ a at u: healthy; 3 running, 0 waiting, KV cache 46% full, 380,000 tokens fit in it, "
        "2 preemptions since it started"
    )
