"""Fetches what hangs on a ticket: pictures and texts. What a file is is told by its bytes, whatever its name says."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin, urlsplit

import requests

from pullwright.agents.message import Image
from pullwright.integrations.jira.client import Session
from pullwright.integrations.jira.payloads import AttachmentPart
from pullwright.integrations.jira.text_files import is_text, text_of
from pullwright.integrations.pictures import UnusablePicture, prepare
from pullwright.integrations.untrusted import sanitise_line

_REDIRECTS: Final = 3
_BLOCK: Final = 65_536
_PICTURES: Final = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF")
_LOOKED_AT: Final = 30
"""Attachments of which the first bytes are read."""


@dataclass(slots=True)
class Attached:
    """What of the attachments goes to the model."""

    images: list[Image] = field(default_factory=list)
    files: list[tuple[str, str]] = field(default_factory=list)
    """Names, on one line and without folders, and texts."""
    notes: list[str] = field(default_factory=list)
    """What was left out, and why."""


class _Skipped(Exception):
    """A file that is left out, and why."""


class _OtherKind(_Skipped):
    """A file that a model can not read."""


def fetch(session: Session, attachments: Sequence[AttachmentPart]) -> Attached:
    """Return pictures and texts, and a note for each attachment that is neither or could not be had. Blocks."""
    deadline = time.monotonic() + session.tuning.attachment_seconds
    found = Attached()
    for attachment in attachments[:_LOOKED_AT]:
        name = base_name(attachment.filename)
        try:
            _add(found, name, _download(session, attachment, deadline), session)
        except _OtherKind:
            kind = sanitise_line(attachment.kind, 100) or "of no kind"
            found.notes.append(f"attachment {name!r} ({kind}, {attachment.size} bytes) is neither picture nor text")
        except (_Skipped, UnusablePicture) as exc:
            found.notes.append(f"attachment {name!r} was left out: {exc}")
        except requests.RequestException:
            found.notes.append(f"attachment {name!r} was left out: it could not be fetched")
    if len(attachments) > _LOOKED_AT:
        found.notes.append(f"{len(attachments) - _LOOKED_AT} more attachments were left out")
    return found


def base_name(name: str) -> str:
    """Return the name of a file as one line that names no folder."""
    last = sanitise_line(name.replace("\\", "/").rpartition("/")[2], 100)
    return last if last.strip(".") else "file"


def _add(found: Attached, name: str, content: bytes, session: Session) -> None:
    tuning = session.tuning
    if content.startswith(_PICTURES):
        if len(found.images) == tuning.images:
            raise _Skipped(f"there are more than {tuning.images} pictures")
        found.images.append(prepare(content, name))
        return
    room = tuning.text_total - sum(len(text) for _, text in found.files)
    if room <= 0:
        raise _Skipped("the other files take all the room there is")
    text, left_out = text_of(content, min(room, tuning.text_each))
    found.files.append((name, text))
    if left_out:
        found.notes.append(f"{left_out} characters in the middle of attachment {name!r}")


def _download(session: Session, attachment: AttachmentPart, deadline: float) -> bytes:
    address = _address(session, attachment)
    home = session.api.server_url
    with requests.Session() as plain:
        for _ in range(_REDIRECTS + 1):
            if time.monotonic() > deadline:
                raise _Skipped("the time for attachments was used up")
            with _asked(session, plain, address) as answer:
                if not answer.is_redirect:
                    return _content(session, answer, deadline)
                address = urljoin(address, answer.headers.get("Location", ""))
            if not _allowed(address, home, session.tuning.media_hosts):
                raise _Skipped("it leads to another host")
    raise _Skipped("it redirects too often")


@contextmanager
def _asked(session: Session, plain: requests.Session, address: str) -> Iterator[requests.Response]:
    # Jira sends elsewhere for the bytes, to an address that is signed: the token stays at home.
    auth = session.api._session.auth if _is_same_origin(address, session.api.server_url) else _no_credentials
    verify = str(session.settings.ca_file) if session.settings.ca_file else True
    with closing(
        plain.get(address, auth=auth, timeout=session.tuning.timeout, verify=verify, stream=True, allow_redirects=False)
    ) as answer:
        yield answer


def _address(session: Session, attachment: AttachmentPart) -> str:
    if session.settings.is_cloud:
        return f"{session.api.server_url}/rest/api/3/attachment/content/{attachment.id}"
    if not _is_same_origin(attachment.content, session.api.server_url):
        raise _Skipped("it is on another host")
    return attachment.content


def _is_same_origin(address: str, home: str) -> bool:
    """Whether an address may see the token; one that is not encrypted never does because another one is."""
    there, here = urlsplit(address), urlsplit(home)
    return (there.scheme, there.netloc.lower()) == (here.scheme, here.netloc.lower())


def _allowed(address: str, home: str, hosts: Sequence[str]) -> bool:
    parts = urlsplit(address)
    if "@" in parts.netloc or "\\" in address:
        return False
    named = parts.netloc.lower()
    ours = any(named.endswith(host) if host.startswith(".") else named == host for host in hosts)
    return _is_same_origin(address, home) or (parts.scheme == "https" and ours)


def _content(session: Session, answer: requests.Response, deadline: float) -> bytes:
    if answer.status_code != 200:
        raise _Skipped(f"the answer was {answer.status_code}")
    content = bytearray()
    # read1 returns what has arrived, so that a slow sender can not stretch the time limit block by block.
    while block := answer.raw.read1(_BLOCK, decode_content=True):
        if len(content) < _BLOCK:
            _check_kind(bytes(content) + block)
        content += block
        if len(content) > session.tuning.attachment_bytes:
            raise _Skipped(f"it has more than {session.tuning.attachment_bytes} bytes")
        if time.monotonic() > deadline:
            raise _Skipped("the time for attachments was used up")
    return bytes(content)


def _check_kind(head: bytes) -> None:
    # The rest of what nobody can read is not fetched.
    if len(head) >= 4 and not head.startswith(_PICTURES) and not is_text(head):
        raise _OtherKind


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
