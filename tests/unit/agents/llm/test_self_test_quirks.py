"""``agent doctor`` against each habit of a server: the defect has a name, or there is none and the table says why."""

from __future__ import annotations

import pytest

from pullwright.agents.finding import Mark
from pullwright.agents.testing.endpoint_quirks import Quirk
from tests.unit.agents.llm.quirk_findings import CASES, Case


def test_every_quirk_has_its_line() -> None:
    assert {case.quirk for case in CASES} == set(Quirk)
    assert all(case.words for case in CASES)


@pytest.mark.anyio
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_r2_the_doctor_names_the_habit_of_a_server(case: Case) -> None:
    found = await case.examined()
    assert all("\n" not in finding.text for finding in found.findings)
    if not case.name:
        assert [finding for finding in found.findings if finding.mark is not Mark.OK] == []
        assert found.usable
        return
    named = [finding for finding in found.findings if finding.name == case.name]
    assert [(finding.mark, case.words in finding.text) for finding in named] == [(case.mark, True)], found.findings
    assert found.usable is (case.mark is not Mark.MISSING), found.findings
