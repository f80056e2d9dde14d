"""Images without Python, made of what is here: the sandbox image's own shell and utilities, or the host's busybox."""

from __future__ import annotations

import io
import re
import secrets
import shutil
import subprocess
import tarfile
from pathlib import Path

import anyio
import docker

from pullwright.sandbox.docker_engine import DockerEngine
from tests.integration.sandbox.containers import plain_spec

TAG = "4"
NEEDED = "sh dash cat cp head mkdir rm tail wc sleep"
USED_HERE = "chmod env grep id ls mkfifo pgrep readlink rmdir seq setsid stat touch tr ln"
PROGRAMS = "|".join(f"{NEEDED} {USED_HERE}".split())
KEPT = re.compile(
    rf"(bin|sbin|lib|lib64|usr/lib64/.*|etc/(passwd|group)|usr/bin/({PROGRAMS})"
    r"|usr/lib/[^/]*-linux-gnu/(ld|lib(c|m|acl|attr|selinux|pcre2|proc2|systemd|cap|gcrypt|gpg|lz|zst|dl|pthread|rt))[^/]*)"
)
PGREP = rb"""#!/bin/sh
# "pgrep -f PATTERN" and "pgrep -fc PATTERN", which this busybox lacks.
found=0
for folder in /proc/[0-9]*; do
    if tr '\0' ' ' < "$folder/cmdline" 2>/dev/null | grep -q -- "$2"; then
        found=$((found + 1))
        [ "$1" = -fc ] || echo "${folder#/proc/}"
    fi
done
[ "$1" != -fc ] || echo $found
[ $found -gt 0 ]
"""
FOLDERS = (("workspace", 10001), ("home/agent", 10001), ("tmp", 0), ("proc", 0), ("dev", 0), ("sys", 0))


async def bare_image(engine: DockerEngine) -> str:
    """Return an image with dash and coreutils."""
    tag = f"pullwright-test-bare:{TAG}"
    spec = await plain_spec(engine)
    if await _exists(engine, tag):
        return tag
    return await engine.call("make a bare image", lambda client: _pared(client, spec.image, tag))


async def busybox_image(engine: DockerEngine) -> str | None:
    """Return an image with nothing but busybox, or None where the host has no static one."""
    program = shutil.which("busybox")
    if program is None or (await anyio.run_process(["ldd", program], check=False)).returncode == 0:
        return None
    tag = f"pullwright-test-busybox:{TAG}"
    if await _exists(engine, tag):
        return tag
    return await engine.call("make an image of busybox", lambda client: _busybox(client, Path(program), tag))


async def _exists(engine: DockerEngine, tag: str) -> bool:
    return bool(await engine.call("find an image", lambda client: client.images(tag, quiet=True)))


def _pared(client: docker.APIClient, image: str, tag: str) -> str:
    name = f"pullwright-test-{secrets.token_hex(6)}"
    client.create_container(image, ["true"], name=name)
    buffer = io.BytesIO()
    try:
        whole = io.BytesIO(b"".join(client.export(name)))
    finally:
        client.remove_container(name, force=True)
    with tarfile.open(fileobj=whole) as source, tarfile.open(fileobj=buffer, mode="w") as target:
        for member in source:
            if KEPT.fullmatch(member.name) and not member.isdir():
                target.addfile(member, source.extractfile(member) if member.isfile() else None)
        _add_folders(target)
    return _imported(client, buffer, tag)


def _busybox(client: docker.APIClient, program: Path, tag: str) -> str:
    listed = subprocess.run([program, "--list"], capture_output=True, check=True, text=True).stdout.split()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as target:
        target.add(program.resolve(), "bin/busybox")
        for applet in listed:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            if applet not in ("busybox", "pgrep"):
                target.addfile(link)
        script = tarfile.TarInfo("bin/pgrep")
        script.size, script.mode = len(PGREP), 0o755
        target.addfile(script, io.BytesIO(PGREP))
        _add_folders(target)
    return _imported(client, buffer, tag)


def _add_folders(target: tarfile.TarFile) -> None:
    for name, owner in FOLDERS:
        folder = tarfile.TarInfo(name)
        folder.type, folder.uid, folder.gid = tarfile.DIRTYPE, owner, owner
        folder.mode = 0o1777 if name == "tmp" else 0o755
        target.addfile(folder)


def _imported(client: docker.APIClient, buffer: io.BytesIO, tag: str) -> str:
    name, _, version = tag.partition(":")
    client.import_image_from_data(buffer.getvalue(), repository=name, tag=version, changes=["ENV PATH=/usr/bin:/bin"])
    return tag
