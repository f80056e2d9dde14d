"""Fetches the pictures of an issue, from GitHub's own hosts only and without any credential."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from urllib.parse import urljoin

import requests

from pullwright.agents.message import Image
from pullwright.integrations.github.settings import GitHubSettings
from pullwright.integrations.github.text import ImageLink, allowed
from pullwright.integrations.github.tuning import GitHubTuning
from pullwright.integrations.pictures import UnusablePicture, prepare

_REDIRECTS = 3
_BLOCK = 65_536
_REDIRECT_CODES = frozenset({301, 302, 303, 307, 308})


class _Skipped(Exception):
    """A picture that is left out, and why."""


class ImageFetcher:
    """Fetches pictures until their number or the time is used up; blocks, so it runs on a thread."""

    def __init__(self, settings: GitHubSettings, tuning: GitHubTuning) -> None:
        self._settings = settings
        self._tuning = tuning
        self._deadline = time.monotonic() + tuning.image_seconds

    def fetch(self, links: Sequence[ImageLink]) -> tuple[tuple[Image, ...], tuple[str, ...]]:
        """Return the pictures that could be had, and a note for each that could not."""
        images, notes = [], []
        for link in links[: self._tuning.images]:
            try:
                images.append(self._image(link))
            except _Skipped as exc:
                notes.append(f"picture {link.shown!r} was left out: {exc}")
        if len(links) > self._tuning.images:
            notes.append(f"{len(links) - self._tuning.images} more pictures were left out")
        return tuple(images), tuple(notes)

    def _image(self, link: ImageLink) -> Image:
        if not link.fetch:
            raise _Skipped("it is not on this code host")
        try:
            content = self._download(link.fetch)
        except requests.RequestException as exc:
            raise _Skipped("it could not be fetched") from exc
        try:
            return prepare(content, link.shown.rpartition("/")[2][:100])
        except UnusablePicture as exc:
            raise _Skipped(str(exc)) from exc

    def _download(self, address: str) -> bytes:
        with requests.Session() as session:
            # Anything but None keeps requests from looking for credentials in a .netrc file.
            session.auth = _no_credentials
            for _ in range(_REDIRECTS):
                if not allowed(address, self._settings.web_url):
                    raise _Skipped("it leads to another host")
                with closing(self._ask(session, address)) as response:
                    if response.status_code not in _REDIRECT_CODES:
                        return self._content(response)
                    address = urljoin(address, response.headers.get("Location", ""))
        raise _Skipped("it redirects too often")

    def _ask(self, session: requests.Session, address: str) -> requests.Response:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise _Skipped("the time for pictures was used up")
        verify = str(self._settings.ca_file) if self._settings.ca_file else True
        return session.get(address, timeout=min(left, 10.0), verify=verify, stream=True, allow_redirects=False)

    def _content(self, response: requests.Response) -> bytes:
        if response.status_code != 200:
            raise _Skipped(f"the answer was {response.status_code}")
        content = bytearray()
        # read1 returns what has arrived, so that a slow sender can not stretch the time limit block by block.
        while block := response.raw.read1(_BLOCK, decode_content=True):
            content += block
            if len(content) > self._tuning.image_bytes:
                raise _Skipped(f"it has more than {self._tuning.image_bytes} bytes")
            if time.monotonic() > self._deadline:
                raise _Skipped("the time for pictures was used up")
        return bytes(content)


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
