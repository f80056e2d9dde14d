from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from pullwright.agents.testing.scripted_endpoint import Quirk, ScriptedEndpoint
from pullwright.cli.commands import doctor
from pullwright.cli.settings import Settings
from tests.unit.agents.llm.healthy_model import healthy

assert httpx2  # imported before the loop runs: its import reads files

pytestmark = [pytest.mark.anyio]


async def lines(endpoint: ScriptedEndpoint, home: Path, output: pytest.CaptureFixture[str]) -> tuple[bool, list[str]]:
    settings = Settings(home=home, endpoint_url=endpoint.url)
    fine = await doctor._report("endpoint", doctor._endpoint, settings)
    return fine, output.readouterr().out.splitlines()


async def test_a_good_endpoint_is_told_line_by_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedEndpoint(healthy) as endpoint:
        fine, told = await lines(endpoint, tmp_path, capsys)
    assert fine
    assert told[0] == f"✔ endpoint: scripted-mistral at {endpoint.url}"
    assert "  ✔ window: 262144 tokens" in told
    assert all(line.startswith("  ✔ ") for line in told[1:])


async def test_defects_have_their_mark_and_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quirks = frozenset({Quirk.F4_NO_PARSER, Quirk.F18_NO_IMAGES})
    with ScriptedEndpoint(healthy, quirks=quirks) as endpoint:
        fine, told = await lines(endpoint, tmp_path, capsys)
    assert not fine
    assert told[0].startswith("✘ endpoint: ")
    assert any(line.startswith("  ✘ tool parser: ") and "--tool-call-parser mistral" in line for line in told)
    assert any(line.startswith("  ! images: ") and "--mmproj" in line for line in told)
