"""``read``, ``write`` and ``edit``: files of the sandbox, read and changed without a shell."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from pullwright.agents.errors import ToolFailed
from pullwright.agents.tools.base import Arguments, Effect, ToolContext, ToolOutcome
from pullwright.agents.tools.replacement import replace_exactly

READ_LINES = 1_000
READ_BYTES = 65_536
"""Most bytes of one ``read`` that reach the model."""
FILE_BYTES = 8 << 20
"""Largest file that can be read by line or edited."""


class ReadArguments(Arguments):
    """Arguments of ``read``."""

    path: str = Field(min_length=1, description="Relative to the repository, or absolute.")
    offset: int = Field(1, ge=1, description="First line, counted from 1.")
    limit: int = Field(READ_LINES, ge=1, le=READ_LINES, description="Number of lines.")


class Read:
    """Show a text file with line numbers."""

    name: ClassVar[str] = "read"
    description: ClassVar[str] = "Show lines of a text file, each with its number and a tab before it."
    effect: ClassVar[Effect] = Effect.PURE
    arguments: ClassVar[type[Arguments]] = ReadArguments

    async def run(self, arguments: ReadArguments, context: ToolContext) -> ToolOutcome:
        content = await load(arguments.path, context)
        if b"\0" in content[:8192]:
            return ToolOutcome(content=f"{arguments.path!r} is a binary file of {len(content)} bytes")
        lines = content.decode("utf-8", "replace").splitlines()
        if not lines:
            return ToolOutcome(content=f"{arguments.path!r} is empty")
        if arguments.offset > len(lines):
            raise ToolFailed(f"{arguments.path!r} has only {len(lines)} lines")
        return ToolOutcome(content=numbered(lines, arguments.offset, arguments.limit))


def numbered(lines: list[str], offset: int, limit: int) -> str:
    """Return lines with their numbers, within the limits of one reply, and say what is left."""
    shown: list[str] = []
    size = 0
    for number, line in enumerate(lines[offset - 1 : offset - 1 + limit], start=offset):
        size += len(line) + 8
        if shown and size > READ_BYTES:
            break
        shown.append(f"{number}\t{line[:READ_BYTES]}")
    left = len(lines) - (offset - 1) - len(shown)
    return "\n".join(shown) + (f"\n[{left} more lines; go on with offset {offset + len(shown)}]" if left else "")


class WriteArguments(Arguments):
    """Arguments of ``write``."""

    path: str = Field(min_length=1, description="Relative to the repository, or absolute.")
    content: str = Field(description="The whole new content.")


class Write:
    """Create a file or replace all of it."""

    name: ClassVar[str] = "write"
    description: ClassVar[str] = "Create a file, or replace all of its content. Missing folders are made."
    effect: ClassVar[Effect] = Effect.IDEMPOTENT
    arguments: ClassVar[type[Arguments]] = WriteArguments

    async def run(self, arguments: WriteArguments, context: ToolContext) -> ToolOutcome:
        content = arguments.content.encode("utf-8", "surrogatepass")
        await store(arguments.path, content, context)
        return ToolOutcome(content=f"wrote {len(content)} bytes to {arguments.path!r}")


class EditArguments(Arguments):
    """Arguments of ``edit``."""

    path: str = Field(min_length=1, description="Relative to the repository, or absolute.")
    old: str = Field(
        min_length=1, description="Text to replace, exactly as in the file, with enough lines to be unique."
    )
    new: str = Field(description="What takes its place.")
    replace_all: bool = Field(False, description="Replace every occurrence.")


class Edit:
    """Replace exact text in a file; every other byte stays as it is."""

    name: ClassVar[str] = "edit"
    description: ClassVar[str] = "Replace exact text in a file. Fails when the text is missing or not unique."
    effect: ClassVar[Effect] = Effect.ONCE
    arguments: ClassVar[type[Arguments]] = EditArguments

    async def run(self, arguments: EditArguments, context: ToolContext) -> ToolOutcome:
        content = await load(arguments.path, context)
        changed, count = replace_exactly(
            content, arguments.old, arguments.new, path=arguments.path, everywhere=arguments.replace_all
        )
        await store(arguments.path, changed, context)
        return ToolOutcome(content=f"replaced {count} occurrence{'s' * (count > 1)} in {arguments.path!r}")


async def load(path: str, context: ToolContext) -> bytes:
    """Read a whole file.

    Raises:
        ToolFailed: It is missing, unreadable or too large.
    """
    try:
        content = await context.sandbox.read_file(path, limit=FILE_BYTES + 1)
    except FileNotFoundError as exc:
        raise ToolFailed(f"{path!r} does not exist; look with search or bash") from exc
    except IsADirectoryError as exc:
        raise ToolFailed(f"{path!r} is a directory; list it with bash") from exc
    except OSError as exc:
        raise ToolFailed(f"{path!r} can not be read: {exc.strerror or exc}") from exc
    if len(content) > FILE_BYTES:
        raise ToolFailed(f"{path!r} is larger than {FILE_BYTES >> 20} MiB; use bash")
    return content


async def store(path: str, content: bytes, context: ToolContext) -> None:
    """Write a whole file.

    Raises:
        ToolFailed: It can not be written.
    """
    try:
        await context.sandbox.write_file(path, content)
    except IsADirectoryError as exc:
        raise ToolFailed(f"{path!r} is a directory") from exc
    except OSError as exc:
        raise ToolFailed(f"{path!r} can not be written: {exc.strerror or exc}") from exc
