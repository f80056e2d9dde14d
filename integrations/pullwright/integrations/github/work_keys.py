"""What a piece of work is called, by whatever way it is asked for. Pure."""

from __future__ import annotations


def work_key(host: str, repository_id: int, number: int) -> str:
    """Return the name of the work on an issue or pull request.

    The repository's id stays when it is renamed or given away; its name may be somebody else's tomorrow.
    """
    return f"{host}/{repository_id}#{number}"
