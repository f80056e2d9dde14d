from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def agent(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "pullwright.cli", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "x", "--no-such-option"],
        ["run", "x", "--max-steps", "0"],
        ["frobnicate"],
        ["run", "x"],
    ],
)
def test_a_wrong_call_or_setting_exits_with_2_and_no_traceback(arguments: list[str], tmp_path: Path) -> None:
    done = agent(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stdout == "" or arguments == ["run"]


@pytest.mark.parametrize("command", ["show", "watch", "diff", "cancel", "checkpoints"])
def test_an_unknown_task_is_one_line(command: str, tmp_path: Path) -> None:
    done = agent(command, "01nope", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["agent: no task starts with the id '01nope'; see `agent list`"]


def test_an_empty_list_says_how_to_begin(tmp_path: Path) -> None:
    assert "agent run" in agent("list", cwd=tmp_path).stdout
    assert agent("list", "--json", cwd=tmp_path).stdout == ""


def test_output_into_a_closed_pipe_is_no_bug(tmp_path: Path) -> None:
    command = f"{sys.executable} -P -m pullwright.cli list | true"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr


def test_heavy_packages_are_not_loaded_for_help() -> None:
    code = "import sys; sys.argv = ['agent', '--help']\nfrom pullwright.cli.app import app\n"
    code += "try: app()\nexcept SystemExit: pass\n"
    code += "print([name for name in ('openai', 'docker', 'sqlmodel', 'git', 'github') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
