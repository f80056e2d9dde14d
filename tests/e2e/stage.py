"""A stage for whole runs: the rehearsal forge, a scripted endpoint, a checkout, and the real ``agent`` command."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pullwright.agents.testing.endpoint_script import by_turn
from pullwright.agents.testing.scripted_endpoint import ScriptedEndpoint
from pullwright.agents.testing.scripted_model import Reply
from pullwright.integrations.testing.forge import AGENT_TOKEN, RehearsalForge
from pullwright.integrations.testing.sample import Edit, SampleRepository

Script = Sequence[Reply] | Callable[[Mapping[str, Any]], Reply]

RUN_SECONDS = 150

_APPLY = """\
import base64, json, os
for path, old, new in json.loads({edits!r}):
    path, old, new = (base64.b64decode(part) for part in (path, old, new))
    content = open(path, "rb").read() if old else b""
    if old:
        assert content.count(old) == 1, (path, content.count(old))
        new = content.replace(old, new)
    if os.path.dirname(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "wb").write(new)
"""


def apply_command(edits: Sequence[Edit]) -> str:
    """Return a command line that makes the edits, whatever bytes are in names and contents."""
    encoded = [[base64.b64encode(part).decode() for part in (edit.path, edit.old, edit.new)] for edit in edits]
    code = base64.b64encode(_APPLY.format(edits=json.dumps(encoded)).encode()).decode()
    return f"echo {code} | base64 -d | python3 -"


def fixing(sample: SampleRepository) -> list[Reply]:
    """Return the replies of a model that knows the answer."""
    # The minimal sandbox image brings Python and no other language.
    checks = [sample.check] if sample.check.startswith("python3") else []
    return [
        Reply(
            text="Looking around.", reasoning="First look.", calls=(("bash", {"command": "git status --short | head"}),)
        ),
        Reply(calls=(("bash", {"command": apply_command(sample.edits)}),)),
        Reply(calls=(("finish", {"title": f"Fix: {sample.issue.title}", "summary": "As asked.", "checks": checks}),)),
    ]


@dataclass(kw_only=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def said(self) -> list[str]:
        """Lines on standard error that are not about progress."""
        return [line for line in self.err.splitlines() if line.startswith("agent: ")]


class Endpoint(Protocol):
    """Where a model is served."""

    @property
    def url(self) -> str: ...


@dataclass(kw_only=True)
class Stage:
    """One forge, one endpoint, any number of runs."""

    folder: Path
    forge: RehearsalForge
    endpoint: Endpoint
    token: str = AGENT_TOKEN
    extra: dict[str, str] = field(default_factory=dict)
    seconds: float = RUN_SECONDS

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_")}
        return {
            **inherited,
            "AGENT_HOME": str(self.folder / "agent-home"),
            "AGENT_ENDPOINT_URL": self.endpoint.url,
            "AGENT_GITHUB_API_URL": self.forge.api_url,
            "AGENT_GITHUB_TOKEN": self.token,
            "REQUESTS_CA_BUNDLE": str(self.forge.ca_file),
            "GIT_SSL_CAINFO": str(self.forge.ca_file),
            "PYTHONSAFEPATH": "1",
            **self.extra,
        }

    def clone(self, sample: SampleRepository, owner: str = "acme") -> Path:
        """Return a checkout as a person has it: a clone with the remote's clean URL."""
        checkout = self.folder / f"checkout-{sample.name}"
        bare = self.forge.repository(owner, sample.name).bare.path
        subprocess.run(["git", "init", "--quiet", "-b", "main", str(checkout)], check=True)
        git = ["git", "-C", str(checkout)]
        subprocess.run([*git, "remote", "add", "origin", self.forge.clone_url(owner, sample.name)], check=True)
        subprocess.run([*git, "fetch", "--quiet", str(bare), "+refs/heads/*:refs/remotes/origin/*"], check=True)
        if sample.files:
            subprocess.run([*git, "reset", "--quiet", "--soft", "origin/main"], check=True)
        return checkout

    def agent(self, *arguments: str, cwd: Path) -> Ran:
        """Run the command to its end."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=cwd,
            env=self.environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=self.seconds,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Ran(code=done.returncode, out=done.stdout, err=done.stderr)

    def start(self, *arguments: str, cwd: Path) -> subprocess.Popen[str]:
        """Start the command and go on."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=cwd,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @staticmethod
    def command(*arguments: str) -> list[str]:
        return [sys.executable, "-P", "-m", "pullwright.cli", *arguments]


def until_replied(process: subprocess.Popen[str]) -> str:
    """Read what a started command prints with ``--json`` up to the first reply, and return the task's id."""
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["type"] == "model.replied":
            return str(event["task"])
    raise AssertionError("the model never replied")


class OpenStage(AbstractContextManager[Stage]):
    """Sets the stage and clears it."""

    def __init__(self, folder: Path, script: Script) -> None:
        self._folder = folder
        self._script = script
        self._stack = ExitStack()

    def __enter__(self) -> Stage:
        forge = self._stack.enter_context(RehearsalForge(self._folder / "forge"))
        script = self._script if callable(self._script) else by_turn({"": self._script})
        endpoint = self._stack.enter_context(ScriptedEndpoint(script))
        return Stage(folder=self._folder, forge=forge, endpoint=endpoint)

    def __exit__(self, *error: object) -> None:
        self._stack.close()
        prune(self._folder / "agent-home")


def prune(home: Path) -> None:
    """Remove what runs with this home keep on the engine; without an engine there is nothing."""
    command = Stage.command("sandbox", "prune")
    subprocess.run(command, env={**os.environ, "AGENT_HOME": str(home)}, capture_output=True, check=False)
