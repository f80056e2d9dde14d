"""The bot's voice over the REST API, and the look-up of when somebody asked by a label or an assignment."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from pullwright.agents.worker.outbox import Made
from pullwright.integrations.github.client import GitHubClient, Session
from pullwright.integrations.github.credentials import Need, Step
from pullwright.integrations.github.delivery_payloads import LabelPart, Part, UserPart
from pullwright.integrations.github.markers import MarkerKey
from pullwright.integrations.github.meanings import BotIdentity, Cause, WorkRequested
from pullwright.integrations.github.operations import read_repository
from pullwright.integrations.github.payloads import IssuePayload, Payload
from pullwright.integrations.github.voice import SEEN, Place
from pullwright.integrations.markers import Marker

PAGE = 100
PAGES = 10
"""How many pages of an issue's history are read, newest of it last; a longer one is no ordinary issue."""

READY = """
mutation($id: ID!) { markPullRequestReadyForReview(input: {pullRequestId: $id}) { pullRequest { id isDraft } } }"""
"""The REST API can not do it."""


class _Written(Payload):
    id: int
    html_url: str = ""
    body: str | None = None
    user: UserPart | None = None


class _Reaction(Payload):
    id: int


class _Draft(Payload):
    node_id: str
    html_url: str = ""
    draft: bool = False


class _Happened(Part):
    event: str = ""
    created_at: datetime | None = None
    actor: UserPart | None = None
    label: LabelPart | None = None
    assignee: UserPart | None = None


class GitHubVoice:
    """Says things on GitHub; see ``Voice``."""

    def __init__(self, client: GitHubClient, bot: BotIdentity, markers: MarkerKey) -> None:
        self._client = client
        self._bot = bot
        self._markers = markers

    async def react(self, place: Place, content: str = SEEN) -> Made:
        return await self._client.talk(partial(_react, place=place, content=content), writes=True, need=place.need)

    async def comment(self, place: Place, text: str) -> Made:
        return await self._client.talk(partial(_comment, place=place, text=text), writes=True, need=place.need)

    async def change_comment(self, place: Place, comment: str, text: str) -> None:
        work = partial(_change_comment, place=place, comment=comment, text=text)
        await self._client.talk(work, writes=True, need=place.need)

    async def find_comment(self, place: Place, marker: Marker) -> Made | None:
        for comment in await self._client.talk(partial(_newest_comments, place=place), need=place.need):
            mine = comment.user is not None and comment.user.id == self._bot.user_id
            if mine and self._markers.find(comment.body or "", work_key=place.work_key) == marker:
                return Made(external_id=str(comment.id), url=comment.html_url)
        return None

    async def mark_ready(self, place: Place) -> Made:
        return await self._client.talk(partial(_mark_ready, place=place), writes=True, need=place.need)


class GitHubMoments:
    """Reads an issue's history; see ``Moments``."""

    def __init__(self, client: GitHubClient, bot: BotIdentity) -> None:
        self._client = client
        self._bot = bot

    async def of(self, request: WorkRequested) -> datetime | None:
        if request.repository is None or request.actor is None:
            return None
        facts = request.repository
        need = Need(
            repository=facts.full_name,
            step=Step.READ,
            repository_id=facts.id,
            installation_id=request.installation_id,
        )
        work = partial(_history, slug=facts.full_name, number=request.subject.number)
        found = [one.created_at for one in await self._client.talk(work, need=need) if self._is_it(one, request)]
        return max((moment for moment in found if moment is not None), default=None)

    def _is_it(self, happened: _Happened, request: WorkRequested) -> bool:
        if happened.actor is None or request.actor is None or happened.actor.id != request.actor.id:
            return False
        if request.cause is Cause.LABELED:
            name = happened.label.name if happened.label else ""
            return happened.event == "labeled" and name.casefold() == self._bot.label.casefold()
        assigned = happened.assignee is not None and happened.assignee.id == self._bot.user_id
        return happened.event == "assigned" and assigned


def _react(session: Session, place: Place, content: str) -> Made:
    slug = read_repository(session, place.repository).full_name
    if place.comment_id is None:
        path = f"/repos/{slug}/issues/{place.number}/reactions"
    else:
        path = f"/repos/{slug}/{'pulls' if place.in_review else 'issues'}/comments/{place.comment_id}/reactions"
    made = session.post(_Reaction, path, {"content": content}, action=f"reacting in {_shown(place)}")
    return Made(external_id=str(made.id))


def _comment(session: Session, place: Place, text: str) -> Made:
    slug = read_repository(session, place.repository).full_name
    path = f"/repos/{slug}/issues/{place.number}/comments"
    made = session.post(_Written, path, {"body": text}, action=f"commenting on {_shown(place)}")
    return Made(external_id=str(made.id), url=made.html_url)


def _change_comment(session: Session, place: Place, comment: str, text: str) -> None:
    slug = read_repository(session, place.repository).full_name
    path = f"/repos/{slug}/issues/comments/{comment}"
    session.patch(_Written, path, {"body": text}, action=f"changing a comment on {_shown(place)}")


def _mark_ready(session: Session, place: Place) -> Made:
    slug, action = read_repository(session, place.repository).full_name, f"marking {_shown(place)} as ready"
    pull = session.get(_Draft, f"/repos/{slug}/pulls/{place.number}", action=action)
    if pull.draft:
        session.graphql(dict[str, object], READY, {"id": pull.node_id}, action=action)
    return Made(external_id=pull.node_id, url=pull.html_url)


def _newest_comments(session: Session, place: Place) -> list[_Written]:
    path, action = f"/repos/{place.repository}/issues/{place.number}", f"reading the comments of {_shown(place)}"
    last = max(-(-session.get(IssuePayload, path, action=action).comments // PAGE), 1)
    found: list[_Written] = []
    for page in range(max(last - 1, 1), last + 2):  # one more, for what was written since
        found += session.get(
            list[_Written], f"{path}/comments", action=action, parameters={"per_page": PAGE, "page": page}
        )
    return found[::-1]


def _history(session: Session, slug: str, number: int) -> list[_Happened]:
    return [happened for page in _history_pages(session, slug, number) for happened in page]


def _history_pages(session: Session, slug: str, number: int) -> Iterator[list[_Happened]]:
    for page in range(1, PAGES + 1):
        happened = session.get(
            list[_Happened],
            f"/repos/{slug}/issues/{number}/timeline",
            action=f"reading the history of {f'{slug}#{number}'!r}",
            parameters={"per_page": PAGE, "page": page},
        )
        yield happened
        if len(happened) < PAGE:
            return


def _shown(place: Place) -> str:
    return repr(f"{place.repository}#{place.number}")
