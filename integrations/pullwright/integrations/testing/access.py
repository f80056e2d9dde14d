"""Who may do what at the rehearsal's code host."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.message import Message

ALL = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRights:
    """What one token may do; modelled on fine-grained tokens."""

    user: str
    permissions: Mapping[str, str] = field(default_factory=dict)
    """Permission name → ``read`` or ``write``; the name ``*`` stands for all of them."""
    repositories: tuple[str, ...] = (ALL,)
    """Slugs, or ``*``."""
    admin: bool = False
    """May push to protected branches."""
    app_id: int | None = None
    """The App whose installation token it is."""
    installation_id: int | None = None
    expires: datetime | None = None

    def sees(self, slug: str) -> bool:
        """Whether a private repository exists for this token."""
        return ALL in self.repositories or slug.lower() in {name.lower() for name in self.repositories}

    def may(self, permission: str, level: str) -> bool:
        """Whether a permission is granted at this level or a higher one."""
        if permission == "metadata" and level == "read":
            return True
        granted = self.permissions.get(permission, self.permissions.get(ALL, ""))
        return granted == "write" or (granted == "read" and level == "read")


WRITE_ALL: Mapping[str, str] = {ALL: "write"}
READ_ALL: Mapping[str, str] = {ALL: "read"}


def token_of(headers: Message) -> str | None:
    """Return the token of an Authorization header: None when there is none, empty when it makes no sense."""
    scheme, _, value = headers.get("Authorization", "").strip().partition(" ")
    match scheme.lower():
        case "":
            return None
        case "bearer" | "token":
            return value.strip()
        case "basic":
            return _password(value.strip())
        case _:
            return ""


def _password(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
