"""The environment that every git process of ours on the host runs in: our settings, and nobody else's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

PASSED_ON = ("PATH", "TMPDIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE",
             "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")  # fmt: skip
"""What an operator sets for the whole machine: where programs are, whom to trust, how to get out."""

SETTINGS: Mapping[str, str] = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.protectNTFS": "true",
    "core.protectHFS": "true",
    "core.autocrlf": "false",
    "core.quotePath": "true",
    "credential.helper": "",
    "http.followRedirects": "initial",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "60",
    "protocol.allow": "never",
    "safe.bareRepository": "explicit",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "transfer.fsckObjects": "true",
    # Faults that git itself once wrote into ordinary old repositories; refusing them would make those unusable.
    **{
        f"{section}.fsck.{fault}": "ignore"
        for section in ("fetch", "receive")
        for fault in ("badTimezone", "missingSpaceBeforeDate", "zeroPaddedFilemode", "missingEmail", "badEmail")
    },
}


def git_environment(
    *,
    git_dir: Path | None,
    protocols: tuple[str, ...] = (),
    index: Path | None = None,
    more: Mapping[str, str] | None = None,
    more_settings: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the whole environment of a git process.

    Args:
        git_dir: The bare repository to work in, if any.
        protocols: What git may speak: ``https``, ``http``, ``file``.
        index: The index file to use, for commands that need one.
        more: Further variables.
        more_settings: Further settings; they are in the environment only, not in the list of processes.
    """
    allowed = {f"protocol.{name}.allow": "always" for name in protocols}
    settings = {**SETTINGS, **allowed, **(more_settings or {})}
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    # git's TLS library knows only git's own variable.
    authorities = environment.get("SSL_CERT_FILE") or environment.get("CURL_CA_BUNDLE")
    if authorities:
        environment.setdefault("GIT_SSL_CAINFO", authorities)
    environment.update(
        LC_ALL="C",
        LANGUAGE="C",
        HOME="/nonexistent",
        XDG_CONFIG_HOME="/nonexistent",
        GIT_CONFIG_NOSYSTEM="1",
        GIT_CONFIG_GLOBAL=os.devnull,
        GIT_ATTR_NOSYSTEM="1",
        GIT_NO_REPLACE_OBJECTS="1",
        GIT_TERMINAL_PROMPT="0",
        GIT_ALLOW_PROTOCOL=":".join(protocols) or "none",
        GIT_PROTOCOL_FROM_USER="0",
        GIT_LFS_SKIP_SMUDGE="1",
        GIT_OPTIONAL_LOCKS="0",
        GIT_EDITOR="false",
        GIT_SSH_COMMAND="false",
        GIT_CONFIG_COUNT=str(len(settings)),
    )
    for number, (key, value) in enumerate(settings.items()):
        environment[f"GIT_CONFIG_KEY_{number}"] = key
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    if git_dir is not None:
        environment["GIT_DIR"] = str(git_dir)
    if index is not None:
        environment["GIT_INDEX_FILE"] = str(index)
    return {**environment, **(more or {})}
