"""Compaction: a summary takes the place of most of a conversation before it overflows the model's window.

The model is asked first, in the conversation itself, so that the engine's prefix cache serves all of it; then about an
excerpt, without tools; and where it gives no words at all, a digest is made without it. A conversation is compacted at
most once in a few steps: one that does not get small enough ends as ``ContextTooLong`` and never in a loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from anyio import to_thread

from pullwright.agents.budget import Usage
from pullwright.agents.conversation import BRIEFING, RunState, compacted_messages
from pullwright.agents.errors import ContextTooLong, ModelError, ModelUnavailable
from pullwright.agents.events import ConversationCompacted
from pullwright.agents.excerpt import clipped, excerpt
from pullwright.agents.llm.counting import Count, PromptCounter
from pullwright.agents.llm.images import oldest_beyond
from pullwright.agents.message import Image, Message, SystemMessage, UserMessage
from pullwright.agents.ports.model import Model, ModelRequest, ReasoningEffort, ReplyClass
from pullwright.agents.prompts import prompt

STEPS_BETWEEN: Final = 3
"""Steps that a compacted conversation must have lasted before it may be compacted again."""

ROOM: Final = {ReasoningEffort.HIGH: 16_384, ReasoningEffort.NONE: 4_096}
"""Tokens that a reply must have room for; below that the conversation is compacted first."""

LEAST_ROOM: Final = 1_024
"""Tokens without which asking makes no sense."""

UNKNOWN_IMAGE_TOKENS: Final = 8_192
"""Tokens for pictures where nobody knows the window."""

DIGEST_CHARS: Final = 12_000
EXCERPT_CHARS: Final = 60_000

_SYSTEM: Final = "You write notes on the work of a software engineer, for the engineer who goes on with it."
_STEP_TEXT: Final = "[Notes on the work so far; the messages they are made of are gone.]"
_RESUME: Final = (
    "The conversation before this message became too long. The notes above are all that is left of it; the files in "
    "/workspace are as you left them."
)
_GO_ON: Final = "Go on with the task by calling a tool. Read a file again before you edit it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How the tokens of a model's window are shared out between prompt and reply."""

    tokens: int
    """Prompt and reply together; 0 where nobody knows."""
    effort: ReasoningEffort

    @property
    def margin(self) -> int:
        """Tokens for the error of a count and for what the chat template adds."""
        return min(max(1024, self.tokens // 64), self.tokens // 16)

    @property
    def threshold(self) -> int:
        """Prompt tokens from which on the conversation is compacted; never less than half of the window."""
        reserve = ROOM[self.effort] + self.margin
        return self.tokens - min(reserve, self.tokens // 2)

    @property
    def image_tokens(self) -> int:
        """Tokens that the task's pictures may cost in a conversation that was compacted."""
        return self.tokens // 16 or UNKNOWN_IMAGE_TOKENS

    def room(self, prompt_tokens: int) -> int:
        """Return the tokens that are left for a reply."""
        return self.tokens - prompt_tokens - self.margin


class Compactor:
    """Decides when a run's conversation is too long, and makes what it is replaced by. Make one for each run.

    Args:
        model: Who writes the summary.
        counter: Counts requests to that model; shared by all runs on one endpoint, because it learns.
        window: Tells the tokens of prompt and reply together that the model serves now; 0 where it is not known.
    """

    def __init__(self, model: Model, counter: PromptCounter, *, window: Callable[[], int]) -> None:
        self._model = model
        self._counter = counter
        self._window = window
        self._sent = Count(tokens=0)

    async def fit(self, request: ModelRequest, state: RunState) -> ModelRequest | ConversationCompacted:
        """Return the request with a cap that fits the window, or how the conversation must change before it is sent.

        Raises:
            ContextTooLong: There is no room for a reply, and nothing to compact.
            ModelUnavailable: The endpoint did not answer; nothing has changed.
        """
        window = Window(tokens=self._window(), effort=request.effort)
        self._sent = await self._counter.count(request, limit=window.threshold)
        tokens = self._sent.tokens
        if not window.tokens or tokens <= window.threshold:
            return _capped(request, window, tokens)
        if _may_compact(state):
            return await self._compact(request, state, window, asks_in_place=True)
        if window.room(tokens) >= LEAST_ROOM:
            return _capped(request, window, tokens)
        raise ContextTooLong(
            f"the conversation of {tokens} tokens does not fit in the window of {window.tokens} of "
            f"{self._model.name!r}, and making it shorter did not help; start a smaller task or serve a larger window"
        )

    async def after_overflow(
        self, request: ModelRequest, state: RunState, error: ContextTooLong
    ) -> ConversationCompacted:
        """Return how the conversation must change after the endpoint refused it, or dropped a part of it.

        Raises:
            ContextTooLong: ``error``, where there is nothing to compact or it was done a moment ago.
            ModelUnavailable: The endpoint did not answer; nothing has changed.
        """
        if not _may_compact(state):
            raise error
        window = Window(tokens=self._window(), effort=request.effort)
        return await self._compact(request, state, window, asks_in_place=False)

    def observe(self, request: ModelRequest, prompt_tokens: int) -> None:
        """Learn from a reply what the request really was."""
        self._counter.observe(request, prompt_tokens)

    async def _compact(
        self, request: ModelRequest, state: RunState, window: Window, *, asks_in_place: bool
    ) -> ConversationCompacted:
        notes = await self._notes(request, window, asks_in_place=asks_in_place)
        images = [image for message in request.messages[:BRIEFING] for image in _images(message)]
        dropped = oldest_beyond(images, window.image_tokens)
        event = ConversationCompacted(
            step=state.steps,
            covered=len(request.messages),
            summary=f"{_STEP_TEXT}\n\n{notes.text}",
            content=resume_text(state.said, state.plan, pictures_gone=len(state.images) - len(images) + dropped),
            kept=state.said,
            plan=state.plan,
            images_dropped=dropped,
            tokens_before=self._sent.tokens,
            source=notes.source,
            usage=notes.usage,
        )
        shorter = replace(
            request,
            messages=compacted_messages(request.messages, event),
            conversation_id=conversation_id(request.conversation_id, state.compactions + 1),
        )
        for ended in (request.conversation_id, notes_id(request.conversation_id)):
            self._model.release(ended)
        after = await self._counter.count(shorter)
        return replace(event, tokens_after=after.tokens)

    async def _notes(self, request: ModelRequest, window: Window, *, asks_in_place: bool) -> _Notes:
        words = await to_thread.run_sync(prompt, "compaction")
        spent = Usage()
        for source, question in self._questions(request, window, words, asks_in_place=asks_in_place):
            text, usage = await self._ask(question)
            spent += usage
            if text:
                return _Notes(text=text, source=source, usage=spent)
        limit = min(DIGEST_CHARS, window.tokens // 2) if window.tokens else DIGEST_CHARS
        return _Notes(text=excerpt(request.messages[BRIEFING:], limit), source="digest", usage=spent)

    def _questions(
        self, request: ModelRequest, window: Window, words: str, *, asks_in_place: bool
    ) -> Sequence[tuple[str, ModelRequest]]:
        """Return the requests for a summary in the order they are worth trying."""
        questions = [("excerpt", excerpt_request(request, window, words))]
        cap = min(ROOM[request.effort], window.room(self._sent.tokens + len(words) // 3))
        if asks_in_place and cap >= LEAST_ROOM:
            messages = (*request.messages, UserMessage(content=words))
            questions.insert(0, ("model", replace(request, messages=messages, max_tokens=cap)))
        return questions

    async def _ask(self, question: ModelRequest) -> tuple[str, Usage]:
        """Return the model's words; none when it gave none that can be used. What it calls is never run."""
        try:
            reply = await self._model.complete(question)
        except ModelUnavailable:
            raise
        except ModelError:
            return "", Usage()
        text = reply.message.content.strip() if reply.kind is ReplyClass.TEXT else ""
        return text, reply.usage


@dataclass(frozen=True, slots=True, kw_only=True)
class _Notes:
    text: str
    source: str
    usage: Usage


def conversation_id(task_id: str, compactions: int) -> str:
    """Return the id under which a conversation is sent: a new one after each compaction, so that it may move."""
    base = task_id.partition(".")[0]
    return f"{base}.{compactions}" if compactions else base


def notes_id(conversation_id: str) -> str:
    """Return the id of the conversation in which an excerpt of another one is summed up."""
    return f"{conversation_id}.notes"


def resume_text(said: Sequence[str], plan: Sequence[tuple[str, str]], *, pictures_gone: int = 0) -> str:
    """Return the user message after the notes."""
    parts = [_RESUME]
    if pictures_gone:
        parts.append(f"[{pictures_gone} of the task's pictures, the oldest, are left out from here on.]")
    if said:
        parts.append("People said since the task was given, oldest first:")
        parts += [f"<message>\n{words}\n</message>" for words in said]
    if plan:
        parts.append("\n".join(["Your plan:", *(f"- [{state}] {text}" for text, state in plan)]))
    return "\n\n".join([*parts, _GO_ON])


def excerpt_request(request: ModelRequest, window: Window, words: str) -> ModelRequest:
    """Return a request for a summary of an excerpt: short, without tools, in a conversation of its own."""
    limit = min(EXCERPT_CHARS, window.tokens) if window.tokens else EXCERPT_CHARS // 4
    task = request.messages[1] if len(request.messages) > 1 else None
    told = clipped(task.content, limit // 4) if isinstance(task, UserMessage) else ""
    recent = excerpt(request.messages[BRIEFING:], limit * 3 // 4)
    content = f"<task>\n{told}\n</task>\n\n<conversation>\n{recent}\n</conversation>\n\n{words}"
    return ModelRequest(
        conversation_id=notes_id(request.conversation_id),
        messages=(SystemMessage(content=_SYSTEM), UserMessage(content=content)),
        tools=(),
        effort=ReasoningEffort.NONE,
        max_tokens=min(ROOM[ReasoningEffort.NONE], window.tokens // 4) if window.tokens else LEAST_ROOM,
    )


def _images(message: Message) -> Sequence[Image]:
    return message.images if isinstance(message, UserMessage) else ()


def _capped(request: ModelRequest, window: Window, tokens: int) -> ModelRequest:
    if not window.tokens:
        return request
    return replace(request, max_tokens=max(1, min(request.max_tokens, window.room(tokens))))


def _may_compact(state: RunState) -> bool:
    rested = state.compacted_at is None or state.steps - state.compacted_at >= STEPS_BETWEEN
    return rested and len(state.messages) > BRIEFING
