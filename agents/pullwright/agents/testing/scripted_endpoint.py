"""A model server on the loopback that says what a script tells it to, over real HTTP and server-sent events.

For tests and demonstrations that need everything but the model: the client, its retries, cancelling, whole runs.
Requests are checked as strictly as the strictest real server does, and it takes on any habit of a real server that
``Quirk`` lists. Within a process it is a context manager; as a program it prints its URL when it is ready::

    python -m pullwright.agents.testing.scripted_endpoint --script script.json --port 8123 --quirk f10
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pullwright.agents.testing.endpoint_fault import Fault, FaultKind
from pullwright.agents.testing.endpoint_http import Server
from pullwright.agents.testing.endpoint_quirks import Quirk
from pullwright.agents.testing.endpoint_script import Script, read_script
from pullwright.agents.testing.endpoint_serving import Serving
from pullwright.agents.testing.endpoint_wire import STYLES

__all__ = ["Fault", "FaultKind", "Quirk", "ScriptedEndpoint", "main"]


class ScriptedEndpoint(Serving):
    """The server. A list of replies is used up in order; a callable sees each request."""

    def __init__(self, script: Script, *, port: int = 0, **options: Any) -> None:
        """Lay out the server; it listens from ``__enter__`` on.

        Args:
            script: What to answer.
            port: 0 for any free one.
            options: As for ``Serving``.
        """
        super().__init__(script, **options)
        self._server = Server(("127.0.0.1", port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="scripted-endpoint")

    @property
    def url(self) -> str:
        """Base URL, with ``/v1``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve a script until the process is ended."""
    parser = argparse.ArgumentParser(description="Serve a scripted model on the loopback.")
    parser.add_argument("--script", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--style", choices=sorted(STYLES), default="vllm")
    parser.add_argument("--model", default="scripted-mistral")
    parser.add_argument("--window", type=int, default=262_144)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--piece", type=int, default=8)
    parser.add_argument("--quirk", dest="quirks", type=Quirk, action="append", default=[], help="f1 … f30-503")
    options = vars(parser.parse_args(arguments))
    options["quirks"] = frozenset(options["quirks"])
    with ScriptedEndpoint(read_script(options.pop("script")), **options) as endpoint:
        sys.stdout.write(f"listening on {endpoint.url}\n")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
