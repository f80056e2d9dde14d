"""Whose a ticket is while its task waits: it is given to who can answer, and taken again when the work goes on."""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import Final

from pullwright.agents.errors import AuthFailed, NotFound, RemoteRejected
from pullwright.agents.ports.report import Standing
from pullwright.agents.task import TaskStatus
from pullwright.integrations.jira.voice import Place, Voice

logger = logging.getLogger(__name__)

_AT_WORK: Final = frozenset({TaskStatus.QUEUED, TaskStatus.RUNNING})
_REMEMBERED: Final = 1000
"""Tasks; of one that was forgotten the ticket is looked at once more."""


class Custody:
    """Gives tickets back and takes them again; twice is the same as once.

    What was given back is known by the history of the ticket, so that another process, or this one after a crash, takes
    it again, and nobody takes what a person kept for themselves.
    """

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._seen: OrderedDict[str, bool] = OrderedDict()
        """Whether a task waited when its ticket was looked at last."""

    async def follow(self, place: Place, requester: str, standing: Standing) -> None:
        """See to it that the ticket is whose it should be.

        A Jira that refuses is left alone: the question is asked in the ticket all the same.

        Raises:
            RemoteUnavailable: It may work later.
        """
        waits = standing.status is TaskStatus.WAITING
        if not (waits or standing.status in _AT_WORK) or self._seen.get(standing.task_id) is waits:
            return
        try:
            if not waits:
                await self._voice.take_again(place)
            elif requester:
                await self._voice.give_back(place, requester)
        except (AuthFailed, NotFound, RemoteRejected) as exc:
            logger.info("the ticket of task %s stays whose it is: %s", standing.task_id, exc)
        self._seen[standing.task_id] = waits
        self._seen.move_to_end(standing.task_id)
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
