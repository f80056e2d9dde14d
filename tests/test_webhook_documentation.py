"""docs/webhooks.md names every field, action and setting, and nothing that is not there."""

from __future__ import annotations

import re
from pathlib import Path

from pullwright.cli.generic_settings import GenericFields, GenericWebhookTable
from pullwright.integrations.generic.payload import ACTIONS, FileRequest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "webhooks.md").read_text()


def test_every_field_is_documented() -> None:
    table = TEXT.split("## What a request says\n\n| field | |")[1].split("\n\n")[0]
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`([a-z_]+)`", row.split("|")[1])}
    assert named == set(FileRequest.model_fields) - {"action"}


def test_every_action_is_documented_with_its_fields() -> None:
    rows = dict(re.findall(r'^\| `\{"action": "([a-z]+)"(.*?)\}`', TEXT, re.MULTILINE))
    assert set(rows) == set(ACTIONS) - {"file"}
    for action, fields in rows.items():
        assert {"action", *re.findall(r'"([a-z_]+)":', fields)} == set(ACTIONS[action].model_fields)


def test_every_setting_is_documented() -> None:
    assert {name.lower() for name in re.findall(r"AGENT_(GENERIC_[A-Z_]+)", TEXT)} == set(GenericFields.model_fields)
    table = TEXT.split("[[generic_webhooks]]\n")[1].split("```")[0]
    assert set(re.findall(r"^([a-z_]+) =", table, re.MULTILINE)) == set(GenericWebhookTable.model_fields)


def test_what_it_links_to_exists() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", TEXT) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
