from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.intake.door import Unreadable
from pullwright.agents.ports.inbox import NewDelivery
from pullwright.integrations.commands import AgentRequest
from pullwright.integrations.github.door import GitHubDoor
from pullwright.integrations.github.events import interpret
from pullwright.integrations.github.meaning_codec import CODEC, MEANINGS
from pullwright.integrations.github.meanings import Ignored, InstallationChanged, Meaning
from pullwright.integrations.signatures import GITHUB, Secret, sign
from tests.unit.integrations.github.event_table import ROWS
from tests.unit.integrations.github.payload_samples import BOT, delivery, headers

words = st.dictionaries(st.text(), st.text(), max_size=3)
st.register_type_strategy(AgentRequest, st.builds(AgentRequest, arguments=words))
meanings = st.one_of(
    *(st.from_type(meaning) for meaning in MEANINGS if meaning is not InstallationChanged),
    st.builds(InstallationChanged, permissions=words),
)

SECRET = "correct horse"


@given(meanings)
def test_every_meaning_comes_back_as_it_was(meaning: Meaning) -> None:
    assert CODEC.from_json(CODEC.to_json(meaning)) == meaning


def test_every_meaning_has_a_name_to_be_kept_by() -> None:
    known = {one.__name__ for one in Meaning.__subclasses__() if one.__module__ == Meaning.__module__}
    assert sorted(one.__name__ for one in MEANINGS) == sorted(known)


@pytest.mark.parametrize("text", ['{"kind": "Meaning", "meaning": {}}', '{"kind": "Ignored", "meaning": {}}', "x"])
def test_what_is_no_meaning_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        CODEC.from_json(text)


@pytest.mark.parametrize(("name", "payload"), [row[:2] for row in ROWS], ids=lambda one: str(one)[:40])
def test_the_door_keeps_what_the_event_means(name: str, payload: dict[str, object]) -> None:
    arrived = delivery(name, **payload)
    door = GitHubDoor("main", [Secret(name="a", value="old"), Secret(name="b", value=SECRET)], BOT)
    body = json.dumps(arrived.document).encode()
    signed = [*headers(arrived.event), *sign(GITHUB, SECRET, body)]
    assert door.problem(signed, body, now=0.0) == ""
    assert door.problem(signed, body + b" ", now=0.0)
    assert door.problem(headers(arrived.event), body, now=0.0)
    new = door.read(signed, body)
    assert isinstance(new, NewDelivery)
    meaning = interpret(arrived, BOT)
    assert (new.kind, new.work_key, new.connection) == (CODEC.kind_of(meaning), meaning.work_key, "main")
    assert bool(new.ignored) is isinstance(meaning, Ignored)
    if not new.ignored:
        assert CODEC.kind_of(CODEC.from_json(new.content)) == new.kind


def test_the_door_says_why_it_can_not_read() -> None:
    door = GitHubDoor("main", [Secret(name="a", value=SECRET)], BOT)
    assert door.read(headers("ping"), b"{") == Unreadable(status=400, detail="the body is no JSON object")
    refused = door.read(headers("ping", Content_Type="text/plain"), b"{}")
    assert isinstance(refused, Unreadable)
    assert refused.status == 415
