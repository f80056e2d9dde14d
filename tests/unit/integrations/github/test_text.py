from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.integrations.github.text import ImageLink, allowed, image_addresses, image_links, one_line

WEB = "https://git.acme.example"
ONE = "11111111-2222-3333-4444-555555555555"
TWO = "66666666-7777-8888-9999-aaaaaaaaaaaa"
ASSETS = f"{WEB}/user-attachments/assets"


@given(st.text(), st.integers(1, 300))
def test_a_title_is_one_line_within_its_limit(text: str, limit: int) -> None:
    title = one_line(text, limit)
    assert len(title) <= limit
    assert not set(title) & set("\n\r\t\x00\x7f")


def test_pictures_are_found_in_order_and_once() -> None:
    text = (
        "![a](https://x/1.png) <img width=3 src='https://x/2.png'/> ![b](<https://x/3.png> 'title') "
        '![again](https://x/1.png) <IMG alt="q" SRC="https://x/4.png?a=1&amp;b=2"> [no](https://x/5.png) ![rel](/6.png)'
    )
    found = ["https://x/1.png", "https://x/2.png", "https://x/3.png", "https://x/4.png?a=1&b=2"]
    assert image_addresses(text) == found


@pytest.mark.parametrize(
    "address",
    [
        f"{ASSETS}/{ONE}",
        f"{ASSETS}/{ONE}?jwt=x",
        f"{WEB}/acme/shop/assets/12345/{ONE}",
        "https://user-images.githubusercontent.com/1/2-x.png",
        f"https://private-user-images.githubusercontent.com/1/2-{ONE}.png?jwt=x",
    ],
)
def test_the_code_hosts_own_pictures_are_allowed(address: str) -> None:
    assert allowed(address, WEB)


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org/a.png",
        "http://user-images.githubusercontent.com/1/2-x.png",
        "https://user-images.githubusercontent.com.example.org/1.png",
        "https://user-images.githubusercontent.com@example.org/1.png",
        "https://user-images.githubusercontent.com\\@example.org/1.png",
        "https://user-images.githubusercontent.com:8443/1.png",
        f"http://git.acme.example/user-attachments/assets/{ONE}",
        f"https://git.acme.example:8443/user-attachments/assets/{ONE}",
        f"{WEB}/api/v3/user",
        f"{ASSETS}/../../api/v3/user",
        f"{ASSETS}/{ONE}/../../../setup",
        "https://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "https://[broken",
        "",
    ],
)
def test_nothing_else_is_fetched(address: str) -> None:
    assert not allowed(address, WEB)


def test_signed_addresses_are_matched_by_identifier_not_by_position() -> None:
    markdown = f"![]({ASSETS}/{ONE}) ![]({ASSETS}/{TWO})"
    private = "https://private-user-images.githubusercontent.com/9"
    rendered = f'<img src="{private}/1-{TWO}.png?jwt=two&amp;x=1"><img src="{private}/2-{ONE.upper()}.png?jwt=one">'
    assert image_links([(markdown, rendered)], WEB) == [
        ImageLink(f"{ASSETS}/{ONE}", f"{private}/2-{ONE.upper()}.png?jwt=one"),
        ImageLink(f"{ASSETS}/{TWO}", f"{private}/1-{TWO}.png?jwt=two&x=1"),
    ]


def test_a_signed_address_on_another_host_is_not_taken() -> None:
    rendered = f'<img src="https://example.org/1-{ONE}.png?jwt=one">'
    assert image_links([(f"![]({ASSETS}/{ONE})", rendered)], WEB)[0].fetch == f"{ASSETS}/{ONE}"


def test_a_foreign_picture_has_no_address_to_fetch_and_no_query_in_notes() -> None:
    assert image_links([("![](https://example.org/a.png?secret=1)", "")], WEB) == [
        ImageLink("https://example.org/a.png", "")
    ]


@pytest.mark.parametrize("text", ["![" * 30_000, "<img " * 12_000, "![](https://" * 5_000, "<img src=" * 7_000])
def test_hostile_texts_take_no_time(text: str) -> None:
    start = time.process_time()
    image_links([(text, text)], WEB)
    assert time.process_time() - start < 3
