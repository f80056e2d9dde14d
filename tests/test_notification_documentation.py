"""docs/notifications.md names every setting and moment, and every address in it is understood."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from pullwright.agents.ports.notice import Moment
from pullwright.cli.notify_settings import NotifyFields
from pullwright.integrations.apprise.notifier import Service

TEXT = (Path(__file__).parent.parent / "docs" / "notifications.md").read_text()
ADDRESSES = sorted(set(re.findall(r"`((?:https|slack|workflows|discord|mailtos?|jsons)://[^`\s]+)`", TEXT)))


def test_every_setting_is_named_and_exists() -> None:
    named = {name.lower() for name in re.findall(r"AGENT_(NOTI[A-Z_]+)", TEXT)}
    assert named == set(NotifyFields.model_fields)


def test_every_moment_is_named_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `([a-z_]+)` \|.*\| ((?:not )?told) \|$", TEXT, re.MULTILINE))
    default = NotifyFields().notify_about
    assert rows == {moment.value: "told" if moment in default else "not told" for moment in Moment}


def test_the_file_in_it_is_one() -> None:
    [shown] = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    fields = NotifyFields(**tomllib.loads(shown))
    assert (len(fields.notify), len(fields.notifications)) == (2, 1)
    assert fields.notify_about == NotifyFields().notify_about
    for secret in (*fields.notify, *(table.url for table in fields.notifications)):
        Service("the example", secret.get_secret_value())


def test_there_are_addresses_of_each_kind() -> None:
    schemes = {address.partition(":")[0] for address in ADDRESSES}
    assert schemes == {"https", "slack", "workflows", "discord", "mailto", "mailtos", "jsons"}


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_address_is_understood(address: str) -> None:
    Service("the documentation", address)
