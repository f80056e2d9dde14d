"""Git over HTTP: ``git http-backend`` behind the rehearsal's tokens, with protected default branches."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pullwright.integrations.testing.access import TokenRights, token_of
from pullwright.integrations.testing.bare_repository import BareRepository, git_environment
from pullwright.integrations.testing.forge_state import ForgeState, Repository
from pullwright.integrations.testing.web_server import Request, Response

_SERVICES = re.compile(
    r"^/(?P<owner>[\w.-]+)/(?P<name>[\w.-]+?)(?:\.git)?/(?P<service>info/refs|git-upload-pack|git-receive-pack)$"
)
_BLOCK = 65_536
_LENGTH = re.compile(rb"[0-9a-f]{4}")
_COMMAND = re.compile(rb"(?P<before>[0-9a-f]{40}) (?P<after>[0-9a-f]{40}) (?P<ref>refs/[^\0\n]+)")

PushListener = Callable[[Repository, TokenRights, str, str, str], None]
"""Called after a push with the repository, who pushed, the reference, and its commit before and after."""

_UPDATE_HOOK = """\
#!/bin/sh
if [ "$PULLWRIGHT_REHEARSAL_WORKFLOWS" = no ]; then
    changed=$(git log -m --format= --name-only "$3" --not --branches -- .github/workflows 2>/dev/null | head -n 1)
    if [ -n "$changed" ]; then
        echo "error: refusing to allow a GitHub App to create or update workflow \\`$changed\\`" \\
            "without \\`workflows\\` permission" >&2
        exit 1
    fi
fi
case "$1" in
"refs/heads/{branch}")
    if [ "$PULLWRIGHT_REHEARSAL_ADMIN" != yes ]; then
        echo "error: GH006: Protected branch update failed for $1." >&2
        echo "error: Changes must be made through a pull request." >&2
        exit 1
    fi ;;
esac
"""


def protect(repository: BareRepository, branch: str) -> None:
    """Let only administrators push to a branch."""
    hook = repository.path / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(_UPDATE_HOOK.format(branch=branch))
    hook.chmod(0o755)


@dataclass(frozen=True, slots=True)
class _Call:
    repository: Repository
    rights: TokenRights | None
    write: bool
    service: str


class GitServer:
    """Answers the three addresses of git's smart protocol."""

    def __init__(self, state: ForgeState, root: Path, listener: PushListener) -> None:
        self._state = state
        self._root = root
        self._listener = listener

    def handles(self, request: Request) -> bool:
        """Whether this is an address of git's protocol."""
        return _SERVICES.match(request.path) is not None

    def respond(self, request: Request) -> Response:
        """Check the token and hand the request to git."""
        found = _SERVICES.match(request.path)
        if found is None:
            return _text(404, "Not Found")
        token = token_of(request.headers)
        rights = self._state.rights(token)
        if token is not None and rights is None:
            return _unauthorized("Invalid username or token. Password authentication is not supported.")
        repository = self._state.find(found["owner"], found["name"])
        write = "receive-pack" in (found["service"] + request.query_string)
        refusal = _refusal(repository, rights, write)
        if refusal is not None or repository is None:
            return refusal or _text(404, "Not Found")
        if repository.name.lower() != found["name"].lower():
            return self._moved(repository, found["service"], request)
        return self._backend(_Call(repository, rights, write, found["service"]), request)

    def _moved(self, repository: Repository, service: str, request: Request) -> Response:
        query = f"?{request.query_string}" if request.query_string else ""
        return Response(status=301, headers={"Location": f"/{repository.slug}.git/{service}{query}"})

    def _backend(self, call: _Call, request: Request) -> Response:
        environment = git_environment(self._root) | {
            "GIT_PROJECT_ROOT": str(call.repository.bare.path),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": f"/{call.service}",
            "QUERY_STRING": request.query_string,
            "REQUEST_METHOD": request.method,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(request.body.seek(0, 2)),
            "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        if call.rights is not None:
            environment["REMOTE_USER"] = call.rights.user
            workflows = call.rights.app_id is None or call.rights.may("workflows", "write")
            environment["PULLWRIGHT_REHEARSAL_WORKFLOWS"] = "yes" if workflows else "no"
            environment["PULLWRIGHT_REHEARSAL_ADMIN"] = "yes" if call.rights.admin else "no"
        request.body.seek(0)
        process = subprocess.Popen(
            ["git", "http-backend"], stdin=request.body.fileno(), stdout=subprocess.PIPE, env=environment
        )
        return _cgi_response(process, lambda: self._tell(call, request))

    def _tell(self, call: _Call, request: Request) -> None:
        """Tell of every reference that the push has really moved, before the client hears that it is over."""
        if call.service != "git-receive-pack" or call.rights is None:
            return
        tips = {f"refs/heads/{name}": sha for name, sha in call.repository.bare.branches().items()}
        for before, after, ref in push_commands(request.content()):
            if tips.get(ref, "0" * 40) == after and before != after:
                self._listener(call.repository, call.rights, ref, before, after)


def push_commands(body: bytes) -> Sequence[tuple[str, str, str]]:
    """Return what a push asks for: commit before, commit after and reference of each command."""
    found: list[tuple[str, str, str]] = []
    position = 0
    while (length := _LENGTH.fullmatch(body[position : position + 4])) and (size := int(length[0], 16)) > 4:
        command = _COMMAND.match(body[position + 4 : position + size])
        if command is not None:
            before, after, ref = (part.decode("utf-8", "replace") for part in command.groups())
            found.append((before, after, ref))
        position += size
    return found


def _cgi_response(process: subprocess.Popen[bytes], ended: Callable[[], None]) -> Response:
    if process.stdout is None:
        return _text(500, "git printed nothing")
    status, headers = 200, {}
    while line := process.stdout.readline().decode("latin-1").strip():
        name, _, value = line.partition(":")
        if name.lower() == "status":
            status = int(value.split()[0])
        else:
            headers[name] = value.strip()
    return Response(status=status, headers=headers, body=_blocks(process, process.stdout, ended))


def _blocks(process: subprocess.Popen[bytes], stdout: IO[bytes], ended: Callable[[], None]) -> Iterator[bytes]:
    try:
        while block := stdout.read(_BLOCK):
            yield block
    finally:
        stdout.close()
        process.wait()
        ended()


def _refusal(repository: Repository | None, rights: TokenRights | None, write: bool) -> Response | None:
    public = repository is not None and not repository.private
    if rights is None:
        # An unknown and a private repository look the same to a stranger.
        return None if public and not write else _unauthorized("Authentication required.")
    if repository is None or not (public or rights.sees(repository.slug)):
        return _text(404, "Repository not found.")
    if not public and not rights.may("contents", "read"):
        return _text(403, "Write access to repository not granted.")
    if write and not (rights.sees(repository.slug) and rights.may("contents", "write")):
        return _text(403, f"Permission to {repository.slug}.git denied to {rights.user}.")
    return None


def _unauthorized(text: str) -> Response:
    return _text(401, text, {"WWW-Authenticate": 'Basic realm="GitHub"'})


def _text(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return Response(status=status, headers={"Content-Type": "text/plain", **(headers or {})}, body=f"{text}\n".encode())
