"""One connection: where its senders may have work done, and what they may choose. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from pullwright.integrations.generic.payload import FileRequest

SOURCE: Final = "generic"

_SLUG: Final = re.compile(r"(?!\.+/)[A-Za-z0-9_.-]{1,100}/(?!\.+$)[A-Za-z0-9_.-]{1,100}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """Why an authentic request is not taken."""

    status: int
    """The HTTP status to answer with."""
    says: str
    """For the sender, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What the senders of one connection may ask for."""

    name: str
    web_url: str
    """Where the code host is: ``https://github.com``."""
    repositories: tuple[str, ...]
    """Patterns of ``owner/name`` in which ``*`` stands for anything."""
    checks: tuple[str, ...] = ()
    """What changes have to pass where a request names no checks."""
    own_checks: bool = True
    """Whether a request may name others."""
    most: Mapping[str, float] = field(default_factory=dict)
    """Largest values of limits, by their fields; a limit that is not here has none."""

    def slug(self, repository: str) -> str:
        """Return ``owner/name``; empty for what is no repository of the code host."""
        start = f"{self.web_url}/"
        on_host = repository[: len(start)].lower() == start.lower()
        given = repository[len(start) :].rstrip("/").removesuffix(".git") if on_host else repository
        return given if _SLUG.fullmatch(given) else ""

    def allows(self, slug: str) -> bool:
        """Whether work in a repository may be asked for here; case does not matter to code hosts."""
        return any(fnmatchcase(slug.lower(), pattern.lower()) for pattern in self.repositories)

    def work_key(self, name: str) -> str:
        """Return the key of a piece of work that senders here call so; connections do not share names."""
        return f"{SOURCE}:{self.name}/{name}" if name else ""

    def objection(self, request: FileRequest) -> Objection | None:
        """Say what is against a request, if anything."""
        slug = self.slug(request.repository)
        if not slug:
            says = f"repository: write owner/name, or {self.web_url}/owner/name"
            return Objection(status=422, says=says)
        if not self.allows(slug):
            says = f"repository: {slug} may not be worked on from here; whoever runs this can allow it in {self._where}"
            return Objection(status=403, says=says)
        if request.checks and not self.own_checks:
            return Objection(status=403, says="checks: they are fixed for this connection; leave them out")
        for name, most in self.most.items():
            wanted = getattr(request, name)
            if wanted is not None and wanted > most:
                return Objection(status=422, says=f"{name}: at most {most:g} here")
        return None

    @property
    def _where(self) -> str:
        return "AGENT_GENERIC_REPOSITORIES" if self.name == "main" else f"the table of {self.name!r}"
