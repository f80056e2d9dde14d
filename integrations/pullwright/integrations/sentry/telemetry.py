"""Ourselves in Sentry: our own errors, and what agents do as spans. Off unless there is a DSN.

Nothing that could be a secret leaves: no local variables, no source, no requests, nothing of programs that were run,
and every text that does leave goes through ``Outgoing``. The spans come from the journal, which is listened to; the
core does not know of this module.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, cast

import sentry_sdk
from anyio import move_on_after, to_thread
from sentry_sdk.integrations.atexit import AtexitIntegration
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.excepthook import ExcepthookIntegration
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.utils import BadDsn, Dsn

from pullwright.agents.errors import ConfigError, PullwrightError
from pullwright.agents.task import Task
from pullwright.integrations.redaction import Redactor
from pullwright.integrations.sentry.agent_spans import AgentTrace, Span
from pullwright.integrations.sentry.outgoing import Outgoing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sentry_sdk._types import Breadcrumb, BreadcrumbHint, Event, Hint
    from sentry_sdk.integrations import Integration

    from pullwright.agents.events import JournalEntry

logger = logging.getLogger(__name__)

FLUSH_SECONDS: Final = 3.0
"""How long the last events may take to leave."""

DSN_VARIABLE: Final = "SENTRY_DSN"

_LAST_WORD_SECONDS: Final = 5.0
_CRUMBS: Final = 30


class Journals(Protocol):
    """What is listened to."""

    async def journal(self, task_id: str, *, after: int = 0) -> Sequence[JournalEntry]:
        """As ``TaskStore.journal``."""
        ...

    async def wait(self, task_id: str, *, after: int) -> None:
        """As ``TaskStore.wait``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetrySettings:
    """Where our own errors go."""

    dsn: str
    release: str = ""
    environment: str = ""
    traces: float = 1.0
    """The share of runs whose spans are sent."""
    ca_file: Path | None = None


class Telemetry:
    """Sends; there is one in a process, from ``open`` to ``close``."""

    @classmethod
    @contextmanager
    def opened(cls, settings: TelemetrySettings, secrets: Iterable[str]) -> Iterator[Telemetry]:
        """Send for the length of a block.

        Args:
            settings: Where to.
            secrets: Everything that must not leave, in whatever form.

        Raises:
            ConfigError: The DSN is none.
        """
        telemetry = cls(settings, secrets)
        try:
            yield telemetry
        finally:
            telemetry.close()

    def __init__(self, settings: TelemetrySettings, secrets: Iterable[str]) -> None:
        """Begin; as for ``opened``."""
        try:
            Dsn(settings.dsn)
        except BadDsn:
            raise ConfigError(f"{DSN_VARIABLE} is no DSN; copy it from the project's settings in Sentry") from None
        outgoing = Outgoing(Redactor(secrets))
        sentry_sdk.init(
            dsn=settings.dsn,
            release=settings.release or None,
            environment=settings.environment or None,
            traces_sample_rate=settings.traces,
            ca_certs=str(settings.ca_file) if settings.ca_file else None,
            before_send=_event_through(outgoing.event),
            before_send_transaction=_event_through(outgoing.transaction),
            before_breadcrumb=_crumb_through(outgoing),
            integrations=_integrations(),
            default_integrations=False,
            auto_enabling_integrations=False,
            include_local_variables=False,
            include_source_context=False,
            max_request_body_size="never",
            max_breadcrumbs=_CRUMBS,
            auto_session_tracking=False,
            send_client_reports=False,
            trace_propagation_targets=[],
            shutdown_timeout=FLUSH_SECONDS,
            server_name="",
        )

    def close(self) -> None:
        """Send what is left, for a few seconds, and end. Blocks."""
        sentry_sdk.get_client().close(timeout=FLUSH_SECONDS)
        sentry_sdk.get_global_scope().set_client(None)

    async def follow(self, journals: Journals, task: Task) -> None:
        """Listen to the journal of one attempt, and send its spans when it is over, or when this is cancelled.

        Raises nothing: where a journal can not be read, what was heard until then is sent.
        """
        trace = AgentTrace(task_id=task.id, attempt=task.attempt)
        try:
            await _listen(journals, trace)
        except PullwrightError as exc:
            logger.warning("the spans of task %s end early: %s", task.id, exc)
        finally:
            with move_on_after(_LAST_WORD_SECONDS, shield=True):
                await to_thread.run_sync(self.send, trace, task)

    def send(self, trace: AgentTrace, task: Task) -> None:
        """Send the spans of an attempt; nothing when it did nothing."""
        if not trace.spans:
            return
        with sentry_sdk.isolation_scope() as scope:
            scope.clear()
            for name, value in tags_of(task).items():
                scope.set_tag(name, value)
            whole = trace.whole()
            transaction = sentry_sdk.start_transaction(
                op=whole.op, name=whole.name, start_timestamp=whole.began, origin="manual"
            )
            _fill(transaction, whole)
            for span in trace.spans:
                child = transaction.start_child(op=span.op, name=span.name, start_timestamp=span.began)
                _fill(child, span)
                child.finish(end_timestamp=span.ended)
            transaction.finish(end_timestamp=whole.ended)


async def _listen(journals: Journals, trace: AgentTrace) -> None:
    seq = 0
    while not trace.over:
        for entry in await journals.journal(trace.task_id, after=seq):
            trace.add(entry)
            seq = entry.seq
        if not trace.over:
            await journals.wait(trace.task_id, after=seq)


def tags_of(task: Task) -> dict[str, str]:
    """Return what our own events are found by; a repository's name may be a secret itself, so it is hashed."""
    lane = hashlib.sha256(task.spec.lane.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return {"task": task.id, "source": task.spec.source, "repository": lane}


def _fill(target: sentry_sdk.tracing.Span, span: Span) -> None:
    for name, value in span.data.items():
        target.set_data(name, value)
    target.set_status("internal_error" if span.failed else "ok")


def _integrations() -> list[Integration]:
    """Return the only ones that are wanted: others record requests, and command lines of every program."""
    return [
        LoggingIntegration(level=logging.INFO, event_level=logging.ERROR, sentry_logs_level=None),
        ExcepthookIntegration(),
        AtexitIntegration(callback=_say_nothing),
        DedupeIntegration(),
    ]


def _say_nothing(pending: int, timeout: float) -> None:
    del pending, timeout


def _event_through(scrub: Callable[[dict[str, object]], dict[str, object]]) -> Callable[[Event, Hint], Event | None]:
    def before(event: Event, hint: Hint) -> Event | None:
        del hint
        return cast("Event", scrub(cast("dict[str, object]", event)))

    return before


def _crumb_through(outgoing: Outgoing) -> Callable[[Breadcrumb, BreadcrumbHint], Breadcrumb | None]:
    def before(crumb: Breadcrumb, hint: BreadcrumbHint) -> Breadcrumb | None:
        del hint
        return outgoing.breadcrumb(crumb)

    return before
