"""``agent serve`` as a process that can be killed at any moment and comes up again at the same address."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from tests.e2e.stage import Stage

START_SECONDS = 60.0
END_SECONDS = 60.0


class BotServer:
    """One server; use it as a context manager, which ends it in order."""

    def __init__(self, environment: Mapping[str, str], folder: Path, *, slots: int = 2) -> None:
        self.environment = dict(environment)
        self._folder = folder
        self._slots = slots
        self._lock = threading.RLock()
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._listens = threading.Event()
        self._lines: list[str] = []
        self._port = 0
        self.kills = 0

    def __enter__(self) -> BotServer:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def home(self) -> Path:
        return Path(self.environment["AGENT_HOME"])

    @property
    def said(self) -> str:
        """Everything that all of its processes wrote."""
        return "".join(self._lines)

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and wait until it listens."""
        command = Stage.command("serve", "--port", str(self._port), "--slots", str(self._slots), "--drain-seconds", "1")
        with self._lock:
            self._listens.clear()
            self._process = subprocess.Popen(
                command, env=self.environment, cwd=self._folder, stderr=subprocess.PIPE, text=True, errors="replace"
            )
            self._reader = threading.Thread(target=self._read, args=(self._process,))
            self._reader.start()
        assert self._listens.wait(START_SECONDS), f"agent serve does not listen:\n{self.said}"
        assert self.alive, f"agent serve ended:\n{self.said}"

    def kill(self) -> bool:
        """Let it die on the spot; say whether there was one."""
        with self._lock:
            if not self.alive:
                return False
            assert self._process is not None
            os.kill(self._process.pid, signal.SIGKILL)
            self.kills += 1
            return True

    def gone(self) -> None:
        """Wait until a killed one is gone."""
        assert self._process is not None
        assert self._reader is not None
        self._process.wait()
        self._reader.join()

    def end(self) -> None:
        """Let it end in order."""
        assert self._process is not None
        self._process.terminate()
        began = time.monotonic()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self.gone()
        assert time.monotonic() - began < END_SECONDS, f"agent serve did not end:\n{self.said}"

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with process.stderr as stream:
            for line in stream:
                self._lines.append(line)
                if found := re.search(r"serving on http://127\.0\.0\.1:(\d+)", line):
                    self._port = int(found[1])
                    self._listens.set()
        self._listens.set()
