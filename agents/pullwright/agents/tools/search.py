"""``search``: find a pattern in the files of the repository."""

from __future__ import annotations

import shlex
from typing import ClassVar

from pydantic import Field

from pullwright.agents.errors import ToolFailed
from pullwright.agents.tools.base import Arguments, Effect, ToolContext, ToolOutcome, egress_events

SECONDS = 60
MATCHES = 200
KEEP_BYTES = 16_384

# Images without ripgrep are served by grep; both print file:line:text and exit with 1 when nothing matches.
_COMMAND = """\
if command -v rg >/dev/null; then
  rg --line-number --no-heading --with-filename --color=never --sort=path --hidden --glob='!.git' \
--max-columns=300 --max-columns-preview -e {pattern} -- {path}
else
  grep -rnIE --exclude-dir=.git -e {pattern} -- {path}
fi | head -n {limit}; exit "${{PIPESTATUS[0]}}"
"""


class SearchArguments(Arguments):
    """Arguments of ``search``."""

    pattern: str = Field(min_length=1, description="A regular expression.")
    path: str = Field(".", min_length=1, description="File or folder to search; the repository if left out.")


class Search:
    """Search file contents by regular expression."""

    name: ClassVar[str] = "search"
    description: ClassVar[str] = "Search the contents of files by regular expression; ignored files are left out."
    effect: ClassVar[Effect] = Effect.PURE
    arguments: ClassVar[type[Arguments]] = SearchArguments

    async def run(self, arguments: SearchArguments, context: ToolContext) -> ToolOutcome:
        command = _COMMAND.format(
            pattern=shlex.quote(arguments.pattern), path=shlex.quote(arguments.path), limit=MATCHES + 1
        )
        result = await context.sandbox.exec(command, timeout=SECONDS, output_limit=KEEP_BYTES)
        if result.timed_out:
            raise ToolFailed(f"the search took more than {SECONDS} s; give a narrower path")
        lines = result.stdout.text.splitlines()
        events = egress_events(result, context.step)  # of services that run beside it
        if not lines and result.exit_code == 1:
            return ToolOutcome(content="nothing matches", events=events)
        if not lines:
            raise ToolFailed(result.stderr.text.strip() or f"the search ended with exit code {result.exit_code}")
        more = ["[more matches are left out; narrow the pattern or the path]"] if len(lines) > MATCHES else []
        return ToolOutcome(content="\n".join([*lines[:MATCHES], *more]), events=events)
