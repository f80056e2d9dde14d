"""The state of a run as a fold over its journal: nothing about a run is known from anywhere else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pullwright.agents.budget import Usage
from pullwright.agents.egress import EgressDecision
from pullwright.agents.events import (
    ChangeVerified,
    CheckpointMade,
    EgressDecided,
    ModelReplied,
    RunEvent,
    RunStarted,
    ToolFinished,
    UserSaid,
)
from pullwright.agents.message import Image, Message, SystemMessage, UserMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """What the next step needs to know. ``messages`` only ever grows at its end."""

    messages: tuple[Message, ...] = ()
    steps: int = 0
    usage: Usage = Usage()
    images: tuple[Image, ...] = ()
    """Pictures of the task; they belong to the first user message and live with the task, not in the journal."""

    egress: tuple[EgressDecision, ...] = ()
    """Everything that wanted to leave the run's sandboxes."""

    checkpoint: CheckpointMade | None = None
    """The last checkpoint: where the files are when the run goes on elsewhere."""

    def apply(self, event: RunEvent) -> RunState:
        """Return the state after one more event."""
        match event:
            case RunStarted():
                first = UserMessage(content=event.user_prompt, images=self.images)
                return replace(self, messages=(SystemMessage(content=event.system_prompt), first))
            case ModelReplied():
                return replace(
                    self,
                    messages=(*self.messages, event.message),
                    steps=event.step,
                    usage=self.usage + event.usage,
                )
            case ToolFinished():
                return replace(self, messages=(*self.messages, event.result))
            case UserSaid():
                return replace(self, messages=(*self.messages, UserMessage(content=event.content)))
            case EgressDecided():
                return replace(self, egress=(*self.egress, *event.decisions))
            case CheckpointMade():
                return replace(self, checkpoint=event)
            case ChangeVerified():
                return replace(self, egress=(*self.egress, *event.evidence.egress))
        return self


def fold(events: Iterable[RunEvent], *, images: tuple[Image, ...] = ()) -> RunState:
    """Build the state of a run from its events."""
    state = RunState(images=images)
    for event in events:
        state = state.apply(event)
    return state
