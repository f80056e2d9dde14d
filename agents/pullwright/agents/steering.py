"""Steering: what happens between two steps: people's words arrive, budgets are looked at, the segment may end."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from pullwright.agents.budget import DayLimits, Level, Scope, Spent, levels
from pullwright.agents.calls import Pause, is_yes
from pullwright.agents.conversation import ANSWERED, RunState
from pullwright.agents.events import BudgetNoted, QuestionAsked, RunEvent, UserSaid
from pullwright.agents.ports.clock import Clock
from pullwright.agents.ports.engine import Segment
from pullwright.agents.ports.store import Signal, SignalKind, TaskStore
from pullwright.agents.recorder import RunRecorder
from pullwright.agents.resumption import seconds_run
from pullwright.agents.task import WaitReason

RELEASED: Final = "it goes on when it is its turn again"
NEARLY: Final = "You have used most of what this run may use; left are {left}. Finish what matters most, then hand in."
SPENT: Final = "The run has used its {total}. Shall it go on with as much again? (yes, no, or how many more)"
DAY_SPENT: Final = (
    "{whose} have used their {total}; the day ends at 24:00 UTC. Shall this run go on with as much again? (yes, no, or "
    "how many more)"
)

_NO: Final = re.compile(r"(n|no|nope|stop|end|deny|denied)\b.*", re.IGNORECASE | re.DOTALL)
_NUMBER: Final = re.compile(r"\+?\s*\$?(\d{1,12}(?:\.\d{1,6})?)\b.{0,40}", re.DOTALL)

Price = Callable[[RunState], float | None]
"""What a run has cost until now, in dollars."""

NO_LIMITS: Final = DayLimits()


class Steering:
    """Looks after one attempt between its steps."""

    def __init__(
        self,
        *,
        store: TaskStore,
        segment: Segment,
        recorder: RunRecorder,
        clock: Clock,
        price: Price,
        limits: DayLimits = NO_LIMITS,
    ) -> None:
        self._store = store
        self._segment = segment
        self._recorder = recorder
        self._clock = clock
        self._price = price
        self._day_limits = limits
        self._first = recorder.state.steps
        self._started = clock.monotonic()
        self._earlier = seconds_run(recorder.earlier, before=recorder.task.attempt)
        self._looked = False

    async def between_steps(self) -> Pause | None:
        """Take in what people said and look at the budget; return how the attempt ends, if it is to end here.

        Raises:
            BudgetExceeded: A limit is reached, and nobody allows more.
        """
        signals: Sequence[Signal] = ()
        if self._segment.signals or not self._looked:
            self._looked = True
            signals = await self._store.signals(self._recorder.task.id)
        pause = await self._limits(await self._words(signals))
        if pause is None and self._segment.must_yield(self._recorder.state.steps - self._first):
            return Pause(reason=RELEASED)
        return pause

    async def _words(self, signals: Sequence[Signal]) -> Signal | None:
        """Tell the model what people said, and return the answer to a question about the budget."""
        question = self._recorder.state.question
        answer: Signal | None = None
        if question is not None and not question.call_id:
            answer = next((one for one in signals if one.kind is SignalKind.ANSWER), None)
        told = [one for one in signals if one is not answer]
        events = [UserSaid(step=self._recorder.state.steps, content=_told(one, question)) for one in told]
        await self._recorder.record(*events, consumed=[one.id for one in told])
        return answer

    async def _limits(self, answer: Signal | None) -> Pause | None:
        while True:
            found = [*self._levels(), *await self._day_levels()]
            reached = next((level for level in found if level.reached), None)
            if reached is None:
                await self._drop(answer)
                await self._note([level for level in found if level.nearly_reached])
                return None
            if answer is None:
                return self._spent(reached)
            await self._settle(reached, answer)
            answer = None

    def _levels(self) -> tuple[Level, ...]:
        state = self._recorder.state
        seconds = self._earlier + self._clock.monotonic() - self._started
        spent = Spent(steps=state.steps, usage=state.usage, seconds=seconds, dollars=self._price(state))
        return levels(self._recorder.task.spec.budget.limits, spent, state.raised)

    async def _day_levels(self) -> Sequence[Level]:
        """Look at what this and other runs spent today, where that has a limit."""
        raised = self._recorder.state.raised
        found: list[Level] = []
        if self._day_limits.repository:
            spent = await self._store.spent(lane=self._recorder.task.spec.lane)
            found += levels(self._day_limits.repository, spent, raised, Scope.REPOSITORY_DAY)
        if self._day_limits.everything:
            found += levels(self._day_limits.everything, await self._store.spent(), raised, Scope.DAY)
        return found

    def _spent(self, level: Level) -> Pause:
        """Ask for more. What a day allows is its owner's to say, so that asks even where nobody answers for the run."""
        if level.scope is Scope.RUN and not self._recorder.task.spec.may_ask:
            raise level.exceeded()
        whose = level.whose[0].upper() + level.whose[1:]
        question = (DAY_SPENT if level.scope else SPENT).format(whose=whose, total=level.total)
        wait = WaitReason.APPROVAL_REQUIRED.value
        asked = QuestionAsked(step=self._recorder.state.steps, question=question, wait=wait)
        return Pause(reason=question, question=asked)

    async def _settle(self, level: Level, answer: Signal) -> None:
        """Raise the limit as the answer says; words that say neither yes nor no are for the model."""
        if _NO.fullmatch(answer.text.strip()):
            raise level.exceeded()
        more = _more(level, answer.text.strip())
        step = self._recorder.state.steps
        event: RunEvent = UserSaid(step=step, content=answer.text)
        if more:
            allowed = max(level.spent, level.allowed) + more
            event = BudgetNoted(step=step, limit=level.key, spent=level.spent, allowed=allowed, raised=True)
        await self._recorder.record(event, consumed=[answer.id])

    async def _drop(self, answer: Signal | None) -> None:
        """Tell the model an answer to a question that has become pointless."""
        question = self._recorder.state.question
        if answer is not None and question is not None:
            said = UserSaid(step=self._recorder.state.steps, content=_told(answer, question))
            await self._recorder.record(said, consumed=[answer.id])

    async def _note(self, levels: Sequence[Level]) -> None:
        state = self._recorder.state
        fresh = [level for level in levels if level.key not in state.noted]
        if not fresh:
            return
        notes = [
            BudgetNoted(step=state.steps, limit=level.key, spent=level.spent, allowed=level.allowed) for level in fresh
        ]
        words = NEARLY.format(left=", ".join(level.left for level in fresh))
        await self._recorder.record(*notes, UserSaid(step=state.steps, content=words, nudge=True))


def _more(level: Level, words: str) -> float:
    if is_yes(words):
        return level.agreed
    number = _NUMBER.fullmatch(words)
    return float(number[1]) if number else 0.0


def _told(signal: Signal, question: QuestionAsked | None) -> str:
    """Return what the model is told: an answer whose question is no longer in the conversation comes with it."""
    if signal.kind is SignalKind.ANSWER and question is not None:
        return ANSWERED.format(question=question.question, answer=signal.text)
    return signal.text
