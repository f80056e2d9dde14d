"""What the model can see of a picture, and what it costs.

Sizes are read from the first bytes of the file. Pictures are scaled to the longest side where they come in; the engine
would do the same with one that was not.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from pullwright.agents.message import Image

LONGEST_SIDE = 1540
"""Pixels; what a larger picture is scaled down to."""
LARGEST_FILE = 10_000_000
"""Bytes; more than any screenshot needs, less than proxies refuse."""
MOST_IMAGES = 8
_CELL = 28
"""Pixels of a side of what becomes one token: patches of 14, merged two by two."""
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SIGNATURES = {"image/png": _PNG[:4], "image/jpeg": b"\xff\xd8\xff"}


def image_tokens(width: int, height: int) -> int:
    """Return the tokens of a picture of this size in pixels."""
    scale = max(width, height, LONGEST_SIDE) / LONGEST_SIDE
    columns = math.ceil(max(1, round(width / scale)) / _CELL)
    rows = math.ceil(max(1, round(height / scale)) / _CELL)
    return columns * rows + rows


def tokens_of(image: Image) -> int:
    """Return the tokens of a picture; one whose size can not be told counts as the largest."""
    return image_tokens(*(image_size(image.content) or (LONGEST_SIDE, LONGEST_SIDE)))


def oldest_beyond(images: Sequence[Image], tokens: int) -> int:
    """Return how many pictures, from the first, must go for the rest to cost at most ``tokens``."""
    for dropped, image in reversed([*enumerate(images, start=1)]):
        tokens -= tokens_of(image)
        if tokens < 0:
            return dropped
    return 0


def image_size(content: bytes) -> tuple[int, int] | None:
    """Return width and height in pixels of a PNG or JPEG file, None when its first bytes do not tell."""
    if content.startswith(_PNG):
        return struct.unpack_from(">II", content, 16) if len(content) >= 24 else None
    return _jpeg_size(content) if content.startswith(b"\xff\xd8") else None


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    position = 2
    while position + 9 <= len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        if marker in _JPEG_SIZES:
            height, width = struct.unpack_from(">HH", content, position + 5)
            return width, height
        position += 2 + int.from_bytes(content[position + 2 : position + 4], "big")
    return None


def refusal(image: Image) -> str:
    """Return why a picture can not be sent; empty when it can."""
    signature = _SIGNATURES.get(image.media_type)
    if signature is None or not image.content.startswith(signature):
        return "neither PNG nor JPEG"
    if len(image.content) > LARGEST_FILE:
        return f"larger than {LARGEST_FILE // 1_000_000} MB"
    return ""


def admit(images: Sequence[Image], most: int) -> tuple[list[Image], list[str]]:
    """Return the pictures that may be sent, at most ``most``, and a remark for each other one."""
    admitted: list[Image] = []
    remarks: list[str] = []
    for image in images:
        reason = refusal(image) or ("" if len(admitted) < most else f"more than {most} pictures")
        if reason:
            remarks.append(f"[picture {image.name or image.media_type} left out: {reason}]")
        else:
            admitted.append(image)
    return admitted, remarks
