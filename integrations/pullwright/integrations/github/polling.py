"""Looking what happened, where nothing can reach in here, or what a hook told may have been lost.

Every list is asked for with the tag of the last answer, so that asking in vain costs nothing of the rate limit.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final
from urllib.parse import urlencode

from pydantic import ValidationError

from pullwright.agents.errors import IntegrationError, RemoteRateLimited
from pullwright.agents.ports.inbox import InboxStore, NewDelivery
from pullwright.integrations.github.client import GitHubClient, Session
from pullwright.integrations.github.credentials import Need, Step
from pullwright.integrations.github.delivery_payloads import RepositoryPart
from pullwright.integrations.github.door import new_delivery
from pullwright.integrations.github.happenings import (
    Document,
    Happening,
    ListedIssue,
    in_order,
    meaning_of,
    of_comments,
    of_events,
    of_issues,
)
from pullwright.integrations.github.meanings import BotIdentity
from pullwright.integrations.github.work_keys import work_key

logger = logging.getLogger(__name__)

_PAGE: Final = 100
_PAGES: Final = 20
_REMEMBERED: Final = 10_000
_ALWAYS: Final = datetime.min.replace(tzinfo=UTC)

Repositories = Callable[[], Awaitable[Sequence[str]]]
"""Returns the repositories to look at, as ``owner/name``."""


@dataclass(frozen=True, slots=True)
class _List:
    """One list of a repository."""

    path: str
    """Below the repository, with what is asked for."""
    until: str = ""
    """Where to stop reading what was made before that and stands after it; empty to read it all."""


@dataclass(frozen=True, slots=True)
class _Changed:
    """What of a repository is not as it was."""

    repository: Document
    """Empty when nothing is."""
    lists: Mapping[str, Sequence[Document]]
    tags: Mapping[str, str]
    """By path."""


class GitHubPolling:
    """``Source`` that reads issues, their events and comments."""

    def __init__(
        self,
        client: GitHubClient,
        bot: BotIdentity,
        inbox: InboxStore,
        repositories: Repositories,
        *,
        connection: str,
        alone: bool,
    ) -> None:
        """Make one.

        Args:
            client: Who asks.
            bot: Who listens.
            inbox: Where it is looked up what a piece of work has come to.
            repositories: Where to look.
            connection: As of the hooks that tell the same.
            alone: No hook tells anything, so what ends work is looked for as well.
        """
        self._client = client
        self._bot = bot
        self._inbox = inbox
        self._repositories = repositories
        self._connection = connection
        self._alone = alone
        self._tags: dict[str, Mapping[str, str]] = {}
        self._behind: dict[str, datetime] = {}
        """Since when repositories could not be looked at."""
        self._told: OrderedDict[str, None] = OrderedDict()

    @property
    def name(self) -> str:
        return f"GitHub at {self._bot.host}"

    async def missed(self, since: datetime) -> AsyncIterator[NewDelivery]:
        for slug in await self._repositories():
            start = min(since, self._behind.get(slug, since))
            try:
                async for found in self._of(slug, start):
                    yield found
            except RemoteRateLimited:
                raise
            except (IntegrationError, ValidationError) as exc:
                # One repository that is gone or broken must not hide what happens in the others.
                reason = "it lists what can not be understood" if isinstance(exc, ValidationError) else exc
                logger.warning("%s was not looked at: %s", slug, reason)
                self._behind[slug] = start
            else:
                self._behind.pop(slug, None)

    async def _of(self, slug: str, since: datetime) -> AsyncIterator[NewDelivery]:
        # By the hour, so that the address stays the same, and with it the tag.
        start = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        need = Need(repository=slug, step=Step.READ)
        read = partial(_read, slug=slug, lists=self._lists(start), known=self._tags.get(slug, {}))
        changed = await self._client.talk(read, need=need)
        begun = await self._never_begun(changed, need)
        for happening in in_order([*self._happenings(changed, start), *begun.values()]):
            if happening.key in self._told or not await self._is_wanted(happening, changed):
                continue
            look = partial(_read_one, path=happening.address, action=f"reading what a comment in {slug!r} is about")
            more = await self._client.talk(look, need=need) if happening.lacks else {}
            meaning = meaning_of(happening, changed.repository, more, self._bot)
            if meaning is not None:
                yield new_delivery(meaning, self._connection, f"poll:{happening.key}")
            self._remember(happening.key)
        # Only now: whoever was told of it has kept it.
        self._tags[slug] = changed.tags
        for key in begun:
            self._remember(key)

    def _lists(self, start: datetime) -> Mapping[str, _List]:
        since = start.strftime("%Y-%m-%dT%H:%M:%SZ")
        newest = {"since": since, "sort": "updated", "direction": "desc", "per_page": _PAGE}
        whole = {"state": "open", "per_page": _PAGE}
        lists = {
            "events": _List(f"/issues/events?per_page={_PAGE}", until=since),
            "comments": _List(f"/issues/comments?{urlencode(newest)}"),
            "remarks": _List(f"/pulls/comments?{urlencode(newest)}"),
            "labeled": _List(f"/issues?{urlencode({**whole, 'labels': self._bot.label})}"),
        }
        if not self._bot.login.endswith("[bot]"):  # nobody can assign an App
            lists["assigned"] = _List(f"/issues?{urlencode({**whole, 'assignee': self._bot.login})}")
        if self._bot.reads_new_issues:
            lists["opened"] = _List(f"/issues?{urlencode({**newest, 'state': 'open'})}")
        return lists

    def _happenings(self, changed: _Changed, start: datetime) -> list[Happening]:
        lists, bot = changed.lists, self._bot
        return [
            *of_events(lists.get("events", ()), bot, start, ends=self._alone),
            *of_comments(lists.get("comments", ()), bot, start),
            *of_comments(lists.get("remarks", ()), bot, start),
            *of_issues(lists.get("opened", ()), bot, start),
        ]

    async def _never_begun(self, changed: _Changed, need: Need) -> dict[str, Happening]:
        """Return what asks for issues that nothing was ever done about, however long ago it did."""
        found: dict[str, Happening] = {}
        for raw in (*changed.lists.get("labeled", ()), *changed.lists.get("assigned", ())):
            issue = ListedIssue.model_validate(raw)
            key = f"issue:{issue.number}@{need.repository}"
            known = key in self._told or await self._inbox.tasks_of(self._work_key(changed, issue.number))
            if known or issue.pull_request is not None:
                continue
            work = partial(_read_events, slug=need.repository, number=issue.number)
            events = [{**event, "issue": raw} for event in await self._client.talk(work, need=need)]
            asked = of_events(events[::-1], self._bot, _ALWAYS, ends=False)
            if asked:
                found[key] = max(asked, key=lambda one: one.at)
        return found

    def _work_key(self, changed: _Changed, number: int) -> str:
        return work_key(self._bot.host, RepositoryPart.model_validate(changed.repository).id, number)

    async def _is_wanted(self, happening: Happening, changed: _Changed) -> bool:
        """Whether an end may be meant for the work that there is: that of a request that came after it is not."""
        if happening.asks:
            return True
        tasks = await self._inbox.tasks_of(self._work_key(changed, happening.number))
        return any(not task.status.terminal and task.created_at <= happening.at for task in tasks)

    def _remember(self, key: str) -> None:
        self._told[key] = None
        while len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)


def _read(session: Session, slug: str, lists: Mapping[str, _List], known: Mapping[str, str]) -> _Changed:
    """Return the lists that are not as they were, and the repository if there is anything in them."""
    found: dict[str, Sequence[Document]] = {}
    tags: dict[str, str] = {}
    for name, one in lists.items():
        items, tags[one.path] = _read_list(session, slug, one, known.get(one.path, ""))
        found[name] = items
    if not any(found.values()):
        return _Changed({}, {}, tags)
    return _Changed(_read_one(session, f"/repos/{slug}", f"reading repository {slug!r}"), found, tags)


def _read_list(session: Session, slug: str, one: _List, tag: str) -> tuple[Sequence[Document], str]:
    """Return what is new in a list, nothing when it is as it was, and its tag."""
    action = f"looking what happened in {slug!r}"
    page = session.page(f"/repos/{slug}{one.path}", action=action, tag=tag)
    if page.items is None:
        return (), tag
    items, tag = list(page.items), page.tag
    for _ in range(_PAGES):
        if not page.next or str(items[-1].get("created_at")) < one.until:
            break
        page = session.page(page.next, action=action)
        items += page.items or ()
    return items, tag


def _read_events(session: Session, slug: str, number: int) -> Sequence[Document]:
    """Return what happened to an issue, oldest first."""
    return _read_list(session, slug, _List(f"/issues/{number}/events?per_page={_PAGE}"), "")[0]


def _read_one(session: Session, path: str, action: str) -> Document:
    return session.get(dict[str, object], path, action=action)
