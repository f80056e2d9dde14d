"""The state of a run as a fold over its journal: nothing about a run is known from anywhere else.

A later attempt may go on from an earlier point (``RunResumed``): what was said after it is void then, what was spent
stays spent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from pullwright.agents.budget import Pace, Usage
from pullwright.agents.egress import EgressDecision
from pullwright.agents.events import (
    BudgetNoted,
    ChangeVerified,
    CheckpointMade,
    ConversationCompacted,
    EgressDecided,
    JournalEntry,
    ModelReplied,
    PlanUpdated,
    QuestionAsked,
    RunEvent,
    RunResumed,
    RunStarted,
    ToolFinished,
    UserSaid,
)
from pullwright.agents.message import AssistantMessage, Image, Message, SystemMessage, UserMessage

BRIEFING = 2
"""The messages that every conversation begins with, the system's and the task's; they outlive every compaction."""


ANSWERED: Final = "You asked: {question}\nThe answer was: {answer}"
"""How a person's answer is told apart from the question's call."""


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
    """The last checkpoint that holds: where the files are when the run goes on elsewhere."""

    checkpoints: int = 0
    """The highest number that a checkpoint of the run ever had."""

    started: RunStarted | None = None
    """What the run was begun with; None for one that has yet to begin."""

    question: QuestionAsked | None = None
    """What the run waits for, or waited for and has not taken the answer of."""

    asked: Mapping[str, str] = field(default_factory=dict)
    """By the id of a call, what it asked a person; the call's result is what that person said."""

    raised: Mapping[str, float] = field(default_factory=dict)
    """By limit of the budget, what a person allows instead of what was agreed at first."""

    noted: frozenset[str] = frozenset()
    """Limits that the model knows to be nearly reached."""

    def apply(self, event: RunEvent) -> RunState:
        """Return the state after one more event."""
        match event:
            case RunStarted():
                first = UserMessage(content=event.user_prompt, images=self.images)
                messages = (SystemMessage(content=event.system_prompt), first)
                return replace(self, messages=messages, started=event, said=(), plan=(), compacted_at=None)
            case ModelReplied():
                return replace(
                    self._having_spent(event.usage, event.endpoint),
                    messages=(*self.messages, event.message),
                    steps=event.step,
                    pace=self.pace + Pace.of(event.usage, event.first_token_seconds),
                )
            case ToolFinished():
                return self._answered(event)
            case UserSaid():
                said = self.said if event.nudge else (*self.said, event.content)
                return replace(self, messages=(*self.messages, UserMessage(content=event.content)), said=said)
            case PlanUpdated():
                return replace(self, plan=event.items)
            case ConversationCompacted():
                return self._compacted(event)
        return self._noted(event)

    def _noted(self, event: RunEvent) -> RunState:
        """Return the state after an event that is no part of the conversation."""
        match event:
            case EgressDecided():
                return replace(self, egress=(*self.egress, *event.decisions))
            case CheckpointMade():
                return replace(self, checkpoint=event, checkpoints=max(self.checkpoints, event.number))
            case ChangeVerified():
                return replace(self, egress=(*self.egress, *event.evidence.egress))
            case QuestionAsked():
                asked = {**self.asked, event.call_id: event.question} if event.call_id else self.asked
                return replace(self, question=event, asked=asked)
            case BudgetNoted():
                return self._budgeted(event)
        return self

    def back_at(self, cut: RunState, checkpoint: CheckpointMade | None) -> RunState:
        """Return the state after going back to an earlier one of the same run: what was spent since stays spent."""
        return replace(
            self,
            messages=cut.messages,
            steps=cut.steps,
            said=cut.said,
            plan=cut.plan,
            compacted_at=cut.compacted_at,
            checkpoint=checkpoint,
        )

    def _answered(self, event: ToolFinished) -> RunState:
        call, said, question = event.result.call_id, self.said, self.question
        if call in self.asked:
            said = (*said, ANSWERED.format(question=self.asked[call], answer=event.result.content))
            question = None if question is not None and question.call_id == call else question
        return replace(self, messages=(*self.messages, event.result), said=said, question=question)

    def _budgeted(self, event: BudgetNoted) -> RunState:
        if not event.raised:
            return replace(self, noted=self.noted | {event.limit})
        asked = self.question is not None and not self.question.call_id
        return replace(
            self,
            raised={**self.raised, event.limit: event.allowed},
            noted=self.noted - {event.limit},
            question=None if asked else self.question,
        )

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


SPOKEN: Final = (RunStarted, ModelReplied, ToolFinished, UserSaid, PlanUpdated, ConversationCompacted)
"""Events that make up the conversation: those after a cut are void."""


class Fold:
    """A fold that goes on entry by entry, and can go back to where a later attempt goes on from.

    Attributes:
        state: The state after the entries so far.
        spoken: The entries of the conversation that hold.
        checkpoints: The checkpoints that hold, oldest first; one that several steps ended with is there for each.
    """

    def __init__(self, *, images: tuple[Image, ...] = ()) -> None:
        self._images = images
        self.state = RunState(images=images)
        self.spoken: list[JournalEntry] = []
        self.checkpoints: list[CheckpointMade] = []

    def add(self, entry: JournalEntry) -> None:
        """Take in the next entry."""
        match entry.event:
            case RunResumed() as resumed:
                self._go_back(resumed)
                return
            case CheckpointMade() as made:
                self.checkpoints.append(made)
            case event if isinstance(event, SPOKEN):
                self.spoken.append(entry)
        self.state = self.state.apply(entry.event)

    def _go_back(self, resumed: RunResumed) -> None:
        while self.spoken and self.spoken[-1].seq > resumed.cut:
            self.spoken.pop()
        while self.checkpoints and self.checkpoints[-1].number != resumed.checkpoint:
            self.checkpoints.pop()
        cut = RunState(images=self._images, asked=self.state.asked)
        for entry in self.spoken:
            cut = cut.apply(entry.event)
        self.state = self.state.back_at(cut, self.checkpoints[-1] if self.checkpoints else None)


def fold(entries: Iterable[JournalEntry], *, images: tuple[Image, ...] = ()) -> RunState:
    """Build the state of a run from its journal."""
    folded = Fold(images=images)
    for entry in entries:
        folded.add(entry)
    return folded.state
