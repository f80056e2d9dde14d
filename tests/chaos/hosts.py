"""Hosts: each a process that advances runs, with its own data folder, name on the container engine, and token."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

END_SECONDS: Final = 150.0

COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {"worker": ("worker",), "serve": ("serve", "--port", "0")}


@dataclass(kw_only=True)
class Host:
    """One of the machines; its process may be killed, frozen and started again at any time."""

    name: str
    folder: Path
    environment: Mapping[str, str]
    token: str
    """What its requests to the code host carry."""
    command: str = "worker"
    slots: int = 4
    frozen: bool = False
    hit: set[int] = field(default_factory=set)
    """The ids of its processes that were killed or frozen."""
    gone_by_itself: list[int] = field(default_factory=list)
    """The exit codes of processes that nobody ended."""
    _process: subprocess.Popen[bytes] | None = None

    @property
    def home(self) -> Path:
        return self.folder / self.name

    @property
    def log(self) -> str:
        file = self.folder / f"{self.name}.log"
        return file.read_text(errors="replace") if file.exists() else ""

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        """Whether the process lives; takes note of one that ended by itself."""
        if self._process is not None and (code := self._process.poll()) is not None:
            self.gone_by_itself.append(code)
            self._process = None
        return self._process is not None

    def start(self, *arguments: str) -> None:
        """Start the process, if it does not run."""
        if self.running:
            return
        command = [sys.executable, "-P", "-m", "pullwright.cli", *COMMANDS[self.command], *arguments]
        command += ["--slots", str(self.slots)]
        environment = {**self.environment, "AGENT_HOME": str(self.home), "AGENT_GITHUB_TOKEN": self.token}
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log)

    def kill(self) -> None:
        """End the process without a word."""
        process, self._process = self._process, None
        self.frozen = False
        if process is not None:
            self.hit.add(process.pid)
            process.kill()
            process.wait()

    def freeze(self) -> None:
        """Stop the process from running."""
        if self.running:
            self.frozen = True
            self.hit.add(self.pid)
            os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen process go on, which knows nothing of the pause."""
        if self.frozen and self._process is not None:
            os.kill(self.pid, signal.SIGCONT)
        self.frozen = False

    def end(self) -> int:
        """Tell the process to end, and return its exit code when it has."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(END_SECONDS)
        finally:
            process.kill()
            process.wait()

    def processes(self) -> list[str]:
        """Return the command lines of all processes that have this host's data folder, or watch over one that had."""
        wanted = f"AGENT_HOME={self.home}".encode()
        owners = [file.stem.encode() for file in (self.home / "owners").glob("*.lock")]
        found = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
                ours = wanted in (entry / "environ").read_bytes().split(b"\0") if words else False
                if ours or any(owner in words for owner in owners):
                    found.append(b" ".join(words).decode(errors="replace"))
        return found

    def prune(self) -> str:
        """Remove what the host keeps on the container engine, and return what is said."""
        environment = {**self.environment, "AGENT_HOME": str(self.home)}
        command = [sys.executable, "-P", "-m", "pullwright.cli", "sandbox", "prune"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout
