"""Says and does things on tickets, as Jira's API takes them; see ``Voice``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from pydantic import Field

from pullwright.agents.errors import NotFound, RemoteRejected
from pullwright.agents.worker.outbox import Made
from pullwright.integrations.jira.adf_writing import to_adf
from pullwright.integrations.jira.changes import DONE
from pullwright.integrations.jira.client import JiraClient, Session
from pullwright.integrations.jira.markers import PROPERTY, MarkerKey
from pullwright.integrations.jira.meanings import BotIdentity
from pullwright.integrations.jira.payloads import CommentPart, Id, Part, StatusPart, Text, UserPart
from pullwright.integrations.jira.ticket_reading import LINK_SYSTEM, newest_comments
from pullwright.integrations.jira.tickets import HistoryPart
from pullwright.integrations.jira.voice import Linked, Place
from pullwright.integrations.jira.wiki_writing import to_wiki
from pullwright.integrations.markers import Marker

_INTERNAL: Final = {"key": "sd.public.comment", "value": {"internal": True}}
"""Keeps a comment from the customers of a service desk; elsewhere it means nothing."""

LOOKED_AT: Final = 100
"""Newest comments among which one of ours is looked for."""


class _Written(Part):
    id: Id


class _FieldPart(Part):
    required: bool = False
    has_default: bool = Field(default=False, alias="hasDefaultValue")


class _Transition(Part):
    id: Id
    name: Text = ""
    to: StatusPart = StatusPart()
    fields: dict[str, _FieldPart] | None = None

    @property
    def wants_input(self) -> bool:
        """Whether its screen has a field that nobody fills in for us."""
        return any(field.required and not field.has_default for field in (self.fields or {}).values())


class _Transitions(Part):
    transitions: list[_Transition] = Field(default_factory=list)


class _IssueStatusFields(Part):
    status: StatusPart = StatusPart()


class _IssueStatus(Part):
    fields: _IssueStatusFields = _IssueStatusFields()


class _AssigneeFields(Part):
    assignee: UserPart | None = None

    def is_with(self, account: str) -> bool:
        """Whether the ticket is somebody's, whom changelogs of Data Center call by a key."""
        holder = self.assignee
        return holder is not None and account in (holder.account_id, holder.name, holder.key)


class _Assigned(Part):
    fields: _AssigneeFields = _AssigneeFields()
    changelog: HistoryPart = HistoryPart()


class _Property(Part):
    value: object = None


class JiraVoice:
    """Implements ``Voice``."""

    def __init__(self, client: JiraClient, bot: BotIdentity, markers: MarkerKey) -> None:
        self._client = client
        self._bot = bot
        self._markers = markers

    async def comment(self, place: Place, text: str, marker: Marker) -> Made:
        value = self._markers.make(marker, work_key=place.work_key)
        return await self._client.talk(partial(_comment, place=place, text=text, value=value), writes=True)

    async def find_comment(self, place: Place, marker: Marker) -> Made | None:
        return await self._client.talk(partial(self._find, place=place, marker=marker))

    async def change_comment(self, place: Place, comment: str, text: str) -> None:
        await self._client.talk(partial(_change, place=place, comment=comment, text=text), writes=True)

    async def move(self, place: Place, statuses: Sequence[str]) -> Made | None:
        return await self._client.talk(partial(_move, place=place, statuses=statuses), writes=True)

    async def link(self, place: Place, linked: Linked) -> Made:
        return await self._client.talk(partial(_link, place=place, linked=linked), writes=True)

    async def give_back(self, place: Place, account: str) -> None:
        await self._client.talk(partial(self._give_back, place=place, account=account), writes=True)

    async def take_again(self, place: Place) -> None:
        await self._client.talk(partial(self._take_again, place=place), writes=True)

    def _give_back(self, session: Session, place: Place, account: str) -> None:
        if _assigned(session, place).fields.is_with(self._bot.account):
            _assign(session, place, account)

    def _take_again(self, session: Session, place: Place) -> None:
        ticket = _assigned(session, place)
        changes = sorted(ticket.changelog.histories, key=lambda one: int(one.id or 0), reverse=True)
        handed = ((one.author, item) for one in changes for item in one.items if item.name == "assignee")
        author, last = next(handed, (None, None))
        if last is None or author is None or author.account != self._bot.account or not self._bot.is_named(last.old):
            return
        if last.new and ticket.fields.is_with(last.new):
            _assign(session, place, self._bot.account)

    def _find(self, session: Session, place: Place, marker: Marker) -> Made | None:
        page = newest_comments(session, place.reference, LOOKED_AT)
        for comment in page.comments:
            mine = comment.author is not None and comment.author.account == self._bot.account
            if not mine:
                continue
            values = _values(session, comment)
            if any(self._markers.fits(value, marker, work_key=place.work_key) for value in values):
                return Made(external_id=comment.id, url=_url(session, place, comment.id))
        return None


