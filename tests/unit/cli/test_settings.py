from __future__ import annotations

from pathlib import Path

import pytest

from pullwright.agents.errors import ConfigError
from pullwright.agents.ports.model import ReasoningEffort
from pullwright.cli.settings import load_settings


def test_the_environment_wins_over_the_file_and_the_file_over_what_is_built_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pullwright.toml").write_text('model = "from-file"\nAGENT_MAX_STEPS = 7\nchecks = ["make test"]\n')
    monkeypatch.setenv("AGENT_MODEL", "from-environment")
    settings = load_settings(tmp_path)
    assert (settings.model, settings.max_steps, settings.max_minutes) == ("from-environment", 7, 60)
    assert settings.checks == ("make test",)


def test_the_users_own_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "pullwright").mkdir()
    (tmp_path / "pullwright" / "pullwright.toml").write_text('endpoint_url = "http://h/v1"\n')
    assert load_settings(tmp_path / "elsewhere").endpoint_url == "http://h/v1"


@pytest.mark.parametrize("key", ["endpoint_url", "github_token", "AGENT_GITHUB_API_URL", "home"])
def test_a_file_in_a_checkout_can_not_redirect_secrets(tmp_path: Path, key: str) -> None:
    (tmp_path / ".git").mkdir()
    folder = tmp_path / "sub"
    folder.mkdir()
    (folder / "pullwright.toml").write_text(f'{key} = "https://evil.example"\n')
    with pytest.raises(ConfigError, match="could have come with the repository"):
        load_settings(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_steps = 0", "max_steps"),
        ("endpoint_profile = 'tensorrt'", "AGENT_ENDPOINT_PROFILE"),
        ("no_such_key = 1", "no_such_key"),
        ("model =", "can not be read"),
    ],
)
def test_a_wrong_value_is_one_line_with_its_key(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "pullwright.toml").write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_settings(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("word", "effort"), [("low", "none"), ("off", "none"), ("MEDIUM", "high"), ("max", "high")])
def test_other_products_words_for_the_effort_are_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, effort: str
) -> None:
    monkeypatch.setenv("AGENT_REASONING_EFFORT", word)
    assert load_settings(tmp_path).reasoning_effort is ReasoningEffort(effort)


def test_secrets_are_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_GITHUB_TOKEN", "ghp_canary")
    monkeypatch.setenv("AGENT_ENDPOINT_KEY", "sk-canary")
    assert "canary" not in repr(load_settings(tmp_path))
