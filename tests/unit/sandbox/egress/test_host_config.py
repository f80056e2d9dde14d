from __future__ import annotations

import os
from pathlib import Path

import pytest

from pullwright.sandbox.egress import Credential, host_config, host_upstreams
from pullwright.sandbox.egress.upstreams import PUBLIC_NPM, PUBLIC_PYPI, Upstreams, basic

CANARY = "canary-71c0"


@pytest.fixture(autouse=True)
def _bare_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A host whose only configuration is what a test writes into its home."""
    for name in list(os.environ):
        if name.upper().startswith(("PIP_", "UV_", "NPM_CONFIG_", "XDG_")) or name in (
            "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "VIRTUAL_ENV", "PREFIX",
        ):  # fmt: skip
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "xdg"))
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "venv"))
    monkeypatch.setenv("npm_config_globalconfig", str(tmp_path / "npmrc"))
    monkeypatch.setattr(host_config, "SYSTEM", tmp_path / "etc")
    monkeypatch.setattr(host_config, "_output", lambda *command: "")


def write(path: str, text: str) -> Path:
    found = Path(os.environ["HOME"]) / path
    found.parent.mkdir(parents=True, exist_ok=True)
    found.write_text(text)
    return found


def test_a_bare_host_uses_the_public_registries() -> None:
    assert host_upstreams() == Upstreams()


def test_pips_files_are_read_in_its_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bundle = write("ca.pem", "")
    write(".pip/pip.conf", "[global]\nindex-url = https://old.example/simple\ncert = /nowhere/ca.pem\n")
    write(
        ".config/pip/pip.conf",
        f"[global]\nindex_url = https://me:{CANARY}%40@mirror.example/simple/\ncert = {bundle}\n",
    )
    found = host_upstreams()
    assert found.pypi == ("https://mirror.example/simple",)
    assert found.credentials == (Credential("https://mirror.example/", basic(f"me:{CANARY}@")),)
    assert found.ca_files == (str(bundle),)
    assert CANARY not in repr(found)
    named = write("named.conf", "[global]\nindex-url = https://named.example/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(named))
    assert host_upstreams().pypi == ("https://named.example/simple",)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://a.example/simple file:///srv/simple")
    monkeypatch.setenv("PIP_INDEX_URL", "https://env.example/simple")
    found = host_upstreams()
    assert found.pypi == ("https://env.example/simple", "https://a.example/simple")
    assert len(found.notices) == 1
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_INDEX_URL")
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL")
    assert host_upstreams().pypi == (PUBLIC_PYPI,)


def test_uvs_variables_count_where_pip_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://uv.example/simple")
    monkeypatch.setenv("UV_INDEX", "mine=https://x:y@more.example/simple?a=b https://plain.example/simple")
    found = host_upstreams()
    assert found.pypi == ("https://uv.example/simple", "https://more.example/simple", "https://plain.example/simple")


def test_npms_settings_with_scopes_and_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPM_TOKEN", CANARY)
    write(
        ".npmrc",
        "; a comment\nregistry = https://npm.example/api/npm/\n@mine:registry=https://mine.example\n"
        "//npm.example/api/npm/:_authToken=${NPM_TOKEN}\n//mine.example/:_auth=dTpw\n//mine.example/:email=x\n"
        f"//third.example/:username=u\n//third.example/:_password={basic('secret')[6:]}\nfund=false\n",
    )
    found = host_upstreams()
    assert (found.npm, found.npm_scopes) == ("https://npm.example/api/npm", {"@mine": "https://mine.example"})
    assert found.authorization("https://npm.example/api/npm/demo") == f"Bearer {CANARY}"
    assert found.authorization("https://npm.example/other") is None
    assert found.authorization("https://mine.example/@mine%2fx") == "Basic dTpw"
    assert found.authorization("https://third.example/x") == basic("u:secret")
    assert CANARY not in repr(found)
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "https://env.example/")
    assert host_upstreams().npm == "https://env.example"
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "nonsense")
    assert host_upstreams().npm == PUBLIC_NPM


def test_apts_mirror_stands_for_the_public_archives_of_its_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    def output(*command: str) -> str:
        if command[0] == "apt-config":
            return 'Acquire::http "";\nAcquire::http::Proxy "http://u:p@proxy.example:3128";\n'
        return "https://mirror.example/debian/\nhttps://mirror.example/debian/\nhttps://tools.example/apt/\nfile:/srv/debian/"

    monkeypatch.setattr(host_config, "_output", output)
    found = host_upstreams()
    assert found.apt["http://deb.debian.org/debian"] == "https://mirror.example/debian"
    assert found.apt["http://mirror.example/debian"] == "https://mirror.example/debian"
    assert found.apt["http://deb.debian.org/debian-security"] == "http://deb.debian.org/debian-security"
    assert not any("tools.example" in name for name in found.apt)
    assert found.apt_proxy == "http://u:p@proxy.example:3128"
    assert "u:p" not in repr(found)
