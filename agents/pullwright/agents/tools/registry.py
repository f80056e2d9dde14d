"""The tools that a coding run offers."""

from __future__ import annotations

from pullwright.agents.tools.base import Toolbox
from pullwright.agents.tools.conduct import Ask, Finish, Plan
from pullwright.agents.tools.files import Edit, Read, Write
from pullwright.agents.tools.search import Search
from pullwright.agents.tools.service import Service
from pullwright.agents.tools.shell import Bash


def coding_tools() -> Toolbox:
    """Return the tools of a run that changes a repository."""
    return Toolbox([Bash(), Read(), Write(), Edit(), Search(), Service(), Plan(), Ask(), Finish()])
