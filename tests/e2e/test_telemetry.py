"""Ourselves in Sentry when a person runs a task in the foreground; and nothing of it where nobody asked for it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pullwright.integrations.testing.sample_repositories import SAMPLES
from pullwright.integrations.testing.sentry_sink import SentrySink
from tests.e2e.stage import OpenStage, Stage, fixing

MODULES = """
import sys
from pullwright.cli.app import app
from pullwright.cli.commands import run
print(*(name for name in sys.modules if "sentry" in name or name.startswith("pullwright.agents.intake")))
"""


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[SentrySink]:
    (tmp_path / "ours").mkdir()
    made = SentrySink(tmp_path / "ours")
    yield made
    made.close()


def told(stage: Stage, sink: SentrySink, folder: Path) -> None:
    """Let the commands of a stage tell our own Sentry."""
    trusted = folder / "trusted.pem"
    trusted.write_text(stage.forge.ca_file.read_text() + sink.ca_file.read_text())
    bundles = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "GIT_SSL_CAINFO")
    stage.extra = {"SENTRY_DSN": sink.dsn, **dict.fromkeys(bundles, str(trusted))}


@pytest.mark.docker
def test_a_run_in_the_foreground_sends_its_spans(tmp_path: Path, sink: SentrySink) -> None:
    sample = SAMPLES["invoice"]()
    with OpenStage(tmp_path, fixing(sample)) as stage:
        stage.forge.create_sample("acme", sample)
        told(stage, sink, tmp_path)
        ran = stage.agent("run", f"fix issue #{sample.issue.number}", "--json", cwd=stage.clone(sample))
        assert ran.code == 0, ran.err + ran.out
        [whole] = sink.items("transaction")
        assert whole["tags"]["source"] == "cli"
        assert whole["tags"]["task"] == ran.events[0]["task"]
        received = sink.received.decode("utf-8", "replace")
        assert stage.token not in received
        assert sample.issue.title not in received


@pytest.mark.docker
def test_a_dsn_that_is_none_is_said_before_anything_is_filed(tmp_path: Path) -> None:
    sample = SAMPLES["invoice"]()
    with OpenStage(tmp_path, fixing(sample)) as stage:
        stage.forge.create_sample("acme", sample)
        checkout = stage.clone(sample)
        stage.extra = {"SENTRY_DSN": "nonsense"}
        ran = stage.agent("run", f"fix issue #{sample.issue.number}", cwd=checkout)
        assert (ran.code, "SENTRY_DSN is no DSN" in ran.err) == (2, True)
        assert stage.agent("list", "--json", cwd=checkout).out == ""


def test_without_a_dsn_nothing_of_it_is_imported() -> None:
    command = [sys.executable, "-P", "-c", MODULES]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    allowed = {"pullwright.cli.sentry_settings"}  # the settings have their fields in any case
    assert set(done.stdout.split()) <= allowed
