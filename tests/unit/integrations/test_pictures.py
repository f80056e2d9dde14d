from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, PngImagePlugin

from pullwright.agents.llm.images import LONGEST_SIDE, image_size, refusal
from pullwright.integrations.pictures import LARGEST_PNG, MAX_PIXELS, MAX_SCANS, UnusablePicture, prepare

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # as it is outside of tests

KINDS = ["PNG", "JPEG", "GIF", "WEBP"]
RED, BLUE = (255, 0, 0), (0, 0, 255)
SECRET = "taken at 52.5200 north"


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    content = BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def pixels(content: bytes) -> Image.Image:
    with Image.open(BytesIO(content)) as image:
        image.load()
        return image


def colour(content: bytes, x: int = 0, y: int = 0) -> tuple[int, ...]:
    """The colour of a pixel; a JPEG's is rounded to what it was meant to be."""
    seen = pixels(content).convert("RGB").getpixel((x, y))
    assert isinstance(seen, tuple)
    return tuple(round(value / 51) * 51 for value in seen)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, *more: bytes) -> bytes:
    """A PNG that says it has this size, and has next to nothing."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(more) + data + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("size", "expected"), [((1600, 400), (1540, 385)), ((40, 3080), (20, 1540)), ((9, 5), (9, 5))])
def test_r16_a_picture_of_any_kind_fits(kind: str, size: tuple[int, int], expected: tuple[int, int]) -> None:
    image = prepare(saved(Image.new("RGB", size, RED), kind), "a.png")
    assert image.media_type == ("image/jpeg" if kind == "JPEG" else "image/png")
    assert image_size(image.content) == expected
    assert colour(image.content) in (RED, (204, 0, 0))
    assert image.name == "a.png"
    assert not refusal(image)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_pixel_is_read(mode: str) -> None:
    greys: dict[str, Any] = {"1": 1, "LA": (51, 255), "RGB": (51, 51, 51), "RGBA": (51, 51, 51, 255), "I;16": 51 * 257}
    picture = Image.new(mode, (4, 4), greys.get(mode, 51))
    if mode == "P":
        picture.putpalette([51] * 768)
    assert colour(prepare(saved(picture, "PNG")).content) == ((255, 255, 255) if mode == "1" else (51, 51, 51))


def test_print_colours_become_those_of_a_screen() -> None:
    image = prepare(saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"))
    assert pixels(image.content).mode == "RGB"
    assert colour(image.content) == RED


def test_what_is_transparent_is_white() -> None:
    assert colour(prepare(saved(Image.new("RGBA", (4, 4), (0, 0, 0, 0)), "PNG")).content) == (255, 255, 255)
    palette = Image.new("P", (4, 4), 7)
    assert colour(prepare(saved(palette, "GIF", transparency=7)).content) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP"])
def test_only_the_first_frame_of_an_animation_is_seen(kind: str) -> None:
    frames = [Image.new("RGB", (20, 10), shade) for shade in (BLUE, RED, RED)]
    content = prepare(saved(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)).content
    assert getattr(pixels(content), "n_frames", 1) == 1
    assert colour(content) == BLUE


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photograph_is_upright(orientation: int) -> None:
    """Blue is the corner that is the upper left one when it is seen as each orientation says."""
    stored = Image.new("RGB", (64, 32), RED)
    left, top = orientation in (1, 4, 5, 6), orientation in (1, 2, 5, 8)
    stored.paste(BLUE, (0 if left else 48, 0 if top else 16, 16 if left else 64, 16 if top else 32))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    content = prepare(saved(stored, "JPEG", exif=exif, quality=95)).content
    assert image_size(content) == ((32, 64) if orientation > 4 else (64, 32))
    assert colour(content, 4, 4) == BLUE


def commented(kind: str) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = SECRET
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", SECRET)
    text.add_text("More", SECRET, zip=True)
    options: dict[str, object] = (
        {"comment": SECRET} if kind == "GIF" else {"exif": exif, "icc_profile": SECRET.encode()}
    )
    more: dict[str, object] = {"PNG": {"pnginfo": text}, "JPEG": {"comment": SECRET}}.get(kind, {})  # type: ignore[assignment]
    return saved(Image.new("RGB", (8, 8)), kind, **options, **more) + SECRET.encode()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_but_the_pixels_goes_on(kind: str) -> None:
    content = prepare(commented(kind)).content
    assert SECRET.encode() not in content
    seen = pixels(content)
    assert not seen.getexif()
    assert not {"icc_profile", "exif", "comment", "Comment", "More"} & set(seen.info)


def test_the_same_file_gives_the_same_bytes() -> None:
    content = saved(Image.effect_noise((300, 200), 50), "PNG")
    assert prepare(content) == prepare(content)


def test_a_photograph_without_loss_is_sent_as_jpeg() -> None:
    content = saved(Image.frombytes("RGB", (600, 600), Random(1).randbytes(3 * 600 * 600)), "PNG")
    assert len(content) > LARGEST_PNG
    image = prepare(content)
    assert image.media_type == "image/jpeg"
    assert len(image.content) < len(content)


@pytest.mark.parametrize(
    "content",
    [b"", b"<svg onload='x'>", b"BM" + b"\0" * 100, b"II*\0" + b"\0" * 100, b"%!PS-Adobe-3.0 EPSF", b"RIFF0000WAVE"],
)
def test_other_kinds_are_refused_whatever_their_name(content: bytes) -> None:
    with pytest.raises(UnusablePicture, match="neither PNG, JPEG, WebP nor GIF"):
        prepare(content, "screenshot.png")


def test_what_the_first_bytes_say_counts_and_not_the_name() -> None:
    assert prepare(saved(Image.new("RGB", (2, 2)), "JPEG"), "a.png").media_type == "image/jpeg"
    with pytest.raises(UnusablePicture, match="broken"):
        prepare(b"\xff\xd8\xff" + saved(Image.new("RGB", (2, 2)), "PNG"), "a.jpg")


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_file_is_broken(kind: str) -> None:
    content = saved(Image.effect_noise((64, 64), 50).convert("RGB"), kind)
    for part in (0.1, 0.5, 0.8):
        with pytest.raises(UnusablePicture, match="broken"):
            prepare(content[: int(len(content) * part)])


def gif(width: int, height: int) -> bytes:
    size = struct.pack("<HH", width, height)
    return b"GIF89a" + size + b"\x80\0\0" + b"\0" * 6 + b",\0\0\0\0" + size + b"\0\x02\x01\x44\0;"


def jpeg(width: int, height: int) -> bytes:
    small = saved(Image.new("RGB", (8, 8)), "JPEG")
    at = small.index(b"\xff\xc0") + 5
    return small[:at] + struct.pack(">HH", height, width) + small[at + 4 :]


@pytest.mark.parametrize("make", [png, gif, jpeg])
@pytest.mark.parametrize("size", [(MAX_PIXELS // 1000 + 1, 1000), (10_000, 9_000), (65_500, 65_500)])
def test_a_bomb_is_refused_before_it_is_decoded(make: Callable[[int, int], bytes], size: tuple[int, int]) -> None:
    with pytest.raises(UnusablePicture, match="more than 40 million pixels"):
        prepare(make(*size))


def test_a_bomb_in_a_text_is_not_unpacked() -> None:
    with pytest.raises(UnusablePicture, match="broken"):
        prepare(png(1, 1, chunk(b"zTXt", b"x\0\0" + zlib.compress(b"\0" * 10_000_000))))


def test_a_jpeg_of_a_thousand_passes_is_refused() -> None:
    content = saved(Image.effect_noise((64, 64), 50), "JPEG", progressive=True)
    assert prepare(content)
    scan = content[content.rindex(b"\xff\xda") : -2]
    with pytest.raises(UnusablePicture, match="too long"):
        prepare(content[:-2] + scan * MAX_SCANS + content[-2:])


SAMPLES = [commented(kind) for kind in KINDS] + [
    saved(Image.effect_noise((20, 20), 50), "JPEG", progressive=True),
    saved(Image.new("P", (9, 9)), "PNG", transparency=0),
]


@given(st.sampled_from(SAMPLES), st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=6)), max_size=4))
def test_any_damage_ends_in_a_picture_or_in_one_line(sample: bytes, damage: list[tuple[int, bytes]]) -> None:
    content = bytearray(sample)
    for position, new in damage:
        content[position % len(sample) : position % len(sample) + len(new)] = new
    try:
        image = prepare(bytes(content))
    except UnusablePicture as exc:
        assert "\n" not in str(exc)
    else:
        width, height = image_size(image.content) or (0, 0)
        assert 0 < max(width, height) <= LONGEST_SIDE
