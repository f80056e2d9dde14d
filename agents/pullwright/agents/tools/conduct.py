"""``plan``, ``ask`` and ``finish``: how the model steers its own work."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from pydantic import Field

from pullwright.agents.events import PlanUpdated
from pullwright.agents.tools.base import Arguments, Effect, ToolContext, ToolOutcome

NOBODY_ANSWERS: Final = (
    "Nobody can answer now. Decide as the maintainer would, go on, and say in the summary what you decided and why."
)


class PlanItem(Arguments):
    """One line of the plan."""

    text: str = Field(min_length=1, max_length=300)
    state: Literal["todo", "doing", "done"]


class PlanArguments(Arguments):
    """Arguments of ``plan``."""

    items: tuple[PlanItem, ...] = Field(min_length=1, max_length=30, description="The whole plan, in order.")

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The plan as the journal has it."""
        return tuple((item.text, item.state) for item in self.items)


class Plan:
    """Show the plan to people; sent whole each time."""

    name: ClassVar[str] = "plan"
    description: ClassVar[str] = "Show your plan, and keep it up to date as you go. Send the whole plan each time."
    effect: ClassVar[Effect] = Effect.PURE
    arguments: ClassVar[type[Arguments]] = PlanArguments

    async def run(self, arguments: PlanArguments, context: ToolContext) -> ToolOutcome:
        return ToolOutcome(
            content="The plan is shown. Now act on it with another tool.",
            events=(PlanUpdated(step=context.step, items=arguments.pairs),),
        )


class AskArguments(Arguments):
    """Arguments of ``ask``."""

    question: str = Field(min_length=1, max_length=2000)


class Ask:
    """Put a question to the person who gave the task; where somebody answers, the loop takes it and the run waits."""

    name: ClassVar[str] = "ask"
    description: ClassVar[str] = (
        "Ask the person who gave the task, alone in its turn. Only when a wrong guess would waste the work; otherwise "
        "choose and say so."
    )
    effect: ClassVar[Effect] = Effect.EXTERNAL
    arguments: ClassVar[type[Arguments]] = AskArguments

    async def run(self, arguments: AskArguments, context: ToolContext) -> ToolOutcome:
        del arguments, context
        return ToolOutcome(content=NOBODY_ANSWERS)


class FinishArguments(Arguments):
    """Arguments of ``finish``."""

    title: str = Field(min_length=1, max_length=120, description="Title of the pull request: what it does, one line.")
    summary: str = Field(
        min_length=1, max_length=20_000, description="What was wrong, what changed and why (Markdown)."
    )
    checks: tuple[str, ...] = Field(
        (), max_length=5, description="Commands that pass with the change; run again in a fresh container."
    )


class Finish:
    """End the work; the loop takes it out of the model's hands, so it is never run like the others."""

    name: ClassVar[str] = "finish"
    description: ClassVar[str] = (
        "Hand in the work, alone in its turn. The change is then checked in a fresh container: if a check fails there, "
        "you get the output and go on. If nothing needs changing, finish without a change and say why."
    )
    effect: ClassVar[Effect] = Effect.EXTERNAL
    arguments: ClassVar[type[Arguments]] = FinishArguments

    async def run(self, arguments: FinishArguments, context: ToolContext) -> ToolOutcome:
        del arguments, context
        return ToolOutcome(content="finish is taken up by the run itself", is_error=True)