def _comment(session: Session, place: Place, text: str, value: Mapping[str, str]) -> Made:
    content = {"body": _body(session, place, text), "properties": [{"key": PROPERTY, "value": dict(value)}, _INTERNAL]}
    action = f"commenting on {place.reference!r}"
    written = session.make(_Written, f"issue/{place.reference}/comment", content, action=action)
    return Made(external_id=written.id, url=_url(session, place, written.id))


def _change(session: Session, place: Place, comment: str, text: str) -> None:
    path = f"issue/{place.reference}/comment/{comment}"
    session.send(
        "PUT", path, {"body": _body(session, place, text)}, action=f"changing a comment on {place.reference!r}"
    )


def _body(session: Session, place: Place, text: str) -> object:
    return to_adf(text, people=place.people) if session.settings.is_cloud else to_wiki(text, people=place.people)


def _values(session: Session, comment: CommentPart) -> Iterable[object]:
    """Return what a comment's property of ours holds; lists of comments may leave properties out."""
    if comment.properties is not None:
        return [one.get("value") for one in comment.properties if one.get("key") == PROPERTY]
    try:
        found = session.get(
            _Property, f"comment/{comment.id}/properties/{PROPERTY}", action="looking for a comment of ours"
        )
    except NotFound:
        return []
    return [found.value]


def _url(session: Session, place: Place, comment: str) -> str:
    return f"{session.settings.ticket_url(place.key)}?focusedCommentId={comment}" if place.key else ""


def _move(session: Session, place: Place, statuses: Sequence[str]) -> Made | None:
    path = f"issue/{place.reference}"
    action = f"moving {place.reference!r}"
    now = session.get(_IssueStatus, path, action=action, parameters={"fields": "status"}).fields.status
    wanted = [status.strip().casefold() for status in statuses]
    if _is(now, wanted):
        return Made(external_id=now.id or "")
    if now.category.key == DONE:
        return None
    found = session.get(
        _Transitions, f"{path}/transitions", action=action, parameters={"expand": "transitions.fields"}
    ).transitions
    chosen = _chosen([one for one in found if not one.wants_input], wanted)
    if chosen is None:
        return None
    # The id goes as text: a number is not what Atlassian's document asks for.
    session.send("POST", f"{path}/transitions", {"transition": {"id": chosen.id}}, action=action)
    return Made(external_id=chosen.to.id or chosen.id)


def _chosen(transitions: Sequence[_Transition], wanted: Sequence[str]) -> _Transition | None:
    for status in wanted:
        for transition in transitions:
            if _is(transition.to, [status]):
                return transition
    return None


def _is(status: StatusPart, wanted: Sequence[str]) -> bool:
    return any(name is not None and name.casefold() in wanted for name in status.names)


def _link(session: Session, place: Place, linked: Linked) -> Made:
    content = {
        "globalId": f"{LINK_SYSTEM}&system={_origin(linked.url)}&id={_part(linked.url)}",
        "application": {"type": "io.pullwright", "name": "Pullwright"},
        "relationship": "pull request",
        "object": {
            "url": linked.url,
            "title": f"Pull request {_part(linked.url)}"[:250],
            "icon": {"url16x16": f"{_origin(linked.url)}/favicon.ico", "title": "Pull request"},
            "status": {"resolved": linked.done},
        },
    }
    action = f"linking the pull request on {place.reference!r}"
    made = session.make(_Written, f"issue/{place.reference}/remotelink", content, action=action)
    return Made(external_id=made.id, url=linked.url)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.netloc:
        raise RemoteRejected(f"{url[:200]!r} is no address of a pull request; it was not linked")
    return f"{parts.scheme}://{parts.netloc}"


def _part(url: str) -> str:
    """Return ``owner/name#7`` of the address of a pull request, or its path."""
    path = urlsplit(url).path.strip("/")
    head, _, number = path.rpartition("/pull/")
    return f"{head}#{number}" if head and number.isdecimal() else path


def _assigned(session: Session, place: Place) -> _Assigned:
    action = f"asking whose {place.reference!r} is"
    parameters = {"fields": "assignee", "expand": "changelog"}
    return session.get(_Assigned, f"issue/{place.reference}", action=action, parameters=parameters)


def _assign(session: Session, place: Place, account: str) -> None:
    content = {"accountId": account} if session.settings.is_cloud else {"name": account}
    session.send("PUT", f"issue/{place.reference}/assignee", content, action=f"giving {place.reference!r} to somebody")
