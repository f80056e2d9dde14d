"""Makes a picture from outside into one that can be sent to a model: decoded, scaled, and encoded anew.

Nothing but the pixels of the first frame goes on: no EXIF, no profile, no text, no second file in the same bytes.
It is done once, where a task is made, so that the same bytes are sent with every request.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Mapping
from io import BytesIO
from typing import Final

from PIL import ExifTags, Image

from pullwright.agents import message
from pullwright.agents.llm.images import LONGEST_SIDE

MAX_PIXELS: Final = 40_000_000
"""More than a screenshot of an 8K screen; decoded it takes four bytes of memory each."""
MAX_SCANS: Final = 32
"""Passes over a progressive JPEG, each of which costs as much as a whole picture; encoders make about ten."""
LARGEST_PNG: Final = 1_000_000
"""Bytes; a larger one is sent as JPEG. Text and flat colours, which JPEG blurs, stay below."""
_QUALITY: Final = 90
_SIGNATURES: Final = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
}
_TURNS: Final[Mapping[object, Image.Transpose]] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each orientation that EXIF knows."""
_TROUBLE: Final = (
    OSError,
    SyntaxError,  # what the decoder of PNG says about a broken chunk
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    MemoryError,
    struct.error,
    zlib.error,
)

Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("ignore", module=r"PIL\.")  # about damage, such as in EXIF, that can be lived with
warnings.simplefilter("error", Image.DecompressionBombWarning)


class UnusablePicture(Exception):
    """A file that can not be sent; the text says why, in words that follow the picture's name."""


def prepare(content: bytes, name: str = "") -> message.Image:
    """Return a PNG or JPEG with no side longer than ``LONGEST_SIDE``, from a PNG, JPEG, WebP or GIF.

    The first bytes decide what it is, whatever its name says. Transparent parts become white. It blocks, for a second
    when the picture is very large: call it on a thread.

    Raises:
        UnusablePicture: It is of another kind, broken, or larger than can be decoded safely.
    """
    kind = _kind(content)
    if not kind:
        raise UnusablePicture("it is neither PNG, JPEG, WebP nor GIF")
    if kind == "JPEG" and content.count(b"\xff\xda") > MAX_SCANS:
        raise UnusablePicture("it takes too long to decode")
    try:
        with Image.open(BytesIO(content), formats=[kind]) as opened:
            pixels = _scaled(opened)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise UnusablePicture(f"it has more than {MAX_PIXELS // 1_000_000} million pixels") from exc
    except _TROUBLE as exc:
        raise UnusablePicture("it is broken") from exc
    media_type, encoded = _encoded(pixels, prefers_jpeg=kind == "JPEG")
    return message.Image(media_type=media_type, content=encoded, name=name)


def _kind(content: bytes) -> str:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    return next((kind for signature, kind in _SIGNATURES.items() if content.startswith(signature)), "")


def _scaled(opened: Image.Image) -> Image.Image:
    """Return the first frame as it is meant to be seen: upright, in RGB, small enough."""
    box = (LONGEST_SIDE, LONGEST_SIDE)
    opened.draft(None, box)  # a JPEG that is much too large is decoded at a fraction of its size
    turn = _TURNS.get(opened.getexif().get(ExifTags.Base.Orientation))
    pixels = _opaque(opened)
    pixels.thumbnail(box, Image.Resampling.LANCZOS)
    return pixels if turn is None else pixels.transpose(turn)


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # grey of 16 bits, which Pillow would cut off instead of scaling it
        return image.convert("I").point(lambda value: value / 257).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    seen = image.convert("RGBA")
    background = Image.new("RGB", seen.size, "white")
    background.paste(seen, mask=seen)
    return background


def _encoded(pixels: Image.Image, *, prefers_jpeg: bool) -> tuple[str, bytes]:
    pixels.info.clear()  # what is known besides the pixels, some of which would be written
    if not prefers_jpeg:
        png = BytesIO()
        pixels.save(png, "PNG")
        if png.tell() <= LARGEST_PNG:
            return "image/png", png.getvalue()
    jpeg = BytesIO()
    pixels.save(jpeg, "JPEG", quality=_QUALITY)
    return "image/jpeg", jpeg.getvalue()
