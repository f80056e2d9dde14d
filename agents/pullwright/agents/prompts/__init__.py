"""The words the model gets, as text files, one per role."""

from __future__ import annotations

from importlib.resources import files


def prompt(name: str) -> str:
    """Return a prompt by its file name without the ending, without its last line break."""
    return files(__name__).joinpath(f"{name}.md").read_text(encoding="utf-8").rstrip("\n")
