"""What the bot says about deliveries, and what it looks up, against the rehearsal."""

from __future__ import annotations

import pytest

from pullwright.integrations.commands import AgentRequest, Verb
from pullwright.integrations.github.client import GitHubClient
from pullwright.integrations.github.markers import MarkerKey
from pullwright.integrations.github.meanings import (
    Actor,
    BotIdentity,
    Cause,
    RepositoryFacts,
    Subject,
    WorkRequested,
)
from pullwright.integrations.github.settings import GitHubSettings
from pullwright.integrations.github.speaking import GitHubMoments, GitHubVoice
from pullwright.integrations.github.tuning import GitHubTuning
from pullwright.integrations.github.voice import Place
from pullwright.integrations.markers import Marker
from pullwright.integrations.testing.forge import AGENT_TOKEN, RehearsalForge
from pullwright.integrations.testing.forge_state import Repository
from pullwright.integrations.testing.github_documents import user_id

pytestmark = pytest.mark.anyio

AGENT = "pullwright-agent"
MARKERS = MarkerKey(b"k" * 16)
MARKER = Marker(task_id="d1", step="reply")
WORK = "w#42"


@pytest.fixture
def shop(forge: RehearsalForge) -> Repository:
    repository = forge.create_repository("acme", "shop", {"a.txt": "one\n"})
    forge.create_issue("acme", "shop", title="Broken", body="See log.", number=42)
    return repository


@pytest.fixture
def bot(forge: RehearsalForge) -> BotIdentity:
    return BotIdentity(host=forge.host, login=AGENT, user_id=user_id(AGENT))


def client_of(forge: RehearsalForge, token: str = AGENT_TOKEN) -> GitHubClient:
    settings = GitHubSettings(api_url=forge.api_url, token=token, ca_file=forge.ca_file)
    return GitHubClient(settings, GitHubTuning(backoff=0, rate_limit_wait=1))


def voice_of(forge: RehearsalForge, bot: BotIdentity, token: str = AGENT_TOKEN) -> GitHubVoice:
    return GitHubVoice(client_of(forge, token), bot, MARKERS)


async def test_a_comment_is_found_again_by_its_marker(
    forge: RehearsalForge, shop: Repository, bot: BotIdentity
) -> None:
    place = Place(repository="acme/shop", number=42, work_key=WORK)
    voice = voice_of(forge, bot)
    assert await voice.find_comment(place, MARKER) is None
    line = MARKERS.make(MARKER, work_key=WORK)
    forge.person("eve").comment(shop, 42, f"a copy\n\n{line}")
    assert await voice.find_comment(place, MARKER) is None
    forge.rename_repository("acme", "shop", "store")
    made = await voice.comment(place, f"No.\n\n{line}")
    assert made.url
    assert await voice.find_comment(place, MARKER) == made
    assert await voice.find_comment(place, Marker(task_id="d2", step="reply")) is None


async def test_a_reaction_is_made_once(forge: RehearsalForge, shop: Repository, bot: BotIdentity) -> None:
    comment = forge.person("ann").comment(shop, 42, "/agent run")
    voice = voice_of(forge, bot)
    for place in (
        Place(repository="acme/shop", number=42, work_key=WORK),
        Place(repository="acme/shop", number=42, work_key=WORK, comment_id=comment.id),
    ):
        assert await voice.react(place) == await voice.react(place)


async def test_the_time_of_a_label_is_looked_up(forge: RehearsalForge, shop: Repository, bot: BotIdentity) -> None:
    forge.person("ann").label(shop, 42, "bug")
    moments = GitHubMoments(client_of(forge), bot)
    asked = WorkRequested(
        delivery_id="d",
        repository=RepositoryFacts(id=shop.id, full_name="acme/shop", private=True),
        actor=Actor(id=user_id("ann"), login="ann"),
        cause=Cause.LABELED,
        request=AgentRequest(verb=Verb.RUN),
        subject=Subject(
            number=42, is_pull_request=False, title="", body="", author="octocat", state="open", locked=False
        ),
    )
    assert await moments.of(asked) is None
    forge.person("eve").label(shop, 42, "agent")
    assert await moments.of(asked) is None
    forge.person("ann").unlabel(shop, 42, "agent")
    forge.person("ann").label(shop, 42, "agent")
    assert await moments.of(asked) is not None
