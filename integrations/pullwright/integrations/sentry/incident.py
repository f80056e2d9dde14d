"""One event of Sentry, in one shape, whatever shape it came in. Pure values; every text in them is a stranger's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_MINIFIED_NAME: Final = re.compile(
    r"(?:[.-]min\.(?:m?js|css)|\.bundle\.js|[.-][0-9a-f]{8,32}\.(?:chunk\.)?m?js)(?:$|\?)"
)
_MINIFIED_LINE: Final = 400
_MINIFIED_COLUMN: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame of a stack."""

    path: str = ""
    """As the platform calls the file: relative where it knows better than an absolute path."""
    absolute: str = ""
    module: str = ""
    function: str = ""
    package: str = ""
    """The binary or library, of a native frame."""
    line: int | None = None
    column: int | None = None
    in_app: bool | None = None
    """None where the event does not say."""
    before: tuple[str, ...] = ()
    """Source lines above."""
    suspect: str = ""
    """The source line itself."""
    cut: int = 0
    """How many characters of a very long one were cut off before ``suspect``."""
    after: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def minified(self) -> bool:
        """Whether it tells nothing about the source that people write."""
        long = self.cut + len(self.suspect) > _MINIFIED_LINE
        far = self.column is not None and self.column > _MINIFIED_COLUMN and (self.line or 0) <= 10
        return long or far or bool(_MINIFIED_NAME.search(self.path or self.absolute))

    @property
    def where(self) -> str:
        """The module or the file."""
        return self.module or self.path or self.absolute or self.package


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """One exception; the frames run from the oldest call to where it was raised."""

    type: str = ""
    value: str = ""
    module: str = ""
    handled: bool | None = None
    source: str = ""
    """How it hangs together with the next one: ``__cause__`` when the code names it as the cause."""
    frames: tuple[Frame, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Crumb:
    """Something that happened before."""

    at: str = ""
    category: str = ""
    level: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One event."""

    event_id: str = ""
    title: str = ""
    platform: str = ""
    level: str = ""
    environment: str = ""
    release: str = ""
    transaction: str = ""
    message: str = ""
    at: str = ""
    request: str = ""
    """Method and address, without query."""
    raised: tuple[Raised, ...] = ()
    """Causes first; the last one is what people saw."""
    threads: tuple[Raised, ...] = ()
    """What the other threads were doing; ``type`` is what a thread is called."""
    crumbs: tuple[Crumb, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    """What Sentry could not make of it: a missing source map."""

    @property
    def crash(self) -> Raised | None:
        """The exception that people saw, with its frames if any has some."""
        with_frames = [one for one in self.raised if one.frames]
        return (with_frames or list(self.raised))[-1] if self.raised else None

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The frames of the crash."""
        return self.crash.frames if self.crash else ()

    def in_app_frames(self) -> tuple[Frame, ...]:
        """Return the readable frames of our own code, of all exceptions; where no event says whose, all count."""
        readable = [frame for one in self.raised for frame in one.frames if frame.where and not frame.minified]
        ours = [frame for frame in readable if frame.in_app]
        return tuple(ours or [frame for frame in readable if frame.in_app is None])
