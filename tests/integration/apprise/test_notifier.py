"""Notices on their way, over real sockets."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from pullwright.agents.errors import ConfigError, RemoteUnavailable
from pullwright.agents.ports.notice import Moment, Notice
from pullwright.cli.notify_settings import secret_parts
from pullwright.integrations.apprise.notifier import AppriseNotifier, Service
from pullwright.integrations.redaction import Redactor
from pullwright.integrations.testing.notice_sinks import MailSink, NoticeSink

pytestmark = pytest.mark.anyio

TOKEN = "Zq8rT0kenInThePath"
NOTICE = Notice(
    moment=Moment.QUESTION,
    task_id="01abc",
    title="Round <!here> up",
    repository="acme/shop",
    words="Up, @everyone?\nOr down & out <b>?",
    url="https://forge.example/acme/shop/issues/7",
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NoticeSink]:
    made = NoticeSink(tmp_path, path=f"/{TOKEN}")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(made.ca_file))
    yield made
    made.close()


@pytest.fixture
def mail() -> Iterator[MailSink]:
    made = MailSink()
    yield made
    made.close()


def notifier(url: str) -> AppriseNotifier:
    secrets = [url, *secret_parts(url)]
    return AppriseNotifier({"t": Service("entry 1 of 'notify'", url)}, Redactor(secrets))


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """Return what was logged, without what the server that plays the target says."""
    ours = [record for record in caplog.records if "testing" not in record.name]
    return "\n".join(record.getMessage() for record in ours)


async def test_a_notice_arrives_as_json(sink: NoticeSink) -> None:
    await notifier(sink.url).send("t", NOTICE)
    [arrived] = sink.notices
    assert arrived["type"] == "warning"
    assert arrived["title"] == "Question: Round <\u200b!here> up"
    assert "Up, @\u200beveryone?\nOr down & out <\u200bb>?" in arrived["message"]
    assert arrived["message"].endswith(NOTICE.url)


async def test_a_notice_arrives_as_mail(mail: MailSink) -> None:
    url = f"mailto://127.0.0.1:{mail.port}?from=agent@acme.example&to=ann@acme.example&mode=insecure"
    await notifier(url).send("t", NOTICE)
    [arrived] = mail.mails
    assert arrived["To"] == "ann@acme.example"
    assert arrived["Subject"].startswith("Question: Round")
    assert arrived.get_content_type() == "text/plain"
    assert "agent answer 01abc" in arrived.get_content()


@pytest.mark.parametrize("status", [302, 403, 429, 500])
async def test_what_is_refused_is_said_without_the_address(
    sink: NoticeSink, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sink.status = status
    with pytest.raises(RemoteUnavailable, match=str(status)) as caught:
        await notifier(sink.url).send("t", NOTICE)
    assert len(sink.notices) == 1  # it is not Apprise that tries again
    assert TOKEN not in f"{caught.value}{logged(caplog)}"
    assert "Round" not in logged(caplog)


async def test_nobody_there_is_said_without_the_address(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(RemoteUnavailable) as caught:
        await notifier(f"json://user:hunter2hunter2@127.0.0.1:1/{TOKEN}").send("t", NOTICE)
    said = f"{caught.value}{logged(caplog)}"
    assert TOKEN not in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    "url", [f"nonsense://{TOKEN}", f"https://forge.example/{TOKEN}", f"slack://{TOKEN}", "", f"workflows://h/{TOKEN}"]
)
def test_an_address_that_is_not_understood_is_named_by_its_place(url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ConfigError, match="entry 2 of 'notify'") as caught:
        Service("entry 2 of 'notify'", url)
    assert TOKEN not in f"{caught.value}{caplog.text}"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrZdevi7FQ", "Slack"),
        ("https://discord.com/api/webhooks/4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", "Discord"),
        (
            "https://prod-01.westus.logic.azure.com:443/workflows/643e69b7a4d74b5bb3d9b6ccd6f9c1ab/triggers/manual/"
            "paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=IcfXVlmcAiSpdcvHUlGPhcDW",
            "Teams",
        ),
        ("mailto://me:app-password@gmail.com", "Mail"),
    ],
)
def test_the_addresses_that_people_copy_are_understood(url: str, name: str) -> None:
    assert name in Service("entry 1 of 'notify'", url).label
