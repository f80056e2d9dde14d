"""A repository of every shape that has hurt somebody, and the edits an agent could make to it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.integration.sandbox.repositories import ENVIRONMENT, commit_all, git, make_checkout

NAMES = [
    b"with space",
    b'quo"te',
    b"new\nline",
    b"tab\there",
    b"\xff\xfe not utf-8",
    b"-dash",
    b"*",
    b":(top)",
    "ümläut".encode(),
]

FILES: dict[str, bytes] = {
    ".gitattributes": (
        b"*.txt text=auto\n*.bat text eol=crlf\n*.id ident\n*.lfs filter=lfs -text\n"
        b"*.u16 working-tree-encoding=UTF-16\n"
    ),
    ".gitignore": b"ignored/\n*.log\n",
    "crlf.txt": b"one\r\ntwo\r\nthree\r\n",
    "mixed.txt": b"one\r\ntwo\nthree\r\n",
    "run.bat": b"@echo off\r\necho hi\r\n",
    "version.id": b"$Id$\n",
    "model.lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 1\n",
    "wide.u16": b"plain bytes\n",
    "blob.bin": bytes(range(256)) * 40,
    "empty": b"",
    "no-newline": b"last line",
    "deep/er/and/deeper/file": b"x\n",
    "tool.sh": b"#!/bin/sh\nexit 0\n",
    "tracked.log": b"tracked although ignored\n",
}

EDITS = r"""
set -eu
printf 'four\r\n' >> crlf.txt
printf 'four\n' >> mixed.txt
printf 'echo more\r\n' >> run.bat
printf 'a$Id$b\n' > version.id
printf '\0\1\2new' > blob.bin
printf 'not empty' > empty
printf '\n' >> no-newline
chmod -x tool.sh
chmod +x deep/er/and/deeper/file
echo more >> tracked.log
mkdir ignored new && echo 1 > ignored/x && printf '\0\377' > new/binary
rm -- -dash '*'
echo changed > 'with space'
echo changed > 'quo"te'
printf changed > "$(printf 'new\nline')"
printf changed > "$(printf '\377\376 not utf-8')"
printf new > "$(printf '\376 new')"
rm inside && ln -s blob.bin inside && ln -s ../empty new/link
rm run-link && printf 'now a file' > run-link
rm -r folder && printf 'now a file' > folder
"""


def make_hostile(folder: Path) -> str:
    make_checkout(folder, {})
    with_attributes = {name: content for name, content in FILES.items() if name != ".gitattributes"}
    make_checkout(folder, with_attributes)
    for name in NAMES:
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(b"named\n")
    (folder / "tool.sh").chmod(0o755)
    (folder / "folder").mkdir()
    (folder / "folder" / "file").write_text("x\n")
    (folder / "inside").symlink_to("empty")
    (folder / "run-link").symlink_to("tool.sh")
    (folder / "outside").symlink_to("/etc/passwd")
    git(folder, "add", "-f", "tracked.log")
    # Attributes come last, with what they would normalize already committed as it is.
    commit_all(folder)
    attributes = git(folder, "hash-object", "-w", "--stdin", stdin=FILES[".gitattributes"])
    modules = b'[submodule "lib"]\n\tpath = lib\n\turl = https://example.com/lib.git\n'
    listing = git(folder, "hash-object", "-w", "--stdin", stdin=modules)
    added = (("100644", attributes, ".gitattributes"), ("100644", listing, ".gitmodules"), ("160000", "1" * 40, "lib"))
    for kind, blob, path in added:
        git(folder, "update-index", "--add", "--cacheinfo", f"{kind},{blob},{path}")
    git(folder, "commit", "--quiet", "-m", "attributes and a submodule")
    return git(folder, "rev-parse", "HEAD")


def blobs(repository: Path, commit: str) -> dict[bytes, tuple[bytes, bytes]]:
    """Return mode and blob id by path."""
    listed = subprocess.run(
        ["git", "ls-tree", "-r", "-z", commit], cwd=repository, env=ENVIRONMENT, capture_output=True, check=True
    )
    found: dict[bytes, tuple[bytes, bytes]] = {}
    for entry in listed.stdout.split(b"\0"):
        head, _, path = entry.partition(b"\t")
        if path:
            mode, _, sha = head.split(b" ")
            found[path] = (mode, sha)
    return found
