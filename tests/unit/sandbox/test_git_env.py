from __future__ import annotations

from pathlib import Path

import pytest

from pullwright.sandbox.git_env import git_environment


def settings(environment: dict[str, str]) -> dict[str, str]:
    count = int(environment["GIT_CONFIG_COUNT"])
    return {environment[f"GIT_CONFIG_KEY_{n}"]: environment[f"GIT_CONFIG_VALUE_{n}"] for n in range(count)}


def test_only_what_was_asked_for_may_be_spoken() -> None:
    assert git_environment(git_dir=None)["GIT_ALLOW_PROTOCOL"] == "none"
    environment = git_environment(git_dir=Path("/m"), protocols=("https",))
    assert environment["GIT_ALLOW_PROTOCOL"] == "https"
    assert environment["GIT_DIR"] == "/m"
    found = settings(environment)
    assert (found["protocol.allow"], found["protocol.https.allow"]) == ("never", "always")
    assert found["core.hooksPath"] == "/dev/null"
    assert found["credential.helper"] == ""
    assert found["transfer.fsckObjects"] == "true"


def test_nothing_of_the_person_who_started_us_gets_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_CONFIG_PARAMETERS", "GIT_EXEC_PATH", "OPENAI_API_KEY", "GIT_SSH"):
        monkeypatch.setenv(name, "canary")
    environment = git_environment(git_dir=None)
    assert "canary" not in environment.values()
    assert environment["GIT_CONFIG_GLOBAL"] == "/dev/null"


def test_an_operators_authority_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_SSL_CAINFO", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", "/ca.pem")
    assert git_environment(git_dir=None)["GIT_SSL_CAINFO"] == "/ca.pem"
    monkeypatch.setenv("GIT_SSL_CAINFO", "/git-ca.pem")
    assert git_environment(git_dir=None)["GIT_SSL_CAINFO"] == "/git-ca.pem"
