"""Fetches the pictures of a ticket. What is a picture is told by its first bytes, whatever its name says."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from typing import Final
from urllib.parse import urljoin, urlsplit

import requests

from pullwright.agents.message import Image
from pullwright.integrations.jira.client import Session
from pullwright.integrations.jira.payloads import AttachmentPart
from pullwright.integrations.pictures import UnusablePicture, prepare
from pullwright.integrations.untrusted import sanitise_line

_REDIRECTS: Final = 3
_BLOCK: Final = 65_536
_HEADS: Final = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF")
_LOOKED_AT: Final = 30
"""Attachments of which the first bytes are read."""


class _Skipped(Exception):
    """A picture that is left out, and why."""


class _NoPicture(Exception):
    """A file of another kind."""


def fetch_pictures(
    session: Session, attachments: Sequence[AttachmentPart]
) -> tuple[tuple[Image, ...], tuple[str, ...]]:
    """Return the pictures that could be had, and a note for each attachment that is not among them. Blocks."""
    tuning = session.tuning
    deadline = time.monotonic() + tuning.image_seconds
    images: list[Image] = []
    notes = []
    for attachment in attachments[:_LOOKED_AT]:
        name = sanitise_line(attachment.filename, 100)
        if len(images) == tuning.images:
            notes.append(f"attachment {name!r} was left out: there are more than {tuning.images} pictures")
            continue
        try:
            images.append(prepare(_download(session, attachment, deadline), name))
        except (_Skipped, UnusablePicture) as exc:
            notes.append(f"picture {name!r} was left out: {exc}")
        except _NoPicture:
            notes.append(f"attachment {name!r} ({attachment.size} bytes) is no picture and was not read")
        except requests.RequestException:
            notes.append(f"attachment {name!r} was left out: it could not be fetched")
    if len(attachments) > _LOOKED_AT:
        notes.append(f"{len(attachments) - _LOOKED_AT} more attachments were left out")
    return tuple(images), tuple(notes)


def _download(session: Session, attachment: AttachmentPart, deadline: float) -> bytes:
    address = _address(session, attachment)
    home = urlsplit(session.api.server_url).netloc
    verify = str(session.settings.ca_file) if session.settings.ca_file else True
    with requests.Session() as plain:
        for _ in range(_REDIRECTS + 1):
            if time.monotonic() > deadline:
                raise _Skipped("the time for pictures was used up")
            # Jira sends elsewhere for the bytes, to an address that is signed: the token stays at home.
            auth = session.api._session.auth if urlsplit(address).netloc == home else _no_credentials
            answer = plain.get(
                address, auth=auth, timeout=session.tuning.timeout, verify=verify, stream=True, allow_redirects=False
            )
            with closing(answer):
                if not answer.is_redirect:
                    return _content(session, answer, deadline)
                address = urljoin(address, answer.headers.get("Location", ""))
            if not _allowed(address, home, session.tuning.media_hosts):
                raise _Skipped("it leads to another host")
    raise _Skipped("it redirects too often")


def _address(session: Session, attachment: AttachmentPart) -> str:
    if session.settings.is_cloud:
        return f"{session.api.server_url}/rest/api/3/attachment/content/{attachment.id}"
    if urlsplit(attachment.content).netloc != urlsplit(session.api.server_url).netloc:
        raise _Skipped("it is on another host")
    return attachment.content


def _allowed(address: str, home: str, hosts: Sequence[str]) -> bool:
    parts = urlsplit(address)
    if "@" in parts.netloc or "\\" in address:
        return False
    named = parts.netloc.lower()
    ours = any(named.endswith(host) if host.startswith(".") else named == host for host in hosts)
    return named == home.lower() or (parts.scheme == "https" and ours)


def _content(session: Session, answer: requests.Response, deadline: float) -> bytes:
    if answer.status_code != 200:
        raise _Skipped(f"the answer was {answer.status_code}")
    content = bytearray()
    # read1 returns what has arrived, so that a slow sender can not stretch the time limit block by block.
    while block := answer.raw.read1(_BLOCK, decode_content=True):
        content += block
        if len(content) >= 4 and not content.startswith(_HEADS):
            raise _NoPicture
        if len(content) > session.tuning.image_bytes:
            raise _Skipped(f"it has more than {session.tuning.image_bytes} bytes")
        if time.monotonic() > deadline:
            raise _Skipped("the time for pictures was used up")
    return bytes(content)


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
