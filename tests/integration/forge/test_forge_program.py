from __future__ import annotations

import json
import signal
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from pullwright.agents.errors import ConfigError
from pullwright.integrations.testing.certificate import make_certificate
from pullwright.integrations.testing.forge import RehearsalForge

PROGRAM = [sys.executable, "-m", "pullwright.integrations.testing.forge"]


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/local/bin:/usr/bin:/bin"},
    )


def test_it_says_where_it_is_and_serves_until_its_input_ends(tmp_path: Path) -> None:
    with start("--root", str(tmp_path / "forge"), "--sample") as process:
        assert process.stdout is not None
        place = json.loads(process.stdout.readline())
        assert place["repositories"][0]["issue"] == 42
        assert place["repositories"][0]["clone_url"] == f"{place['web_url']}/acme/invoice.git"
        request = urllib.request.Request(
            f"{place['api_url']}/repos/acme/invoice/issues/42",
            headers={"Authorization": f"Bearer {place['tokens']['agent']}"},
        )
        context = ssl.create_default_context(cafile=place["ca_file"])
        with urllib.request.urlopen(request, context=context) as answer:
            assert "one cent" in json.load(answer)["title"]
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert (tmp_path / "forge" / "certificate.pem").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(number: signal.Signals) -> None:
    with start() as process:
        assert process.stdout is not None
        root = Path(json.loads(process.stdout.readline())["root"])
        assert root.exists()
        process.send_signal(number)
        assert process.wait(timeout=20) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert not root.exists()


def test_a_stopped_forge_has_no_address() -> None:
    with RehearsalForge() as forge:
        assert forge.host.startswith("127.0.0.1:")
    with pytest.raises(ConfigError, match="context manager"):
        _ = forge.host


def test_an_unknown_repository_is_one_clear_line() -> None:
    with RehearsalForge() as forge, pytest.raises(ConfigError, match="nowhere"):
        forge.pull_requests("acme", "nowhere")


def test_without_openssl_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="'openssl'"):
        make_certificate(tmp_path)


def test_a_certificate_that_can_not_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "key.pem").mkdir()
    with pytest.raises(ConfigError, match="could not make a certificate"):
        make_certificate(tmp_path)
