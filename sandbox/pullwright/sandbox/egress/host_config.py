"""Finds the registries that this host itself is set up for, so that mirrors and sites without internet work."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pullwright.sandbox.egress.upstreams import (
    PUBLIC_APT,
    PUBLIC_NPM,
    PUBLIC_PYPI,
    Credential,
    Upstreams,
    basic,
    split_credential,
)

APT_SECONDS: Final = 15
SYSTEM: Final = Path("/etc")

_UV_NAME = re.compile(r"\A[A-Za-z0-9._-]+=")
_ARCHIVES: Final = frozenset(url.rpartition("/")[2] for url in PUBLIC_APT)
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(\?)?\}")
_APT_PROXY = re.compile(r'^Acquire::http::Proxy "(https?://[^"]+)";$', re.IGNORECASE | re.MULTILINE)


@dataclass(slots=True)
class _Found:
    """What is collected on the way."""

    credentials: list[Credential] = field(default_factory=list)
    ca_files: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def url(self, text: str, setting: str) -> str | None:
        """Return a URL without its credential, which is kept; None with a notice when it is none."""
        try:
            plain, credential = split_credential(text)
        except ValueError:
            self.notices.append(f"{setting} holds an address that is not http(s): the package gateway does not use it")
            return None
        if credential is not None:
            self.credentials.append(credential)
        return plain


def host_upstreams() -> Upstreams:
    """Return the registries that pip, npm and apt use on this host. Reads files and runs apt: call it in a thread."""
    found = _Found()
    environ = os.environ
    pypi = _pypi(environ, found)
    npm, scopes = _npm(environ, found)
    found.ca_files += [environ[name] for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE") if environ.get(name)]
    return Upstreams(
        pypi=pypi,
        npm=npm,
        npm_scopes=scopes,
        apt=_apt(found),
        apt_proxy=next(iter(_APT_PROXY.findall(_output("apt-config", "dump"))), ""),
        credentials=tuple(dict.fromkeys(found.credentials)),
        ca_files=tuple(path for path in dict.fromkeys(found.ca_files) if Path(path).is_file()),
        notices=tuple(dict.fromkeys(found.notices)),
    )


def _pypi(environ: Mapping[str, str], found: _Found) -> tuple[str, ...]:
    """Read pip's settings in its documented order, then uv's variables; what is set in pip decides."""
    pip = _pip_settings(environ)
    index = pip.get("index-url") or environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL") or PUBLIC_PYPI
    extra = pip.get("extra-index-url", "").split() + environ.get("UV_EXTRA_INDEX_URL", "").split()
    extra += [_UV_NAME.sub("", item) for item in environ.get("UV_INDEX", "").split()]
    if pip.get("find-links"):
        found.notices.append("pip's find-links is not used by the package gateway: serve the folder as an index")
    if pip.get("cert"):
        found.ca_files.append(pip["cert"])
    urls = [found.url(url, "pip's or uv's index") for url in dict.fromkeys([index, *extra])]
    return tuple(url for url in urls if url is not None)


def _pip_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return pip's settings (pip.pypa.io/en/stable/topics/configuration); later files win, the environment last."""
    settings: dict[str, str] = {}
    for path in _pip_files(environ):
        parser = configparser.RawConfigParser()
        with suppress(configparser.Error, UnicodeDecodeError):
            parser.read(path, encoding="utf-8")
        for section in ("global", "install"):
            if parser.has_section(section):
                settings |= {key.replace("_", "-"): value for key, value in parser.items(section)}
    for name, value in environ.items():
        if name.startswith("PIP_") and name != "PIP_CONFIG_FILE":
            settings[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    return settings


def _pip_files(environ: Mapping[str, str]) -> Iterable[Path]:
    named = environ.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return
    for folder in reversed(environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")):
        yield Path(folder) / "pip" / "pip.conf"
    yield SYSTEM / "pip.conf"
    home = Path(environ.get("HOME", "/"))
    yield home / ".pip" / "pip.conf"
    yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
    yield Path(environ.get("VIRTUAL_ENV") or sys.prefix) / "pip.conf"
    if named:
        yield Path(named)


def _npm(environ: Mapping[str, str], found: _Found) -> tuple[str, dict[str, str]]:
    """Read npm's settings (docs.npmjs.com, npmrc): environment, then the user's file, then the host's."""
    settings = _npm_settings(environ)
    registry = found.url(settings.get("registry", PUBLIC_NPM), "npm's registry") or PUBLIC_NPM
    scopes: dict[str, str] = {}
    for key, value in settings.items():
        scope, mark, _ = key.partition(":registry")
        if key.startswith("@") and mark and (url := found.url(value, f"npm's registry of {scope}")):
            scopes[scope] = url
        elif key.startswith("//"):
            found.credentials += _npm_credentials(key, settings)
    if settings.get("cafile"):
        found.ca_files.append(settings["cafile"])
    return registry, scopes


def _npm_credentials(key: str, settings: Mapping[str, str]) -> list[Credential]:
    """Return the credential that a key such as ``//host/path/:_authToken`` stands for, by https and by http."""
    prefix, _, name = key.rpartition(":")
    value = settings[key]
    if name == "_authToken":
        header = f"Bearer {value}"
    elif name == "_auth":
        header = f"Basic {value}"
    elif name == "_password" and settings.get(f"{prefix}:username"):
        with suppress(ValueError):
            value = b64decode(value).decode()
        header = basic(f"{settings[f'{prefix}:username']}:{value}")
    else:
        return []
    return [Credential(f"{scheme}:{prefix.rstrip('/')}/", header) for scheme in ("https", "http")]


def _npm_settings(environ: Mapping[str, str]) -> dict[str, str]:
    variables = {name.lower(): value for name, value in environ.items() if name.lower().startswith("npm_config_")}
    prefix = variables.get("npm_config_prefix") or environ.get("PREFIX") or "/usr/local"
    files = [
        SYSTEM / "npmrc",
        Path(variables.get("npm_config_globalconfig") or Path(prefix) / "etc" / "npmrc"),
        Path(variables.get("npm_config_userconfig") or Path(environ.get("HOME", "/")) / ".npmrc"),
    ]
    settings: dict[str, str] = {}
    for path in files:
        with suppress(OSError, UnicodeDecodeError):
            settings |= _npmrc(path.read_text(encoding="utf-8"), environ)
    for name, value in variables.items():
        settings[name.removeprefix("npm_config_").replace("_", "-")] = value
    return settings


def _npmrc(text: str, environ: Mapping[str, str]) -> dict[str, str]:
    def expand(match: re.Match[str]) -> str:
        return environ.get(match[1], "" if match[2] else match[0])

    settings: dict[str, str] = {}
    for line in text.splitlines():
        key, mark, value = line.strip().partition("=")
        if mark and not key.startswith((";", "#")):
            settings[key.strip()] = _VARIABLE.sub(expand, value.strip().strip("\"'"))
    return settings


def _apt(found: _Found) -> dict[str, str]:
    """Return where the public archives, and this host's own mirrors of them, are fetched from."""
    listed = _output("apt-get", "indextargets", "--format", "$(REPO_URI)").split()
    known = [line for line in dict.fromkeys(listed) if urlsplit(line).path.rstrip("/").rpartition("/")[2] in _ARCHIVES]
    mirrors = [url for line in known if (url := found.url(line, "apt's sources"))]
    archives: dict[str, str] = {}
    for public in PUBLIC_APT:
        same_host = (url for url in mirrors if _without_scheme(url) == _without_scheme(public))
        same_archive = (url for url in mirrors if url.rpartition("/")[2] == public.rpartition("/")[2])
        archives[public] = next(same_host, None) or next(same_archive, None) or public
    return {**{f"http:{_without_scheme(url)}": url for url in mirrors}, **archives}


def _without_scheme(url: str) -> str:
    return url.partition(":")[2]


def _output(*command: str) -> str:
    """Return what a command says; nothing when it is not there or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=APT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
