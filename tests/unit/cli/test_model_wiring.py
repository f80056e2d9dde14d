from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import pytest

from pullwright.agents.errors import ConfigError
from pullwright.agents.llm.prices import MEDIUM_3_5, Price, Prices
from pullwright.cli.model_wiring import endpoint_settings, pooled, price_list, require_endpoint
from pullwright.cli.settings import Settings
from pullwright.cli.settings_tables import EndpointTable

MISTRAL = EndpointTable.model_validate(
    {"name": "api", "url": "https://api.mistral.ai/v1", "profile": "mistral", "key": "sk-canary"}
)
OWN = EndpointTable(name="own", url="http://gpu:8000/v1", kv_tokens=380_000)
HEAVY = ("pullwright.agents.pool", "prometheus_client", "mistral_common", "openai")


def test_only_mistrals_own_api_has_a_price_by_itself() -> None:
    settings = Settings(endpoints=(MISTRAL, OWN), gpus=4, gpu_hour_price=Decimal("2.5"))
    assert price_list(settings) == {
        "api": Prices(table=(MEDIUM_3_5,), gpu_hour=Decimal("2.5")),
        "own": Prices(gpus=4, gpu_hour=Decimal("2.5")),
    }


def test_the_only_endpoint_has_its_prices_without_a_name() -> None:
    assert price_list(Settings(endpoint_url="http://h/v1")) == {"": Prices()}
    assert price_list(Settings(endpoints=(MISTRAL,))) == {"": Prices(table=(MEDIUM_3_5,))}
    assert price_list(Settings()) == {}


def test_a_configured_price_is_that_of_every_model() -> None:
    settings = Settings(
        endpoint_url="http://h/v1", price_input=Decimal(1), price_output=Decimal(2), price_cached_input=Decimal("0.1")
    )
    price = Price(pattern="", prompt=Decimal(1), completion=Decimal(2), cached=Decimal("0.1"))
    assert price_list(settings)[""].price_of("whatever") == price


def test_what_the_pool_knows_of_an_endpoint_does_not_show_its_key() -> None:
    endpoint = pooled(MISTRAL)
    assert (endpoint.name, endpoint.profile, endpoint.key) == ("api", "mistral", "sk-canary")
    assert pooled(OWN).kv_tokens == 380_000
    assert "canary" not in repr(endpoint)
    (one,) = Settings(endpoints=(MISTRAL,)).each_endpoint().values()
    assert endpoint_settings(one).key == "sk-canary"


def test_prompts_are_logged_only_when_told_so() -> None:
    assert not endpoint_settings(Settings(endpoint_url="http://h/v1")).log_prompts
    (one,) = Settings(endpoints=(OWN,), log_prompts=True).each_endpoint().values()
    assert endpoint_settings(one).log_prompts


def test_no_endpoint_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigError, match="AGENT_ENDPOINT_URL"):
        require_endpoint(Settings())
    require_endpoint(Settings(endpoints=(OWN,)))


def modules_after(code: str) -> set[str]:
    code += "\nimport sys; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    return {name for name in ran.stdout.split() if name.startswith(HEAVY)}


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    assert (
        modules_after("import pullwright.cli.app, pullwright.cli.commands.run, pullwright.cli.commands.tasks") == set()
    )


def test_one_endpoint_needs_no_pool() -> None:
    code = """
import anyio
from pullwright.cli.model_wiring import open_model
from pullwright.cli.settings import Settings
from pullwright.agents.testing.scripted_endpoint import ScriptedEndpoint

async def main():
    with ScriptedEndpoint([]) as endpoint:
        async with open_model(Settings(endpoint_url=endpoint.url), print):
            pass

anyio.run(main)
"""
    assert {name.partition(".")[0] for name in modules_after(code)} == {"openai"}
