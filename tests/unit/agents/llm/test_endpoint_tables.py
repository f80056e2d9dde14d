"""docs/endpoints.md says what the tests show; ``endpoint_tables --write`` brings it up to date."""

from __future__ import annotations

import re

import pytest

from pullwright.agents.llm.profile import PROFILES
from pullwright.agents.testing.endpoint_quirks import Quirk
from tests.unit.agents.llm import endpoint_tables

TEXT = endpoint_tables.DOCUMENT.read_text()


@pytest.mark.anyio
async def test_the_capabilities_are_those_that_were_seen() -> None:
    assert endpoint_tables.table("capabilities", TEXT) == await endpoint_tables.capabilities()


def test_the_quirks_are_those_that_are_driven() -> None:
    assert endpoint_tables.table("quirks", TEXT) == endpoint_tables.quirks()


def test_every_number_is_a_quirk_and_has_a_test() -> None:
    assert {quirk.number for quirk in Quirk} == set(range(1, 31)) == set(endpoint_tables.tests())
    assert set(endpoint_tables.descriptions()) == set(Quirk.__members__)


def test_every_profile_has_its_chapter() -> None:
    named = set(re.findall(r"`AGENT_ENDPOINT_PROFILE=([a-z-]+)`", TEXT))
    assert named == set(PROFILES)
