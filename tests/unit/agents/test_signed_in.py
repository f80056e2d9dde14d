"""A credential that is refused is replaced once, if anything takes its place."""

from __future__ import annotations

import pytest

from pullwright.agents.errors import AuthFailed, NotFound, RemoteUnavailable
from pullwright.agents.ports.code_host import Access
from pullwright.agents.ports.mirror import Credential
from pullwright.agents.testing.fake_code_host import FakeCodeHost
from pullwright.agents.worker.signed_in import signed_in

pytestmark = [pytest.mark.anyio]


class Remote:
    """Lets in whoever has one of these tokens, and remembers who came."""

    def __init__(self, *good: str) -> None:
        self._good = good
        self.came: list[str] = []

    async def work(self, credential: Credential | None) -> str:
        token = credential.token if credential else ""
        self.came.append(token)
        if token not in self._good:
            raise AuthFailed(f"refused, visit {len(self.came)}")
        return token


async def test_a_good_credential_is_used_once() -> None:
    host, remote = FakeCodeHost(token="t"), Remote("t")
    assert await signed_in(host, host.ref("acme/shop"), Access.PUSH, remote.work) == "t"
    assert (remote.came, host.needs) == (["t"], [Access.PUSH])


async def test_a_revoked_one_is_replaced_once() -> None:
    host = FakeCodeHost(token="t", renews=True)
    assert await signed_in(host, host.ref("acme/shop"), Access.READ, Remote("t1").work) == "t1"
    remote = Remote()
    with pytest.raises(AuthFailed, match="visit 2"):
        await signed_in(host, host.ref("acme/shop"), Access.READ, remote.work)
    assert remote.came == ["t1", "t2"]


async def test_a_token_that_nothing_replaces_is_not_tried_again() -> None:
    host, remote = FakeCodeHost(token="t"), Remote()
    with pytest.raises(AuthFailed, match="visit 1"):
        await signed_in(host, host.ref("acme/shop"), Access.READ, remote.work)
    assert remote.came == ["t"]


@pytest.mark.parametrize("host", [None, FakeCodeHost()])
async def test_nobody_is_let_in_or_not(host: FakeCodeHost | None) -> None:
    ref = FakeCodeHost().ref("acme/shop")
    assert await signed_in(host, ref, Access.READ, Remote("").work) == ""
    with pytest.raises(AuthFailed, match="visit 1"):
        await signed_in(host, ref, Access.READ, Remote().work)


async def test_other_trouble_is_left_alone() -> None:
    host = FakeCodeHost(token="t", renews=True)

    async def away(credential: Credential | None) -> None:
        raise RemoteUnavailable("away")

    with pytest.raises(RemoteUnavailable):
        await signed_in(host, host.ref("acme/shop"), Access.READ, away)
    assert len(host.needs) == 1


async def test_that_there_is_none_any_more_is_said() -> None:
    class Uninstalled(FakeCodeHost):
        def forget(self, credential: Credential) -> None:
            self.host = "gone"

    host = Uninstalled(token="t")
    ref = host.ref("acme/shop")
    with pytest.raises(Exception, match="not at 'gone'") as caught:
        await signed_in(host, ref, Access.READ, Remote().work)
    assert not isinstance(caught.value, NotFound | AuthFailed)
