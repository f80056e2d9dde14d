"""Takes secrets and persons out of what an event carries, before a model or anybody else sees it. Pure."""

from __future__ import annotations

import re
from typing import Final

from pullwright.integrations.redaction import REDACTED, Redactor

PERSONAL: Final = "[personal]"

_SECRET_NAME: Final = re.compile(
    r"pass(?:word|wd|phrase)?(?![a-z])|pwd|secret|token|api[-_]?key|(?<![a-z])key$|auth(?!ors?(?![a-z]))|bearer|cookie|session"
    r"|credential|private|csrf|xsrf|dsn|signature|jwt|otp(?![a-z])|pin$",
    re.IGNORECASE,
)
_PERSONAL_NAME: Final = re.compile(
    r"e?-?mail|(?<![a-z])ip(?:[-_]?addr(?:ess)?)?(?![a-z])|user(?:name)?(?![a-z])|user[-_.]|phone|mobile|ssn|passport"
    r"|iban|card|cvv|cvc|birth|(?:first|last|sur|full|given|family|real)[-_]?name|street|postcode|zip[-_]?code"
    r"|latitude|longitude|(?<![a-z])geo(?![a-z])|server_name|device[-_.]?id|remote[-_]addr|forwarded",
    re.IGNORECASE,
)
_EMAIL: Final = re.compile(r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9])")
_IPV4: Final = re.compile(r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w.]*\d)")
_IPV6: Final = re.compile(
    r"(?<![\w:.])(?:(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}"
    r"|(?:[0-9A-Fa-f]{1,4}:){1,6}(?::[0-9A-Fa-f]{1,4}){1,6})(?![\w:])"
)
_CARD: Final = re.compile(r"(?<![\w.-])(?:\d[ -]?){12,18}\d(?![\w.-])")
_HERE: Final = frozenset({"127.0.0.1", "0.0.0.0", "255.255.255.255"})
_ASSIGNED: Final = re.compile(
    r"""(?P<name>(?:password|passwd|pwd|secret|token|api[-_]?key|authorization|cookie)[\w.-]{0,40}+["']?"""
    r"""\s{0,3}[=:]\s{0,3})(?P<value>"[^"\n]{1,500}"|'[^'\n]{1,500}'|[^\s,;&)}\]]{1,500})""",
    re.IGNORECASE,
)
_ADDRESS: Final = re.compile(r"://(?P<before>[^\s?#\"'<>]*+)(?P<query>[?#][^\s\"'<>]*+)?")
"""Takes in an address whole, with a query or without, so that no character is looked at twice."""


def is_secret_name(name: str) -> bool:
    """Whether something with this name is a secret."""
    return _SECRET_NAME.search(name) is not None


def is_personal_name(name: str) -> bool:
    """Whether something with this name says who somebody is."""
    return _PERSONAL_NAME.search(name) is not None


class Scrubber:
    """Scrubs texts with a name and without."""

    def __init__(self, redactor: Redactor, *, keep_personal: bool = False) -> None:
        """Take what knows our own secrets; ``keep_personal`` leaves in who somebody is."""
        self._redact = redactor
        self._keep_personal = keep_personal

    def text(self, text: str) -> str:
        """Return a text without secrets, addresses' queries, and persons."""
        text = _ADDRESS.sub(_without_query, self._redact(text))
        text = _ASSIGNED.sub(rf"\g<name>{REDACTED}", text)
        return text if self._keep_personal else _without_persons(text)

    def code(self, line: str) -> str:
        """Return a line of source code without tokens; what its names look like says nothing about it."""
        return self._redact(line)

    def named(self, name: str, value: str) -> str:
        """Return the value of a variable or tag, or what stands in its place when its name gives it away."""
        if is_secret_name(name):
            return REDACTED
        if not self._keep_personal and is_personal_name(name):
            return PERSONAL
        return self.text(value)


def _without_query(found: re.Match[str]) -> str:
    return f"://{found['before']}?{REDACTED}" if found["query"] else found[0]


def _without_persons(text: str) -> str:
    text = _EMAIL.sub(PERSONAL, text)
    text = _IPV4.sub(lambda found: found[0] if found[0] in _HERE else PERSONAL, text)
    text = _IPV6.sub(PERSONAL, text)
    return _CARD.sub(lambda found: PERSONAL if _is_card(found[0]) else found[0], text)


def _is_card(shown: str) -> bool:
    """Whether the check digit is right (Luhn), so that ids and times stay."""
    digits = [int(character) for character in shown if character.isdigit()][::-1]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
