"""What a good model answers to the self-test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pullwright.agents.llm.served import BRACKETED
from pullwright.agents.testing.endpoint_script import first_user_text
from pullwright.agents.testing.scripted_model import Reply


def healthy(request: Mapping[str, Any]) -> Reply:
    """Answer with calls where tools are on offer, and think where that is asked for."""
    reasoning = "Easy." if request.get("reasoning_effort") == "high" else ""
    if request["messages"][-1]["role"] == "tool":
        return Reply("Done.", reasoning)
    if BRACKETED in first_user_text(request):
        return Reply(BRACKETED, reasoning)
    if not request.get("tools"):
        return Reply("Hello.", reasoning)
    sums = (5, 9) if "2 times" in first_user_text(request) else (5,)
    return Reply("", reasoning, [("report", {"sum": number}) for number in sums])
