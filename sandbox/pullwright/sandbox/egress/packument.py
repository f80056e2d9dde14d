"""Packuments (an npm package's index page), as far as the gateway looks into them. Pure, no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pullwright.sandbox.egress.decisions import Refusal

_TARBALL = re.compile(rb'"tarball"\s*:\s*"(https?:[^"\\\s]{1,1000})"')


class _Packument(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)

    versions: dict[str, object]
    time: dict[str, object]
    dist_tags: dict[str, str] = Field(alias="dist-tags")


def tarball_urls(body: bytes) -> Iterator[str]:
    """Yield the addresses of all tarballs that a packument names."""
    for match in _TARBALL.finditer(body):
        yield match[1].decode("utf-8", "replace")


def without_young(body: bytes, min_age: timedelta) -> tuple[bytes, frozenset[str]]:
    """Leave versions out of a full packument that are younger than an age, or of which that is not said.

    The tag ``latest`` then means the newest release that stays; other tags of what is left out are left out.

    Returns:
        The packument and the versions in it.

    Raises:
        Refusal: It is not a full packument.
    """
    try:
        packument = _Packument.model_validate_json(body)
    except ValidationError:
        raise Refusal(502, "the npm registry does not send a full packument with the times of its versions") from None
    times = {version: time for version in packument.versions if (time := _time(packument.time.get(version)))}
    kept = {version: time for version, time in times.items() if datetime.now(UTC) - time >= min_age}
    releases = {version: time for version, time in kept.items() if "-" not in version} or kept
    tags = {tag: version for tag, version in packument.dist_tags.items() if version in kept}
    if releases:
        tags.setdefault("latest", max(releases, key=lambda version: releases[version]))
    packument.versions = {version: found for version, found in packument.versions.items() if version in kept}
    packument.dist_tags = tags
    return packument.model_dump_json(by_alias=True).encode(), frozenset(kept)


def _time(value: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        return None
    return time if time.tzinfo else None
