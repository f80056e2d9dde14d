"""``docs/operations.md``: every command on the page is typed, in its order, against real databases."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.integration.sandbox.repositories import git, make_checkout
from tests.means import missing
from tests.postgres import PostgresServer, running_server

pytestmark = pytest.mark.docker  # workers look for what dead ones left on the engine

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
STAYS = ("agent worker ", "agent serve ")
"""Commands that a person leaves running."""


def commands() -> list[str]:
    """Return what a person types, in order; a command that goes on in the next line is one."""
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", "")
    return [" ".join(line[2:].split()) for line in lines.splitlines() if line.startswith("$ ")]


@dataclass(kw_only=True)
class Shell:
    """A person's shell on this machine, and what they left running in it."""

    folder: Path
    names: Mapping[str, str]
    """What the page's names stand for here."""
    variables: dict[str, str]
    cwd: Path
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def type(self, command: str) -> str:
        """Do what a command says and return what it printed; it must succeed."""
        for name, here in self.names.items():
            command = command.replace(name, here)
        if command.startswith("cd "):
            self.cwd = Path(self._bash(f"{command} && pwd").strip())
            return ""
        if command.startswith("export "):
            name = command.removeprefix("export ").partition("=")[0]
            self.variables[name] = self._bash(f'{command} && printf %s "${name}"')
            return ""
        return self._start(command) if command.startswith(STAYS) else self._bash(command)

    def stop_all(self) -> None:
        """Stop what runs, as a service manager does."""
        for process in self.running:
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=60)
            assert process.returncode == 0, said
        self.running.clear()

    def _bash(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.cwd,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def _start(self, command: str) -> str:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"], cwd=self.cwd, env=self.variables, stderr=subprocess.PIPE, text=True
        )
        self.running.append(process)
        assert process.stderr is not None
        line = next(line for line in process.stderr if "serves " in line or "serving " in line)
        return str(line)


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    for program in ("psql", "pg_dump", "pg_restore", "sqlite3", "openssl"):
        if shutil.which(program) is None:
            missing(f"{program} is not installed; apt install postgresql-client sqlite3 openssl")
    with running_server() as server:
        yield server


@pytest.fixture
def shell(tmp_path: Path, server: PostgresServer) -> Iterator[Shell]:
    home, backup = tmp_path / "home", tmp_path / "backup"
    backup.mkdir()
    shop = tmp_path / "shop"
    make_checkout(shop, {"a.txt": b"one"})
    git(shop, "remote", "add", "origin", "https://github.com/acme/shop.git")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_")}
    shell = Shell(
        folder=tmp_path,
        names={
            "db.example": f"127.0.0.1:{server.port}",
            "/backup": str(backup),
            "--slots 1": "--slots 1 --port 0",
        },
        variables=kept
        | {
            "AGENT_HOME": str(home),
            "AGENT_ENDPOINT_URL": "http://127.0.0.1:9/v1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        },
        cwd=shop,
    )
    try:
        yield shell
    finally:
        for process in shell.running:
            process.kill()
            process.communicate()
        server.execute("DROP DATABASE IF EXISTS pullwright WITH (FORCE)")


FILE = "agent run 'fix the total' --detach"


def test_every_command_of_the_page_works(shell: Shell, server: PostgresServer) -> None:
    typed: list[str] = []
    sqlite = dict(shell.variables)
    shell.type(FILE)
    for command in commands():
        match command.split():
            case ["agent", "show", task, *_]:
                command = command.replace(task, shell.type(FILE).split()[-1])
            case ["agent", "db", "move", *_]:  # from a file, to a database that is empty
                shell.stop_all()
                url = shell.variables["AGENT_DATABASE_URL"]
                server.execute("DROP DATABASE pullwright WITH (FORCE)")
                server.execute("CREATE DATABASE pullwright OWNER pullwright")
                shell.variables = dict(sqlite)
            case ["cd", *_]:  # the restore of a file, where there is no other database
                shell.variables.pop("AGENT_DATABASE_URL", None)
            case ["psql", *rest] if "DROP" in " ".join(rest):
                shell.variables["AGENT_DATABASE_URL"] = url
            case _:
                pass
        printed = shell.type(command)
        assert "✘" not in printed, f"{command}\n{printed}"
        if command.startswith("agent db move"):
            shell.variables["AGENT_DATABASE_URL"] = url
        typed.append(command)
    assert len(typed) > 20
    listed = shell.type("agent list --json")
    assert "fix the total" in listed
