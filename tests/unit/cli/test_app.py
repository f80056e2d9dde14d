from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pullwright.cli.app import main

Agent = Callable[..., tuple[int, str, str]]


@pytest.fixture
def _no_blocking_call_in_the_event_loop() -> None:
    """A command that begins has nothing else on its loop, and imports there what it needs."""


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Agent]:
    """Runs the command in this process; returns its exit code and what it said on each stream."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["agent", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return ended.value.code, *capsys.readouterr()

    yield call
    gc.enable()
    gc.unfreeze()


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
def test_a_wrong_call_or_setting_exits_with_2_and_no_traceback(agent: Agent, arguments: list[str]) -> None:
    code, out, err = agent(*arguments)
    assert code == 2
    assert "Traceback" not in err
    assert out == "" or arguments == ["run"]


@pytest.mark.parametrize("command", ["show", "watch", "diff", "cancel", "checkpoints"])
def test_an_unknown_task_is_one_line(agent: Agent, command: str) -> None:
    code, _, err = agent(command, "01nope")
    assert code == 1
    assert err.splitlines() == ["agent: no task starts with the id '01nope'; see `agent list`"]


def test_an_empty_list_says_how_to_begin(agent: Agent) -> None:
    assert "agent run" in agent("list")[1]
    assert agent("list", "--json")[1] == ""


def test_it_runs_as_a_program(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "pullwright.cli", "frobnicate"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "No such command 'frobnicate'" in done.stderr


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
