from __future__ import annotations

from pathlib import Path

from pullwright.sandbox.image import bootstrap_command, debian_sources, recipe_hash


def test_sources_come_from_the_hosts_own_debian_entries() -> None:
    listing = "\n".join(
        [
            "Debian|http://mirror/debian/|bookworm|main",
            "Debian|http://mirror/debian/|bookworm|main",
            "Debian|http://mirror/debian/|bookworm|contrib",
            "Debian|http://mirror/security/|bookworm-security|main",
            "Debian|http://mirror/debian/|trixie|main",
            "Vendor|http://vendor/|bookworm|main",
            "garbage",
        ]
    )
    assert debian_sources(listing) == [
        "deb http://mirror/debian/ bookworm main",
        "deb http://mirror/security/ bookworm-security main",
    ]
    assert debian_sources("Ubuntu|http://archive/|jammy|main") == []


def test_the_bootstrap_installs_what_the_dockerfile_does() -> None:
    command = bootstrap_command(Path("/t/root.tar"), Path("/t/setup.sh"), ["deb http://m b main"])
    include = next(part for part in command if part.startswith("--include="))
    assert {"bash", "git", "python3", "ripgrep", "procps"} <= set(include.removeprefix("--include=").split(","))
    assert not {"openssh-client", "sudo"} & set(include.removeprefix("--include=").split(","))
    assert command[-3:] == ["bookworm", "/t/root.tar", "deb http://m b main"]


def test_the_recipe_has_one_name() -> None:
    assert recipe_hash() == recipe_hash()
    assert len(recipe_hash()) == 16
