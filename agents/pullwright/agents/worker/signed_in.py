"""Doing something that the code host wants a credential for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import AuthFailed
from pullwright.agents.ports.code_host import Access, CodeHost
from pullwright.agents.ports.mirror import Credential

T = TypeVar("T")


async def signed_in(
    host: CodeHost | None,
    repository: RepositoryRef,
    need: Access,
    work: Callable[[Credential | None], Awaitable[T]],
) -> T:
    """Do what takes a credential, which is asked for now; when it is refused, once more with another.

    A credential that was good an hour ago may have ended or been revoked since.

    Raises:
        AuthFailed: There is no other, or that was refused as well.
        IntegrationError: None was to be had.
    """
    if host is None:
        return await work(None)
    credential = await host.credential(repository, need)
    try:
        return await work(credential)
    except AuthFailed:
        if credential is None:
            raise
        host.forget(credential)
        other = await host.credential(repository, need)
        if other == credential:
            raise
    return await work(other)
