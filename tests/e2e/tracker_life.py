"""A tracker at the rehearsal beside a code host, with the real server and a model that knows the answers.

Nothing of the code host reaches in: there is no webhook of GitHub, and only the tracker says that there is work.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pullwright.agents.testing.endpoint_script import by_turn
from pullwright.agents.testing.scripted_endpoint import ScriptedEndpoint
from pullwright.agents.testing.scripted_model import Reply
from pullwright.integrations.testing.forge_state import PullRecord, Repository
from pullwright.integrations.testing.rehearsal import Rehearsal
from tests.e2e.bot_server import BotServer
from tests.e2e.stage import Stage, prune

SECONDS = 75.0
EVERY = 0.05


@dataclass(kw_only=True)
class TrackerLife:
    """The code host, the server, and what can be seen of what they do."""

    rehearsal: Rehearsal
    shop: Repository
    server: BotServer
    endpoint: ScriptedEndpoint

    def wait(self, until: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
        """Wait until something is so."""
        end = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < end, f"{what}: not after {seconds:g} s; agent serve said:\n{self.server.said}"
            time.sleep(EVERY)

    @property
    def pull(self) -> PullRecord:
        """The only pull request."""
        (pull,) = self.shop.pulls.values()
        return pull

    def read(self, path: str) -> str:
        """Return a file as the pull request has it."""
        return self.shop.bare.read(self.shop.head_sha(self.pull), path.encode()).decode()


@contextmanager
def tracker_life(
    folder: Path,
    files: Mapping[str, str],
    replies: Mapping[str, Sequence[Reply]],
    settings: Mapping[str, str],
    *certificates: Path,
) -> Iterator[TrackerLife]:
    """Set everything up; nobody has asked for anything.

    Args:
        folder: Where everything is.
        files: Of the repository ``acme/shop``.
        replies: Of the model, by what a conversation is about.
        settings: Of the tracker, and what else there is to set.
        certificates: Of the tracker, and of whatever else is asked.
    """
    with ExitStack() as stack:
        stack.callback(prune, folder / "agent-home")
        rehearsal = stack.enter_context(Rehearsal(folder / "forge"))
        shop = rehearsal.repository("shop", files)
        endpoint = stack.enter_context(ScriptedEndpoint(by_turn(replies)))
        (folder / "agent-home").mkdir()
        trusted = folder / "trusted.pem"
        trusted.write_text("".join(file.read_text() for file in (rehearsal.forge.ca_file, *certificates)))
        stage = Stage(folder=folder, forge=rehearsal.forge, endpoint=endpoint, token="")
        environment = {
            **stage.environment,
            **rehearsal.environment(),
            **dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "GIT_SSL_CAINFO"), str(trusted)),
            "AGENT_API_TOKEN": "t" * 32,
            **settings,
        }
        server = stack.enter_context(BotServer(environment, folder))
        yield TrackerLife(rehearsal=rehearsal, shop=shop, server=server, endpoint=endpoint)


def listed(*values: object) -> str:
    """Return a list as a variable has it."""
    return json.dumps(list(values))
