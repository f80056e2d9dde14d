from __future__ import annotations

import pytest

from pullwright.agents.errors import MalformedReply, ModelUnavailable
from pullwright.agents.message import AssistantMessage, ToolCall
from pullwright.agents.ports.model import ModelReply, ReplyClass
from pullwright.agents.testing.contracts_model import request
from pullwright.agents.testing.scripted_model import Reply, ScriptedModel, ScriptExhausted

pytestmark = pytest.mark.anyio


async def test_running_out_is_an_error_of_its_own() -> None:
    model = ScriptedModel([Reply("a")])
    await model.complete(request())
    with pytest.raises(ScriptExhausted, match="number 2"):
        await model.complete(request())
    assert len(model.requests) == 2


async def test_errors_and_ready_replies_come_as_they_are() -> None:
    ready = ModelReply(message=AssistantMessage(content="x"), kind=ReplyClass.EMPTY)
    model = ScriptedModel([ModelUnavailable("down"), ready])
    with pytest.raises(ModelUnavailable):
        await model.complete(request())
    assert await model.complete(request()) is ready


async def test_a_callable_sees_the_request() -> None:
    model = ScriptedModel([lambda asked: Reply(f"{len(asked.messages)} messages")])
    assert (await model.complete(request())).message.content == "2 messages"


async def test_ids_go_on_from_the_conversation() -> None:
    earlier = AssistantMessage(tool_calls=(ToolCall(id="call00001", name="bash", arguments="{}"),))
    reply = await ScriptedModel([Reply(calls=[("bash", {})])]).complete(request(earlier))
    assert [call.id for call in reply.message.tool_calls] == ["call00002"]


async def test_an_empty_reply_is_malformed() -> None:
    with pytest.raises(MalformedReply):
        await ScriptedModel([Reply()]).complete(request())
