"""A real PostgreSQL for tests: one server for the session, one cheap database for each test.

The server runs from the binaries of the machine in a folder of its own, as a user without rights (PostgreSQL refuses
root), and answers on a socket and on 127.0.0.1. ``tests/conftest.py`` makes the fixtures known to every test.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.means import missing

START_SECONDS = 60.0
STOP_SECONDS = 30.0
STEP_SECONDS = 0.02

SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "200",
    "listen_addresses": "127.0.0.1",
    "autovacuum_naptime": "5s",
}
"""A killed server loses nothing without ``fsync``; a machine without power would."""


class PostgresServer:
    """One PostgreSQL server, which tests may stop, restart and kill; every method blocks."""

    def __init__(self, binaries: Path, folder: Path, **settings: str) -> None:
        self.folder = folder
        self._binaries = binaries
        self._settings = {**SETTINGS, **settings}
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database, as ``AGENT_DATABASE_URL`` takes it."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def make(self) -> None:
        """Make the data folder."""
        self.folder.chmod(0o755)
        if os.geteuid() == 0:
            account = _account()
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        command = [str(self._binaries / "initdb"), f"--pgdata={self.folder / 'data'}", *options]
        made = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, **_unprivileged())
        assert made.returncode == 0, made.stdout + made.stderr

    def start(self) -> None:
        """Start the server and return when it answers; a killed one is recovered from its log first."""
        until = time.monotonic() + START_SECONDS
        while not self._answers():
            assert time.monotonic() < until, f"PostgreSQL did not start: {self.log()[-2000:]}"
            # What was killed leaves processes that keep the shared memory for a moment: start until they are gone.
            if self._process is None or self._process.poll() is not None:
                self._process = self._spawn()
            time.sleep(STEP_SECONDS)

    def stop(self, *, immediately: bool = False) -> None:
        """Stop the server: break connections, and write everything down unless it is to happen immediately."""
        self._end(signal.SIGQUIT if immediately else signal.SIGINT)

    def restart(self, *, immediately: bool = False) -> None:
        """Stop and start."""
        self.stop(immediately=immediately)
        self.start()

    def kill(self) -> None:
        """Kill the server's first process; the others end by themselves when they notice."""
        self._end(signal.SIGKILL)

    def crash(self) -> None:
        """Kill a process that serves somebody, as the kernel does when memory runs out; the server starts itself anew.

        Nothing else tells of that: it is the same server, with the same moment of its start.
        """
        assert self._process is not None
        for child in self._children():
            with suppress(OSError):
                if b" 127.0.0.1(" in Path(f"/proc/{child}/cmdline").read_bytes():
                    os.kill(child, signal.SIGKILL)
                    return

    def kill_all(self) -> None:
        """Kill all its processes at once, as a host that goes down does."""
        assert self._process is not None
        children = self._children()
        self._process.send_signal(signal.SIGSTOP)  # or it would end the others in its own way first
        for child in children:
            with suppress(OSError):
                os.kill(child, signal.SIGKILL)
        self.kill()

    def _children(self) -> list[int]:
        assert self._process is not None
        return [
            int(child)
            for child in Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        ]

    def log(self) -> str:
        """Return what the server wrote."""
        return (self.folder / "log").read_text(errors="replace") if (self.folder / "log").exists() else ""

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement, outside a transaction, and return its rows."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """Make a database, yield its URL, and drop it with whoever is still connected."""
        name = f"test_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.url(name)
        finally:
            self.start()  # a test may have left it stopped
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _spawn(self) -> subprocess.Popen[bytes]:
        settings = {**self._settings, "port": str(self.port), "unix_socket_directories": str(self.folder)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(self._binaries / "postgres"), "-D", str(self.folder / "data"), *options]
        with (self.folder / "log").open("ab") as log:
            # A session of its own: ctrl-c in a terminal ends the tests, which then stop the server.
            return subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=log, start_new_session=True, **_unprivileged()
            )

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            return False
        command = [str(self._binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        self._process.wait(STOP_SECONDS)
        self._process = None


@contextmanager
def running_server(**settings: str) -> Iterator[PostgresServer]:
    """Run a server in a folder that goes away with it."""
    binaries = _binaries()
    if binaries is None:
        missing("PostgreSQL is not installed (no initdb and postgres in one folder); apt install postgresql")
    # pytest's own folder is closed to other users, and its name is too long for a socket on some systems.
    folder = Path(tempfile.mkdtemp(prefix="pullwright-pg-"))
    server = PostgresServer(binaries, folder, **settings)
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.stop(immediately=True)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def transaction_pooler(server: PostgresServer) -> Iterator[Callable[[str], str]]:
    """Run PgBouncer in transaction mode; yields what makes the URL of a database through it."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        missing("PgBouncer is not installed; apt install pgbouncer")
    port = _free_port()
    settings = f"""[databases]
* = host=127.0.0.1 port={server.port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
ignore_startup_parameters = extra_float_digits
"""
    file = server.folder / "pgbouncer.ini"
    file.write_text(settings)
    with (server.folder / "pgbouncer.log").open("ab") as log:
        process = subprocess.Popen([program, str(file)], stdout=log, stderr=log, cwd=server.folder, **_unprivileged())
    try:
        _wait_for_port(port)
        yield lambda url: url.replace(f":{server.port}/", f":{port}/")
    finally:
        process.kill()
        process.wait(STOP_SECONDS)


@pytest.fixture(scope="session")
def shared_postgres() -> Iterator[PostgresServer]:
    """The session's server; do not stop it, other tests use it (``postgres_of_its_own`` may be)."""
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_template(shared_postgres: PostgresServer) -> str:
    """The name of a database with the tables of this release and no rows."""
    from pullwright.agents.queue.migrations import upgrade

    shared_postgres.execute("CREATE DATABASE migrated")
    upgrade(shared_postgres.url("migrated"))
    return "migrated"


@pytest.fixture
def postgres_url(shared_postgres: PostgresServer, migrated_template: str) -> Iterator[str]:
    """The URL of a fresh database with the tables of this release."""
    with shared_postgres.database(migrated_template) as url:
        yield url


@pytest.fixture
def empty_postgres_url(shared_postgres: PostgresServer) -> Iterator[str]:
    """The URL of a fresh database without any table."""
    with shared_postgres.database() as url:
        yield url


@pytest.fixture
def postgres_of_its_own() -> Iterator[PostgresServer]:
    """A server that the test may stop, restart and kill."""
    with running_server() as server:
        yield server


def _binaries() -> Path | None:
    folders = []
    with suppress(OSError):
        asked = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=False)
        folders.append(Path(asked.stdout.strip()))
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name, reverse=True)
    found = shutil.which("postgres")
    if found:
        folders.append(Path(found).resolve().parent)
    return next((path for path in folders if all((path / name).exists() for name in ("initdb", "postgres"))), None)


def _account() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise AssertionError("PostgreSQL does not run as root, and there is no user 'postgres' or 'nobody'")


def _unprivileged() -> dict[str, Any]:
    """Return what ``subprocess`` needs to start a program that may not be root's."""
    if os.geteuid() != 0:
        return {}
    account = _account()
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _wait_for_port(port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(STEP_SECONDS)
    raise AssertionError(f"nothing listens on port {port}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
