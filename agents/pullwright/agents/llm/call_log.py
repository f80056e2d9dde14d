"""One line per call: what it cost and what came of it, never what was said."""

from __future__ import annotations

import logging

from pullwright.agents.llm.failure import Place
from pullwright.agents.ports.model import ModelReply, ModelRequest

_logger = logging.getLogger(__name__)


def log_call(place: Place, request: ModelRequest, reply: ModelReply, request_id: str) -> None:
    """Log a finished call; one that failed is logged by its failure."""
    if not _logger.isEnabledFor(logging.INFO):
        return
    usage = reply.usage
    _logger.info(
        "model call: endpoint=%s model=%s effort=%s class=%s finish=%s prompt=%d cached=%d completion=%d reasoning=%d "
        "request=%s calls=%s",
        place.url,
        place.model,
        request.effort.value,
        (reply.finding or reply.kind).value,
        reply.finish_reason,
        usage.prompt_tokens,
        usage.cached_tokens,
        usage.completion_tokens,
        usage.reasoning_tokens,
        request_id,
        dict(reply.server_ids),
    )
