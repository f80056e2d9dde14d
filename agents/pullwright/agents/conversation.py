"""The state of a run as a fold over its journal: nothing about a run is known from anywhere else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from pullwright.agents.budget import Pace, Usage
from pullwright.agents.egress import EgressDecision
from pullwright.agents.events import (
    ChangeVerified,
    CheckpointMade,
    ConversationCompacted,
    EgressDecided,
    ModelReplied,
    PlanUpdated,
    RunEvent,
    RunStarted,
    ToolFinished,
    UserSaid,
)
from pullwright.agents.message import AssistantMessage, Image, Message, SystemMessage, UserMessage

BRIEFING = 2
"""The messages that every conversation begins with, the system's and the task's; they outlive every compaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """What the next step needs to know. ``messages`` grows at its end, except when it is compacted."""

    messages: tuple[Message, ...] = ()
    steps: int = 0
    usage: Usage = Usage()
    spent: Mapping[str, Usage] = field(default_factory=dict)
    """``usage`` by the endpoint it was spent at; a compaction's counts where the last reply came from."""

    endpoint: str = ""
    """Where the last reply came from."""

    pace: Pace = field(default_factory=Pace)
    """How fast the model answered."""

    said: tuple[str, ...] = ()
    """What people said after the first prompt; a compaction keeps it word for word."""

    plan: tuple[tuple[str, str], ...] = ()
    """The model's last plan, as (text, state) pairs."""

    compactions: int = 0
    compacted_at: int | None = None
    """The step of the last compaction of this conversation."""

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
                messages = (SystemMessage(content=event.system_prompt), first)
                return replace(self, messages=messages, said=(), plan=(), compacted_at=None)
            case ModelReplied():
                return replace(
                    self._having_spent(event.usage, event.endpoint),
                    messages=(*self.messages, event.message),
                    steps=event.step,
                    pace=self.pace + Pace.of(event.usage, event.first_token_seconds),
                )
            case ToolFinished():
                return replace(self, messages=(*self.messages, event.result))
            case UserSaid():
                said = self.said if event.nudge else (*self.said, event.content)
                return replace(self, messages=(*self.messages, UserMessage(content=event.content)), said=said)
            case PlanUpdated():
                return replace(self, plan=event.items)
            case ConversationCompacted():
                return self._compacted(event)
            case EgressDecided():
                return replace(self, egress=(*self.egress, *event.decisions))
            case CheckpointMade():
                return replace(self, checkpoint=event)
            case ChangeVerified():
                return replace(self, egress=(*self.egress, *event.evidence.egress))
        return self

    def _having_spent(self, usage: Usage, endpoint: str) -> RunState:
        spent = {**self.spent, endpoint: self.spent.get(endpoint, Usage()) + usage}
        return replace(self, usage=self.usage + usage, spent=spent, endpoint=endpoint)

    def _compacted(self, event: ConversationCompacted) -> RunState:
        return replace(
            self._having_spent(event.usage, self.endpoint),
            messages=compacted_messages(self.messages, event),
            compactions=self.compactions + 1,
            compacted_at=event.step,
        )


def compacted_messages(messages: tuple[Message, ...], event: ConversationCompacted) -> tuple[Message, ...]:
    """Return the conversation with a summary in the place of what it covers.

    The form is one that every chat template accepts: system, user, assistant text, user, and then whole rounds. The
    summary is the assistant's, because it was made of text that must not speak with a person's authority.
    """
    briefing = (_without_images(message, event.images_dropped) for message in messages[:BRIEFING])
    summary = (AssistantMessage(content=event.summary), UserMessage(content=event.content))
    return (*briefing, *summary, *messages[event.covered :])


def _without_images(message: Message, dropped: int) -> Message:
    return replace(message, images=message.images[dropped:]) if isinstance(message, UserMessage) else message


def fold(events: Iterable[RunEvent], *, images: tuple[Image, ...] = ()) -> RunState:
    """Build the state of a run from its events."""
    state = RunState(images=images)
    for event in events:
        state = state.apply(event)
    return state
