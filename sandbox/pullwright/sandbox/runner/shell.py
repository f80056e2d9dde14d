"""What every command and service starts from: the same environment each time, and a shell."""

# ruff: noqa: PTH101, PTH112, PTH118 - must run on Python 3.8, and pathlib is slow to import
from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Mapping
from contextlib import suppress

CWD_FD, SCRIPT_FD = 1001, 1000
"""Far above every descriptor of the runner's own."""
RESET = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGINT)
YIELD = "{ echo 500 >/proc/self/oom_score_adj; } 2>/dev/null; "
"""When memory runs out the kernel should take the command, not the runner."""
LONG_SCRIPT = 100_000
ENVIRONMENT = "TERM=dumb CI=1 PAGER=cat GIT_PAGER=cat EDITOR=true GIT_EDITOR=true GIT_TERMINAL_PROMPT=0"
SKELETON = "/opt/pullwright/home"
"""Folder of the image whose content every home starts with."""


class Shell:
    """The environment of all commands, and the folder that the last one ended in."""

    def __init__(self, workspace: str, home: str, variables: Mapping[str, str]) -> None:
        self.workspace = self.cwd = workspace
        path = os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin")
        found = [folder + "/bash" for folder in path.split(":") if os.access(folder + "/bash", os.X_OK)]
        self.argv = [found[0], "--noprofile", "--norc"] if found else ["/bin/sh"]
        fixed = dict(pair.split("=") for pair in ENVIRONMENT.split())
        self.env = {"LANG": "C.UTF-8", **os.environ, **fixed, "PATH": path, "HOME": home, **variables}

    def follow(self, reported: bytes, started: str) -> None:
        """Go where the last command ended; one that was killed could not say, and counts as not having moved."""
        self.cwd = self.usable(os.fsdecode(reported[:-1]) if reported.endswith(b"\n") else started)

    def usable(self, path: str) -> str:
        return path if path.startswith("/") and os.path.isdir(path) and os.access(path, os.X_OK) else self.workspace

    def folder(self, asked: object) -> str:
        """Return the folder that was asked for, or the one that the last command ended in."""
        return os.path.join(self.workspace, str(asked)) if asked else self.usable(self.cwd)

    def spawn(self, command: str, cwd: str, writers: Mapping[int, int], more: Mapping[str, str]) -> int:
        """Start a shell on a command line in a session of its own and return its pid.

        Args:
            command: The command line.
            cwd: Where it starts.
            writers: The ends of pipes that it gets, by the number that they have there.
            more: What its environment has besides the usual.
        """
        script = (YIELD + command).encode("utf-8", "surrogatepass")
        argv = [*self.argv, "-c", script.decode("utf-8", "surrogateescape")]
        stdin = source = os.open(os.devnull, os.O_RDONLY)
        if len(script) > LONG_SCRIPT:
            source = os.memfd_create("script")
            os.write(source, script)
            argv = [*self.argv, "/proc/self/fd/" + str(SCRIPT_FD)]
        fds = {0: stdin, **writers, SCRIPT_FD: source}
        try:
            os.chdir(cwd)
            # Not fork: a spawned child borrows our memory until it is the shell, which saves a copy of our page tables
            # and leaves nothing of ours that the agent's other processes could look into.
            return os.posix_spawn(
                argv[0],
                argv,
                {**self.env, **more},
                file_actions=[(os.POSIX_SPAWN_DUP2, fd, target) for target, fd in fds.items()],
                setsid=True,
                setsigdef=RESET,
            )
        finally:
            os.chdir("/")
            close({stdin, source})


def close(fds: Iterable[int]) -> None:
    """Close file descriptors."""
    for fd in fds:
        os.close(fd)


def furnish(home: str) -> list[str]:
    """Copy the image's skeleton into the home, and return what could not be copied."""
    if not os.path.isdir(SKELETON):
        return []
    import shutil  # slow to import, and rarely needed

    mode = os.stat(home).st_mode & 0o7777  # noqa: PTH116
    try:
        shutil.copytree(SKELETON, home, symlinks=True, dirs_exist_ok=True)
    except shutil.Error as exc:
        return [f"{target}: {reason}" for _, target, reason in exc.args[0]]
    except OSError as exc:
        return [str(exc)]
    finally:
        with suppress(OSError):
            os.chmod(home, mode)
    return []
