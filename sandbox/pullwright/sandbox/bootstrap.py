"""How the runner gets into a container: a few lines of Python on the command line, and its modules down the stream."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from anyio import to_thread

RUNNER_MODULES = (
    "reactor",
    "wire",
    "capture",
    "processes",
    "shell",
    "files",
    "services",
    "commands",
    "channels",
    "main",
)
"""The modules of ``runner``, each after those that it imports."""

_PACKAGE = "pullwright.sandbox.runner"

# A module that is in sys.modules is imported without a look at its parents, so no package has to be made up.
_BOOTSTRAP = """import gc,os,sys
gc.disable()
def r(n):
 b=b''
 while len(b)<n:
  c=os.read(0,n-len(b))
  if not c:raise SystemExit(1)
  b+=c
 return b
def t():return r(int.from_bytes(r(4),'big')).decode()
while 1:
 n=t()
 if not n:break
 m=sys.modules[n]=type(sys)(n)
 exec(compile(t(),n,'exec'),m.__dict__)
gc.enable()
m.main()"""

RUNNER_ARGV = ("python3", "-I", "-S", "-X", "utf8", "-c", _BOOTSTRAP)
"""The command whose standard input and output the client speaks to."""


async def runner_source() -> bytes:
    """Return what the command of ``RUNNER_ARGV`` waits for: each module's name and source, then nothing."""
    return await to_thread.run_sync(_source)


@cache
def _source() -> bytes:
    folder = Path(__file__).parent / "runner"
    parts: list[bytes] = []
    for name in RUNNER_MODULES:
        parts += [f"{_PACKAGE}.{name}".encode(), (folder / f"{name}.py").read_bytes()]
    return b"".join(len(part).to_bytes(4, "big") + part for part in [*parts, b""])
