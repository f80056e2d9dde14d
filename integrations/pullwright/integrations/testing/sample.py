"""What a sample is: the files of a repository, an issue about them, and the edit that settles it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pullwright.agents.errors import ConfigError
from pullwright.integrations.testing.bare_repository import ZERO_DATE, BareRepository, TreeFile


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleIssue:
    """The issue that goes with a sample."""

    number: int
    title: str
    body: str


@dataclass(frozen=True, slots=True)
class Edit:
    """One intended edit: ``old`` occurs exactly once in the file; an empty ``old`` makes a new file."""

    path: bytes
    old: bytes
    new: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRepository:
    """A repository as somebody might have it, with a task that has a known answer."""

    name: str
    files: tuple[TreeFile, ...]
    issue: SampleIssue
    edits: tuple[Edit, ...]
    check: str = ""
    """A command that fails before the edit and passes after it; empty when there is none."""

    def edited(self) -> tuple[TreeFile, ...]:
        """Return the files that the intended edits change, as they are afterwards.

        Raises:
            ConfigError: An edit does not fit its file.
        """
        return tuple(self._edited(edit) for edit in self.edits)

    def _edited(self, edit: Edit) -> TreeFile:
        if not edit.old:
            return TreeFile(edit.path, edit.new)
        for file in self.files:
            if file.path == edit.path and file.content.count(edit.old) == 1:
                return replace(file, content=file.content.replace(edit.old, edit.new))
        raise ConfigError(f"sample {self.name!r} has no single {edit.old!r} in {edit.path!r}; correct the sample")

    def build(self, repository: BareRepository, branch: str = "main") -> str:
        """Commit the files, in two commits so that there is a history, and return the newest id.

        A sample without files stays a repository without commits; the answer is an empty string then.
        """
        if not self.files:
            return ""
        repository.commit(branch, "Start", self.files[:1])
        return repository.commit(branch, f"Add {self.name}", self.files, date=ZERO_DATE + 60)

    def intended_patch(self, repository: BareRepository, base: str) -> bytes:
        """Return what git prints for the intended edits; no ref is made for it."""
        return repository.diff(base, repository.tree_with(base, self.edited()))
