"""What the rehearsed bots have in common: ``agent serve`` in a process of its own, and a model that is scripted."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pullwright.agents.testing.endpoint_script import read_script
from pullwright.agents.testing.scripted_endpoint import ScriptedEndpoint
from pullwright.integrations.testing.rehearsal import Rehearsal

START_SECONDS = 120.0
SECONDS = float(os.environ.get("BOT_DEMO_SECONDS", "240"))
"""Most seconds for each thing that is waited for."""
EVERY = 0.1


def say(text: str) -> None:
    """Print something for people."""
    print(text, file=sys.stderr, flush=True)


class Server:
    """``agent serve`` in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: list[str] = []
        self._listening = threading.Event()
        self.url = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def said(self) -> str:
        """The end of what it said."""
        return "".join(self._lines[-40:])

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def wait_until_it_listens(self) -> None:
        """Wait for its address."""
        if not self._listening.wait(START_SECONDS) or not self.url:
            raise SystemExit(f"agent serve did not start:\n{self.said}")

    def end(self) -> None:
        """Let it end."""
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            for line in stream:
                self._lines.append(line)
                if found := re.search(r"serving on (http://\S+)", line):
                    self.url = found[1]
                    self._listening.set()
        self._listening.set()


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[Server]:
    """Run ``agent serve`` for the length of a block."""
    command = [sys.executable, "-P", "-m", "pullwright.cli", "serve", "--port", "0", "--slots", "2"]
    say("$ agent serve")
    with subprocess.Popen(
        command, env=environment, cwd=environment["AGENT_HOME"], stderr=subprocess.PIPE, text=True
    ) as process:
        server = Server(process)
        try:
            server.wait_until_it_listens()
            yield server
        finally:
            server.end()


def wait(server: Server, until: Callable[[], object]) -> bool:
    """Whether something became so in time."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and server.alive():
        if until():
            return True
        time.sleep(EVERY)
    return bool(until())


def endpoint(stack: ExitStack, script: Path, target: str) -> str:
    """Return where the model is: behind AGENT_ENDPOINT_URL, or in a script until the stack is closed."""
    if url := os.environ.get("AGENT_ENDPOINT_URL"):
        return url
    say(f"The model is scripted: it plays back examples/{script.parent.name}/{script.name}.")
    say(f"For a real one: AGENT_ENDPOINT_URL=http://HOST:PORT/v1 AGENT_ENDPOINT_PROFILE=vllm make {target}\n")
    os.environ["AGENT_ENDPOINT_PROFILE"] = "vllm"
    return stack.enter_context(ScriptedEndpoint(read_script(script))).url


def environment(
    rehearsal: Rehearsal, folder: Path, url: str, settings: Mapping[str, str], *certificates: Path
) -> dict[str, str]:
    """Return the variables for ``agent serve`` beside a rehearsed code host, and what else is on this machine.

    Args:
        rehearsal: The code host.
        folder: Where the agent keeps its things.
        url: Where the model is.
        settings: What belongs to this example.
        certificates: Of the other rehearsals; real sites need none of this.
    """
    home, trusted = folder / "agent-home", folder / "trusted.pem"
    home.mkdir()
    trusted.write_text("".join(file.read_text() for file in (rehearsal.forge.ca_file, *certificates)))
    return {
        **os.environ,
        # The App's id and key, the API's address, and the rehearsals' own certificates, which real sites have not.
        **rehearsal.environment(),
        **dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "GIT_SSL_CAINFO"), str(trusted)),
        "AGENT_HOME": str(home),
        "AGENT_API_TOKEN": secrets.token_hex(32),
        "AGENT_ENDPOINT_URL": url,
        "PYTHONSAFEPATH": "1",
        **settings,
    }


def clean_up(environment: Mapping[str, str]) -> None:
    """Remove what the engine keeps: the clean base that runs share is not worth keeping for a home that ends."""
    command = [sys.executable, "-P", "-m", "pullwright.cli", "sandbox", "prune"]
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)
