"""Runs the scripts of ``exec_scripts`` in one container, and leaves nothing of them behind when they are cut short."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import anyio

from pullwright.agents.background import beside
from pullwright.agents.errors import SandboxError, SandboxGone, SandboxUnavailable
from pullwright.sandbox import exec_scripts as scripts
from pullwright.sandbox.docker_engine import LOST, DockerEngine, ExecStream
from pullwright.sandbox.exec_run import Trailer, Transcript, gone

SWEEP_LIMIT = 10.0
"""Seconds that ending some processes may take; then all are ended, services too."""
END_LIMIT = 30.0
"""Seconds that clean-up may take when the work around it was canceled."""
REST_LIMIT = 5.0
"""Seconds in which the rest of the output comes after everything was killed."""
ASKS, ASK_AGAIN = 200, 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A script that ended, or was ended at its time limit."""

    transcript: Transcript
    trailer: Trailer | None
    """What it said at its end; None if it could not."""
    timed_out: bool
    exec_id: str


class ContainerShell:
    """Scripts in one container, one at a time.

    Args:
        engine: Where the container runs.
        container: Its name.
        environment: The variables of every script.
    """

    def __init__(self, engine: DockerEngine, container: str, environment: Mapping[str, str]) -> None:
        self._engine = engine
        self._container = container
        self._environment = dict(environment)
        self._lost = False
        """Whether something may still run that could not be ended."""

    async def open(self, script: str, token: str, arguments: Sequence[str], *, stdin: bool = False) -> ExecStream:
        """Start a script.

        Raises:
            SandboxGone: The container does not run, or the engine does not answer.
        """
        argv = ("sh", "-c", script, "sh", token, *arguments)
        try:
            return await self._engine.exec_stream(self._container, argv, self._environment, stdin=stdin)
        except SandboxUnavailable as exc:
            raise SandboxGone(f"sandbox can not be reached: {exc}") from exc

    async def run(
        self,
        script: str,
        arguments: Sequence[str],
        transcript: Transcript,
        *,
        seconds: float,
        kept: str,
        stdin: bytes | None = None,
    ) -> Ended:
        """Run a script to its end. At its time limit, and on cancellation, everything it started is killed.

        Args:
            script: One of ``exec_scripts``.
            arguments: What comes after the token.
            transcript: What takes its output in.
            seconds: Its time limit.
            kept: The marks of processes that are not killed.
            stdin: What it reads; None for nothing.

        Raises:
            SandboxGone: The container or the connection to it ended.
            ProtocolViolation: The engine sent something else than output.
        """
        if self._lost:
            raise gone()
        stream: ExecStream | None = None
        try:
            with anyio.move_on_after(seconds) as scope:
                stream = await self.open(script, transcript.token, arguments, stdin=stdin is not None)
                await _talk(stream, transcript, stdin)
            if scope.cancelled_caught:
                await self._cut_short(stream, transcript, kept)
        except BaseException:
            with suppress(SandboxError), anyio.move_on_after(END_LIMIT, shield=True):
                await self.sweep("others", kept)
            raise
        finally:
            if stream is not None:
                await anyio.aclose_forcefully(stream)
        trailer = transcript.take_trailer()
        timed_out = scope.cancelled_caught and trailer is None
        exec_id = stream.exec_id if stream is not None else ""
        return Ended(transcript=transcript, trailer=trailer, timed_out=timed_out, exec_id=exec_id)

    async def sweep(self, which: str, marks: str) -> None:
        """End processes: ``marked`` those that bear one of the marks, ``others`` all the rest.

        Raises:
            SandboxGone: They could not be ended; the sandbox is of no further use.
        """
        ending = Transcript(scripts.NOISE)
        with anyio.move_on_after(SWEEP_LIMIT):
            await self._sweep_once(scripts.SWEEP, ending, (which, marks))
        trailer = ending.take_trailer()
        if trailer is not None and trailer.word == "0":
            return
        with anyio.move_on_after(SWEEP_LIMIT):
            await self._sweep_once(scripts.END_ALL, Transcript(scripts.NOISE), ())
            return
        self._lost = True
        raise gone()

    async def _sweep_once(self, script: str, transcript: Transcript, arguments: Sequence[str]) -> None:
        async with await self.open(script, transcript.token, arguments) as stream:
            await transcript.follow(stream)

    async def code_of(self, ended: Ended) -> int:
        """Return the exit code of a script that had no time to say it, as the engine knows it.

        Raises:
            SandboxGone: The engine does not know.
        """
        try:
            for _ in range(ASKS):
                code = await self._engine.exec_code(ended.exec_id)
                if code is not None:
                    return code
                await anyio.sleep(ASK_AGAIN)
        except SandboxUnavailable as exc:
            raise gone() from exc
        raise gone()

    async def _cut_short(self, stream: ExecStream | None, transcript: Transcript, kept: str) -> None:
        await self.sweep("others", kept)
        if stream is not None:
            with anyio.move_on_after(REST_LIMIT):
                await transcript.follow(stream)


async def _talk(stream: ExecStream, transcript: Transcript, stdin: bytes | None) -> None:
    async def send() -> None:
        with suppress(*LOST):  # a script that ended early says why
            await stream.send(stdin or b"")

    async with beside(send):
        await transcript.follow(stream)
