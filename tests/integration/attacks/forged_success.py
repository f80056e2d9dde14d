"""Checks that pass for an agent, each because of something that is no part of its change."""

from __future__ import annotations

from collections.abc import Mapping

FORGERIES: Mapping[str, tuple[str, str]] = {
    "an-ignored-file": ("echo yes > answer.local", "grep -q yes answer.local"),
    "a-file-in-the-git-folder": ("echo yes > .git/answer", "grep -q yes .git/answer"),
    "a-git-configuration": ("git config test.answer yes", "git config test.answer"),
    "a-tool-in-its-home": (
        "mkdir -p ~/.local/bin; printf '#!/bin/sh\\n' > ~/.local/bin/checker; chmod +x ~/.local/bin/checker",
        "~/.local/bin/checker",
    ),
    "a-package-in-its-home": (
        "d=$(python3 -m site --user-site); mkdir -p $d; echo > $d/answers.py",
        "python3 -c 'import answers'",
    ),
    "a-file-in-tmp": ("touch /tmp/answer", "test -e /tmp/answer"),
    "poisoned-bytecode": (
        "cp mod.py /tmp/mod.py; echo 'def passes(): return True' > mod.py; "
        "python3 -m compileall -q --invalidation-mode unchecked-hash mod.py; cp /tmp/mod.py mod.py",
        "python3 -c 'import mod; assert mod.passes()'",
    ),
    "a-package-in-node-modules": (
        "mkdir -p node_modules/.bin; printf '#!/bin/sh\\n' > node_modules/.bin/jest; chmod +x node_modules/.bin/jest",
        "node_modules/.bin/jest",
    ),
    "a-virtual-environment": (
        "mkdir -p .venv/bin; printf '#!/bin/sh\\n' > .venv/bin/pytest; chmod +x .venv/bin/pytest",
        ".venv/bin/pytest",
    ),
    "a-running-service": (
        "true",
        "python3 -c \"import socket; socket.create_connection(('127.0.0.1', 8799), 3)\"",
    ),
}
"""What the agent does, and the check that this makes pass."""

SERVICE = "exec python3 -m http.server 8799 --bind 127.0.0.1"
