from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from traceback import format_exception

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


@pytest.mark.parametrize(
    "key",
    [
        "endpoint_url",
        "github_token",
        "AGENT_GITHUB_API_URL",
        "home",
        "endpoints",
        "tokenizer_file",
        "log_prompts",
        "price_input",
        "price_output",
        "price_cached_input",
        "gpus",
        "gpu_hour_price",
    ],
)
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
        ("[[endpoints]]\nname = 'a'\nurl = 'gpu:8000'", r"'endpoints' \(AGENT_ENDPOINTS\) at 0.url"),
        ("[[endpoints]]\nurl = 'http://a/v1'", "at 0.name"),
        ("[[endpoints]]\nname = 'a b'\nurl = 'http://a/v1'", "at 0.name"),
        ("[[endpoints]]\nname = 'a'\nurl = 'http://a/v1'\nprofile = 'x'", "at 0.profile"),
        ("[[endpoints]]\nname = 'a'\nurl = 'http://a/v1'\nkv_tokens = -1", "at 0.kv_tokens"),
        ("[[endpoints]]\nname = 'a'\nurl = 'http://a/v1'\nweight = 1", "at 0.weight"),
        ("price_input = 1.5", "price_output"),
        ("price_cached_input = 1", "price_cached_input needs"),
        ("price_input = -1\nprice_output = 1", "price_input"),
        ("price_input = nan\nprice_output = 1", "price_input"),
        ("gpu_hour_price = 2.5", "needs gpus"),
        ("gpus = -1", "gpus"),
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


TWO = """
model = "medium"

[[endpoints]]
name = "gpu-1"
url = "http://gpu-1:8000/v1"
kv_tokens = 380000

[[endpoints]]
name = "api"
url = "https://api.mistral.ai/v1"
key = "sk-canary"
profile = "mistral"
model = "mistral-medium-3-5"
"""


def test_several_endpoints_are_tables_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "pullwright.toml").write_text(TWO)
    settings = load_settings(tmp_path)
    assert settings.endpoints[0].kv_tokens == 380_000
    each = settings.each_endpoint()
    told = {
        name: (one.endpoint_url, one.endpoint_profile, one.endpoint_key.get_secret_value(), one.model, one.endpoints)
        for name, one in each.items()
    }
    assert told == {
        "gpu-1": ("http://gpu-1:8000/v1", "vllm", "", "medium", ()),
        "api": ("https://api.mistral.ai/v1", "mistral", "sk-canary", "mistral-medium-3-5", ()),
    }
    assert "canary" not in repr(settings)
    assert settings.secrets == ("sk-canary",), "what must not leave knows the keys of all endpoints"


def test_several_endpoints_are_a_json_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_ENDPOINTS", '[{"name": "a", "url": "http://a/v1"}, {"name": "b", "url": "http://b/v1"}]')
    assert list(load_settings(tmp_path).each_endpoint()) == ["a", "b"]


def test_a_single_endpoint_has_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(tmp_path).each_endpoint() == {}
    monkeypatch.setenv("AGENT_ENDPOINT_URL", "http://a/v1")
    settings = load_settings(tmp_path)
    assert settings.each_endpoint() == {"": settings}


def test_broken_json_is_one_line_without_what_was_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_ENDPOINTS", '[{"name": "a", "key": "sk-canary')
    with pytest.raises(ConfigError, match="endpoints") as caught:
        load_settings(tmp_path)
    assert "canary" not in "".join(format_exception(caught.value))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AGENT_ENDPOINT_URL", "http://h/v1"),
        ("AGENT_ENDPOINT_KEY", "sk-canary"),
        ("AGENT_ENDPOINT_PROFILE", "sglang"),
    ],
)
def test_one_endpoint_and_several_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    (tmp_path / "pullwright.toml").write_text(TWO)
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=rf"drop '\w+' \({variable}\) .*or drop 'endpoints' \(AGENT_ENDPOINTS\)"):
        load_settings(tmp_path)


def test_endpoints_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pullwright.toml").write_text(TWO.replace('"api"', '"gpu-1"'))
    with pytest.raises(ConfigError, match="two endpoints are named 'gpu-1'"):
        load_settings(tmp_path)


def test_what_tokens_and_gpus_cost_is_read_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pullwright.toml").write_text("price_input = 1.5\nprice_output = 7.5\nprice_cached_input = 0.1\n")
    monkeypatch.setenv("AGENT_GPUS", "4")
    monkeypatch.setenv("AGENT_GPU_HOUR_PRICE", "2.5")
    settings = load_settings(tmp_path)
    told = (settings.price_input, settings.price_output, settings.price_cached_input, settings.gpu_hour_price)
    assert told == (Decimal("1.5"), Decimal("7.5"), Decimal("0.1"), Decimal("2.5"))
    assert settings.gpus == 4


def test_prompts_are_not_logged_unless_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not load_settings(tmp_path).log_prompts
    monkeypatch.setenv("AGENT_LOG_PROMPTS", "true")
    monkeypatch.setenv("AGENT_TOKENIZER_FILE", "/models/tekken.json")
    settings = load_settings(tmp_path)
    assert (settings.log_prompts, settings.tokenizer_file) == (True, Path("/models/tekken.json"))
