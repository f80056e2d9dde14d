"""What everything that changes the rehearsal's state needs: the records, their documents, and whom to tell."""

from __future__ import annotations

from dataclasses import dataclass

from pullwright.integrations.testing.announcer import Announcer
from pullwright.integrations.testing.check_documents import CheckDocuments
from pullwright.integrations.testing.forge_state import ForgeState
from pullwright.integrations.testing.github_documents import Documents
from pullwright.integrations.testing.hook_sender import HookSender
from pullwright.integrations.testing.open_work import OpenWork
from pullwright.integrations.testing.pull_documents import PullDocuments


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgeParts:
    """The parts of one forge. Whoever changes the state holds ``state.lock``."""

    state: ForgeState
    documents: Documents
    pulls: PullDocuments
    checks: CheckDocuments
    announcer: Announcer
    sender: HookSender
    work: OpenWork


def assemble(state: ForgeState, web: str, sender: HookSender, work: OpenWork) -> ForgeParts:
    """Put the parts together; ``web`` is the address that people would open."""
    documents = Documents(state, web)
    pulls = PullDocuments(documents)
    return ForgeParts(
        state=state,
        documents=documents,
        pulls=pulls,
        checks=CheckDocuments(state, documents, pulls),
        announcer=Announcer(state, documents, sender),
        sender=sender,
        work=work,
    )
