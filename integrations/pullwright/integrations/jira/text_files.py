"""What of an attached file a model can read: told by its bytes, whatever its name says. Pure."""

from __future__ import annotations

import codecs
import re
from typing import Final

_MARKS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_UNREADABLE: Final = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f\ufffd]")
"""Controls that no log has; colours, tabs and page ends are not among them."""
_COLOUR: Final = re.compile(r"\x1b\[[0-9;?]{0,20}[ -/]{0,5}[@-~]")
_ODD_ONES: Final = 100
"""Of so many characters one may be unreadable: a log that was cut in the middle of a character is still a log."""


def is_text(head: bytes) -> bool:
    """Whether a file that begins with these bytes is text, in UTF-8 or marked as UTF-16."""
    shown = codecs.getincrementaldecoder(_encoding(head))("replace").decode(head)
    return len(_UNREADABLE.findall(shown)) * _ODD_ONES <= len(shown)


def text_of(content: bytes, limit: int) -> tuple[str, int]:
    """Return the text of a file without its colours, and how many characters of it are left out.

    Of one that is longer than the limit the middle goes: a log says at its beginning what ran, and at its end what
    went wrong.
    """
    text = _COLOUR.sub("", content.decode(_encoding(content), "replace")).replace("\r\n", "\n")
    if len(text) <= limit:
        return text, 0
    first = limit // 3
    left_out = len(text) - limit
    return f"{text[:first]}\n… {left_out} characters were left out …\n{text[first + left_out :]}", left_out


def _encoding(head: bytes) -> str:
    return next((encoding for mark, encoding in _MARKS if head.startswith(mark)), "utf-8")
