"""Kills ``agent serve`` at random points, and starts it again at once."""

from __future__ import annotations

import random
import threading
from collections import Counter
from datetime import timedelta

from pullwright.integrations.testing.web_server import Request
from tests.e2e.bot_life import BotLife

AT_ANY_TIME = "at any time"
REQUESTS = {
    "a new comment": ("POST", "/comments"),
    "a changed comment": ("PATCH", "/issues/comments/"),
    "a pull request": ("POST", "/pulls"),
    "a push": ("POST", "/git-receive-pack"),
    "a reaction": ("POST", "/reactions"),
}
"""Where it dies: while the code host does what it was asked to, so that the answer is lost."""
WAIT_SECONDS = 3.0
"""How long a request is waited for before it dies all the same."""
PAUSES = (0.05, 0.8)
"""Seconds between two kills, at least and at most, beside the time that a start takes."""
AGED = timedelta(hours=5)
"""The code host is asked at once for what it could not deliver, as if so much time had gone by since."""


class Killer:
    """Does so for the length of a block, until there were enough."""

    def __init__(self, life: BotLife, seed: int, kills: int) -> None:
        self._life = life
        self._chance = random.Random(seed)
        self._left = kills
        self._trap: tuple[str, str] | None = None
        self._sprung = threading.Event()
        self._leaving = threading.Event()
        self._aged: set[int] = set()
        self._thread = threading.Thread(target=self._run, name="killer")
        self.trouble: BaseException | None = None
        self.killed: Counter[str] = Counter()

    def __enter__(self) -> Killer:
        self._life.rehearsal.forge.watch(self._look)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._leaving.set()
        self._thread.join()

    @property
    def busy(self) -> bool:
        return self._thread.is_alive()

    def _look(self, request: Request) -> None:
        trap = self._trap
        if trap is not None and request.method == trap[0] and trap[1] in request.path:
            self._trap = None
            if self._life.server.kill():
                self._sprung.set()

    def _run(self) -> None:
        try:
            while self._left and not self._leaving.is_set():
                self._kill_once(self._chance.choice([AT_ANY_TIME, *REQUESTS]))
                self._left -= 1
        except BaseException as exc:
            self.trouble = exc
            raise

    def _kill_once(self, where: str) -> None:
        server = self._life.server
        self._leaving.wait(self._chance.uniform(*PAUSES))
        self._sprung.clear()
        self._trap = REQUESTS.get(where)
        caught = self._trap is not None and self._sprung.wait(WAIT_SECONDS)
        self._trap = None
        if not caught:
            server.kill()
        self.killed[where if caught else AT_ANY_TIME] += 1
        server.gone()
        self.let_time_pass()
        server.start()

    def let_time_pass(self) -> int:
        """Let what was lost be old enough to be asked for again; return how much that was."""
        state = self._life.rehearsal.forge.state
        with state.lock:
            lost = [one for one in state.deliveries if one.status != "pending" and not one.delivered]
            fresh = [one for one in lost if one.id not in self._aged]
            for one in fresh:
                one.at -= AGED
                self._aged.add(one.id)
        return len(fresh)
