"""What an agent can do to the folder that checkpoints are made in, and to the patches that come from there."""

from __future__ import annotations

from collections.abc import Mapping

KEPT = "/tmp/.pullwright-checkpoint"

LIES: Mapping[str, str] = {
    "by-removing-its-folder": f"rm -rf {KEPT}",
    "by-a-file-in-its-place": f"rm -rf {KEPT}; echo x > {KEPT}",
    "by-a-link-to-a-device": "rm -f patch; ln -s /dev/null patch",
    "by-a-link-to-another-file": "rm -f patch; ln -s /workspace/mod.py patch",
    "by-a-patch-that-can-not-be-written": "rm -f patch; mkdir patch",
    "by-saying-that-nothing-changed": "touch -d 2099-01-01 stamp",
    "by-trapping-its-git-folder": 'cd git; git config core.fsmonitor "$MARK"; git config filter.t.clean "$MARK; cat"; '
    "echo '* filter=t' > info/attributes; mkdir -p hooks; printf '#!/bin/sh\\n%s\\n' \"$MARK\" "
    "> hooks/post-index-change; "
    "chmod +x hooks/post-index-change",
    "by-a-broken-configuration": "echo '[core' > git/config",
    "by-another-base": "echo /nowhere > git/objects/info/alternates; rm -f git/index",
    "by-an-index-with-foreign-paths": "GIT_DIR=$PWD/git git update-index --add --cacheinfo 120000,"
    "$(printf /etc/passwd | GIT_DIR=$PWD/git git hash-object -w --stdin),link",
}


def _new(path: str, mode: str = "100644") -> bytes:
    return (
        f"diff --git a/{path} b/{path}\nnew file mode {mode}\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n".encode()
    )


_LINK = _new("l", "120000").replace(b"+x\n", b"+/etc\n\\ No newline at end of file\n")

HOSTILE_PATCHES: Mapping[str, bytes] = {
    "that-climbs-out": _new("../../../owned/written"),
    "to-an-absolute-path": _new("/tmp/owned/written"),
    "into-the-git-folder": _new(".git/hooks/post-commit", "100755"),
    "into-the-mirrors-hooks": _new("dir/../.GIT/hooks/post-commit", "100755"),
    "through-its-own-link": _LINK + _new("l/written"),
    "that-is-not-one": b"password: hunter2\n",
    "for-another-base": b"diff --git a/a.txt b/a.txt\n--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-zero\n+one\n",
    "that-is-cut": _new("dir/new")[:-8],
}
