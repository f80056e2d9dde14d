from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pytest
from PIL import Image

from pullwright.agents.llm.images import LONGEST_SIDE, image_size
from pullwright.integrations.github import GitHubCodeHost
from pullwright.integrations.testing.faults import Fault
from pullwright.integrations.testing.forge import RehearsalForge

pytestmark = pytest.mark.anyio
MakeHost = Callable[..., GitHubCodeHost]
ASSETS = "/user-attachments/assets/"


def picture(kind: str, size: tuple[int, int] = (3, 2)) -> bytes:
    content = BytesIO()
    Image.new("RGB", size, "red").save(content, kind)
    return content.getvalue()


PNG = picture("PNG")
JPEG = picture("JPEG")


@pytest.fixture(autouse=True)
def _shop(forge: RehearsalForge) -> None:
    forge.create_repository("acme", "shop", {"a.txt": "one\n"})


def file(forge: RehearsalForge, body: str, *comments: str) -> int:
    number = forge.create_issue("acme", "shop", title="Look", body=body).number
    for comment in comments:
        forge.add_comment("acme", "shop", number, comment)
    return number


async def test_pictures_of_issue_and_comments_come_along(forge: RehearsalForge, code_host: MakeHost) -> None:
    first, second = forge.add_image(picture("PNG", (3000, 300))), forge.add_image(JPEG)
    number = file(forge, f"![a]({first})", f'<img width="10" alt="b" src="{second}" /> and again ![]({first})')
    issue = await code_host().get_issue(forge.ref("acme", "shop"), number)
    assert [image.media_type for image in issue.images] == ["image/png", "image/jpeg"]
    assert [image_size(image.content) for image in issue.images] == [(LONGEST_SIDE, 154), (3, 2)]
    assert [image.name for image in issue.images] == [first.rpartition("/")[2], second.rpartition("/")[2]]
    assert issue.notes == ()


async def test_an_issue_without_pictures_asks_for_none(forge: RehearsalForge, code_host: MakeHost) -> None:
    forge.add_fault(Fault(path=ASSETS, close=True))
    issue = await code_host().get_issue(forge.ref("acme", "shop"), file(forge, "no picture"))
    assert (issue.images, issue.notes) == ((), ())


@pytest.mark.parametrize(
    ("content", "fault", "reason"),
    [
        (b"<svg/>", None, "neither PNG, JPEG"),
        (PNG[:-30], None, "it is broken"),
        (PNG * 1000, None, "more than 5000 bytes"),
        (PNG, {"status": 404}, "the answer was 404"),
        (PNG, {"status": 302, "headers": {"Location": "https://127.0.0.1:1/steal"}}, "another host"),
        (PNG, {"status": 302, "headers": {"Location": "/api/v3/user"}}, "another host"),
        (PNG, {"close": True}, "could not be fetched"),
    ],
    ids=["svg", "cut", "large", "404", "elsewhere", "api", "close"],
)
async def test_a_picture_that_can_not_be_had_is_noted(
    forge: RehearsalForge, code_host: MakeHost, content: bytes, fault: dict[str, object] | None, reason: str
) -> None:
    address, good = forge.add_image(content), forge.add_image(JPEG)
    if fault:
        forge.add_fault(Fault(path=address.rpartition("/")[2], **fault))  # type: ignore[arg-type]
    number = file(forge, f"![]({address}) ![]({good})")
    issue = await code_host(image_bytes=5000).get_issue(forge.ref("acme", "shop"), number)
    assert [image.media_type for image in issue.images] == ["image/jpeg"]
    assert len(issue.notes) == 1
    assert reason in issue.notes[0]
    assert address in issue.notes[0]
    assert "jwt" not in issue.notes[0]


async def test_a_redirect_in_circles_ends(forge: RehearsalForge, code_host: MakeHost) -> None:
    address = forge.add_image(PNG)
    forge.add_fault(Fault(path=ASSETS, status=302, headers={"Location": address}, times=50))
    issue = await code_host().get_issue(forge.ref("acme", "shop"), file(forge, f"![]({address})"))
    assert "redirects too often" in issue.notes[0]


async def test_other_hosts_are_never_asked(forge: RehearsalForge, code_host: MakeHost) -> None:
    body = "![](https://127.0.0.1:1/a.png) ![](http://169.254.169.254/latest/meta-data) <img src=file:///etc/passwd>"
    issue = await code_host().get_issue(forge.ref("acme", "shop"), file(forge, body))
    assert issue.images == ()
    assert len(issue.notes) == 2
    assert all("not on this code host" in note for note in issue.notes)


async def test_there_are_eight_pictures_at_most(forge: RehearsalForge, code_host: MakeHost) -> None:
    body = " ".join(f"![]({forge.add_image(PNG)})" for _ in range(11))
    issue = await code_host().get_issue(forge.ref("acme", "shop"), file(forge, body))
    assert len(issue.images) == 8
    assert issue.notes == ("3 more pictures were left out",)


async def test_pictures_have_a_time_limit(forge: RehearsalForge, code_host: MakeHost) -> None:
    body = f"![]({forge.add_image(PNG)})"
    issue = await code_host(image_seconds=0).get_issue(forge.ref("acme", "shop"), file(forge, body))
    assert issue.images == ()
    assert "time for pictures" in issue.notes[0]


async def test_no_credential_goes_with_a_picture(forge: RehearsalForge, code_host: MakeHost) -> None:
    seen: list[str | None] = []
    address = forge.add_image(PNG)
    forge.watch(lambda request: seen.append(request.headers.get("Authorization")) if ASSETS in request.path else None)
    await code_host().get_issue(forge.ref("acme", "shop"), file(forge, f"![]({address})"))
    assert seen == [None]
