from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.errors import ConfigError
from pullwright.cli.settings_file import lines, put, write_private

TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=30)


def test_what_is_there_stays_and_what_is_set_is_set_once(tmp_path: Path) -> None:
    file = tmp_path / "new" / "pullwright.toml"
    put(file, {"github_label": "a", "github_bot_id": 1})
    old = '# kept\nmodel = "m" # kept too\nAGENT_GITHUB_LABEL = "old"\n\n[[endpoints]]\ngithub_label = "inside"\n'
    file.write_text(old)
    put(file, {"github_label": "b", "github_webhook_secrets": ["x", "y"]})
    text = file.read_text()
    assert tomllib.loads(text) == {
        "model": "m",
        "github_label": "b",
        "github_webhook_secrets": ["x", "y"],
        "endpoints": [{"github_label": "inside"}],
    }
    assert "# kept too" in text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["pullwright.toml"]


@pytest.mark.parametrize(
    "text", ["model = ", 'github_label = """\na\n"""\n', 'checks = [\n  "[a]",\n  "github_label = 1"]\n[a]\n', "\xff"]
)
def test_what_can_not_be_changed_line_by_line_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    file = tmp_path / "pullwright.toml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match="put these in by hand: github_label"):
        put(file, {"github_label": "secret"})
    assert file.read_bytes() == text.encode("latin-1")


def test_a_file_is_not_replaced_unasked(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    write_private(file, "one")
    with pytest.raises(FileExistsError):
        write_private(file, "two")
    assert (file.read_text(), len(list(tmp_path.iterdir()))) == ("one", 1)


def test_secrets_are_not_shown() -> None:
    shown = "\n".join(lines({"a": "open", "b": ["closed"]}, hidden=frozenset({"b"})))
    assert shown == 'a = "open"\n# b is secret and not shown'


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), TEXTS | st.integers(-9, 9) | st.lists(TEXTS)))
def test_every_value_is_read_back_as_it_was(values: dict[str, str | int | list[str]]) -> None:
    assert tomllib.loads("\n".join(lines(values))) == values
