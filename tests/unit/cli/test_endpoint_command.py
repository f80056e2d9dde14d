"""Run as a program, this writes the examples of ``docs/recipes.md`` anew."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from typer.testing import CliRunner

from pullwright.agents.errors import ConfigError
from pullwright.cli.app import app

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "recipes.md"
SHOWN = {
    "Four H100": ["vllm --gpus 4xH100-80 --compare-api 250M --gpu-hour 2.5", "vllm --gpus 4xH100-80 --kv fp8"],
    "Eight H100": ["vllm --gpus 8xH100-80", "nim --gpus 8xH100-80"],
    "Four H200": ["sglang --gpus 4xH200-141"],
    "Two B200": ["sglang --gpus 2xB200-192"],
    "Eight A100": ["vllm --gpus 8xA100-80"],
    "A workstation": ["llamacpp --gpus 1xRTX6000-96 --kv fp8", "ollama --gpus 2xRTX6000-96 --agents 2"],
    "What does not fit": [
        "vllm --gpus 2xH100-80",
        "vllm --gpus 3xH100-80",
        "llamacpp --gpus 1xRTX6000-96",
        "vllm --gpus 4xH100-80 --agents 9",
    ],
}


def printed(arguments: str) -> str:
    """What a person sees."""
    with mock.patch.dict(os.environ, {"COLUMNS": "100", "TERM": "dumb"}):
        result = CliRunner().invoke(app, ["endpoint", "recipe", *shlex.split(arguments)])
    if isinstance(result.exception, ConfigError):
        return f"agent: {result.exception}\n"
    assert result.exit_code == 0, result.output
    return "".join(f"{line.rstrip()}\n" for line in result.stdout.splitlines())


def examples() -> str:
    parts = []
    known = {""}
    for title, commands in SHOWN.items():
        parts.append(f"## {title}\n")
        for command in commands:
            text, line, notes = printed(command).partition("\nWhere sources differ")
            parts.append(f"```console\n$ agent endpoint recipe {command}\n{text}")
            parts[-1] += "```\n" if notes in known else f"{line}{notes}```\n"
            known.add(notes)
    return "\n".join(parts)


def test_the_page_shows_what_the_command_prints() -> None:
    head, _, shown = PAGE.read_text(encoding="utf-8").partition("## Four H100")
    assert "python -m tests.unit.cli.test_endpoint_command" in head
    assert f"## Four H100{shown}" == examples()


def test_the_page_has_no_number_that_the_command_does_not_print() -> None:
    head, _, shown = PAGE.read_text(encoding="utf-8").partition("## Four H100")
    numbers = set(re.findall(r"(?<![\w.])\d[\d,.]*\d%?|\d+ GB", head))
    assert len(numbers) >= 5
    assert {number for number in numbers if number not in shown} == set()


@pytest.mark.parametrize("server", ["vllm", "sglang", "ollama", "llamacpp", "nim"])
def test_json_is_one_line_that_a_script_can_use(server: str) -> None:
    line = printed(f"{server} --gpus 4xH100-80 --compare-api 250M --gpu-hour 2.5 --json")
    found = json.loads(line)
    assert line.count("\n") == 1
    assert found["server"] == server
    assert shlex.split(found["command"].replace("\\\n", "")) == found["words"]
    assert found["gpus"] == {"count": 4, "name": "H100", "gb": 80}
    assert found["capacity"]["window"] >= 32_768
    assert found["capacity"]["weights"]["gb"] in {80, 134}
    assert found["comparison"]["even_tokens_per_day"] == 133_333_333
    assert all(set(note) == {"topic", "claim", "follow", "why"} for note in found["notes"])


def test_without_a_comparison_there_is_none() -> None:
    assert json.loads(printed("vllm --gpus 4xH100-80 --json"))["comparison"] is None
    assert "break-even" not in printed("vllm --gpus 4xH100-80 --gpu-hour 2")


def test_without_the_price_of_a_gpu_the_price_is_what_is_found_out() -> None:
    text = printed("vllm --gpus 4xH100-80 --compare-api 250M")
    assert "$4.69 per GPU-hour" in text
    assert "break-even" not in text


@pytest.mark.parametrize(
    "arguments",
    [
        "vllm --gpus 2xH100-80",
        "vllm --gpus 4xH100-80 --window 262145",
        "vllm --gpus 3xH100-80",
        "vllm --gpus lots",
        "vllm --gpus 4xH100-80 --kv int4",
        "vllm --gpus 4xH100-80 --compare-api many",
        "vllm --gpus 4xH100-80 --compare-api 1M --gpu-hour inf",
        "unknown --gpus 4xH100-80",
    ],
)
def test_what_can_not_be_is_one_line(arguments: str) -> None:
    text = printed(arguments)
    assert text.startswith("agent: ")
    assert text.count("\n") == 1


def test_what_does_not_fit_exits_with_2(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "pullwright.cli", "endpoint", "recipe", "vllm", "--gpus", "2xH100-80"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.endswith("what fits: --gpus 4xH100-80\n")


def write_page() -> None:
    head = PAGE.read_text(encoding="utf-8").partition("## Four H100")[0]
    PAGE.write_text(head + examples(), encoding="utf-8")


if __name__ == "__main__":
    write_page()
