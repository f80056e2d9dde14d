"""From one run to another: at the same time, or by what is left for the next."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pullwright.agents.errors import SandboxGone
from pullwright.agents.ports.sandbox import Base, Sandbox
from pullwright.sandbox.docker_provider import DockerProvider
from tests.integration.attacks.inside import said

pytestmark = [pytest.mark.anyio, pytest.mark.docker]

SERVER = """
import socket, threading
def serve(family, address):
    server = socket.socket(family)
    server.bind(address)
    server.listen()
    while True:
        server.accept()[0].sendall(b'neighbour-7d1')
for family, address in ((socket.AF_UNIX, chr(0) + 'neighbour'), (socket.AF_INET, ('0.0.0.0', 8123))):
    threading.Thread(target=serve, args=(family, address)).start()
print('up', flush=True)
"""
CONNECT = "s = socket.socket({family}); s.connect({address}); print(s.recv(20))"
REACHES = {
    "its network service": CONNECT.format(family="socket.AF_INET", address="('127.0.0.1', 8123)"),
    "its abstract socket": CONNECT.format(family="socket.AF_UNIX", address="chr(0) + 'neighbour'"),
    "its shared memory": "print(open('/dev/shm/neighbour').read())",
    "its scratch folder": "print(open('/tmp/neighbour').read())",
    "its home": "import os; print(open(os.path.expanduser('~/neighbour')).read())",
    "its files": "print(open('/workspace/neighbour').read())",
    "its processes": "import glob; print([open(p, 'rb').read() for p in glob.glob('/proc/[0-9]*/cmdline')])",
}

STATE = r"""find . \( -type f -exec sha1sum {} + \) , -printf '%p %y %m %U %n %l\n' | sort | sha1sum"""
"""Every path, mode, owner, link count and content, as one line."""

SET = "python3 -c \"import os; os.setxattr('src', '{}', b'y')\""
MAPPED = "import mmap; f = open('src/app.py', 'r+b'); m = mmap.mmap(f.fileno(), 0); m[:4] = b'evil'"
OPAQUE, USER = SET.format("trusted.overlay.opaque"), SET.format("user.overlay.opaque")
POISONS = {
    "overwriting files": "echo evil > src/app.py; truncate -s 0 tool.sh",
    "writing through a hard link": "ln tool.sh linked && echo evil >> linked && ln .git/config .git/linked",
    "renaming over files": "echo evil > x && mv x src/app.py && mv README.md tool.sh",
    "renaming folders": "mv src moved; mv .git/objects .git/gone; mkdir src; echo evil > src/app.py",
    "deleting everything": "rm -rf -- * .git",
    "forging whiteouts": f"mknod src/app.py c 0 0; touch .wh.README.md .wh..wh..opq; {OPAQUE}",
    "changing modes": "chmod -R 777 . ; chmod 4755 tool.sh; chmod 000 src",
    "changing attributes": f"touch -d 2001-01-01 README.md; chgrp 10001 src; {USER}; touch x",
    "changing git's objects": "chmod -R u+w .git; for f in $(find .git/objects -type f); do echo evil > $f; done",
    "planting hooks": "mkdir -p .git/hooks; echo evil > .git/hooks/post-checkout; git config core.fsmonitor evil",
    "writing through a mapping": f'python3 -c "{MAPPED}"',
    "swapping a folder for a link to the base": "rm -rf src; ln -s /pristine/src src; echo evil > src/app.py",
}


@pytest.fixture(scope="module")
async def neighbour(provider: DockerProvider, base: Base) -> AsyncIterator[Sandbox]:
    """Another run on the same base, with a service and files of its own."""
    places = "/dev/shm/neighbour /tmp/neighbour ~/neighbour /workspace/neighbour"
    async with provider.open(base, task_id="neighbour") as workspace, workspace.open_sandbox() as opened:
        await said(opened, f"for f in {places}; do echo neighbour-7d1 > $f; done")
        await opened.write_file("/tmp/server.py", SERVER.encode())
        await opened.start_service("server", "exec python3 /tmp/server.py neighbour-7d1")
        while not (await opened.read_service("server")).log.text:
            continue
        yield opened


@pytest.fixture(scope="module")
async def clean(shared: Sandbox) -> str:
    return await said(shared, STATE)


@pytest.mark.parametrize("what", REACHES)
async def test_a_neighbour_can_not_see(shared: Sandbox, neighbour: Sandbox, what: str) -> None:
    """Sandboxes on one bridge, or with one /tmp, that read each other's work."""
    for sandbox, expected in ((neighbour, True), (shared, False)):
        await sandbox.write_file("/tmp/reach.py", f"import socket\n{REACHES[what]}\n".encode())
        assert ("neighbour-7d1" in await said(sandbox, "python3 /tmp/reach.py")) is expected


async def test_a_neighbour_can_not_be_signalled(provider: DockerProvider, base: Base, neighbour: Sandbox) -> None:
    """A shared process namespace, or a user id that is shared with it."""
    async with provider.open(base, task_id="killer") as workspace, workspace.open_sandbox() as sandbox:
        with pytest.raises(SandboxGone):
            await sandbox.exec("for pid in $(seq 2 40000); do [ $pid = $$ ] || kill -9 $pid; done", timeout=60)
    assert (await neighbour.read_service("server")).running


@pytest.mark.parametrize("attack", POISONS)
async def test_the_next_run_has_the_clean_base_after(
    provider: DockerProvider, base: Base, clean: str, attack: str
) -> None:
    """Caches and shared clones that one hostile run leaves poisoned for every later one."""
    async with provider.open(base, task_id="poisoner") as workspace, workspace.open_sandbox() as sandbox:
        await sandbox.exec(POISONS[attack], timeout=20)
        assert await said(sandbox, STATE) != clean, "the attack did nothing even to its own files"
    async with provider.open(base, task_id="next") as workspace, workspace.open_sandbox() as sandbox:
        assert await said(sandbox, STATE) == clean
        assert await said(sandbox, "git status --porcelain --ignored; git fsck 2>&1") == ""
