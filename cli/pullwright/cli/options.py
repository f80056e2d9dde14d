"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON object per line, for scripts.")]
At = Annotated[int, typer.Option("--at", min=1, help="Number of the checkpoint.", metavar="N")]
Slots = Annotated[
    int, typer.Option(min=0, max=1000, help="Most runs at once; 0 for what memory and cores of this host allow.")
]
DrainSeconds = Annotated[
    float, typer.Option(min=0, help="After SIGTERM, how long runs may take to the end of their step.")
]
Status = Annotated[str, typer.Option("--status", help="Only those: waiting, filed, refused, failed …")]
Newest = Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many, the newest first.", metavar="N")]
TaskId = Annotated[str, typer.Argument(help="The task's id, or its beginning.")]
