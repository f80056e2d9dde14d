from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pullwright.agents.egress import EgressMode, EgressPolicy
from pullwright.agents.environment import PLAIN, Environment
from pullwright.agents.errors import ConfigError
from pullwright.agents.ports.sandbox import Base
from pullwright.sandbox.environment_file import ENVIRONMENT_FILE, MAX_BYTES, EnvironmentReader, parse_environment

pytestmark = [pytest.mark.anyio]
BASE = Base(mirror=Path("/nonexistent"), ref="main", sha="0" * 40)


class Files(dict[str, bytes]):
    async def read_file(self, base: Base, path: str, *, limit: int) -> bytes | None:
        return self[path][:limit] if path in self else None


async def read(files: dict[str, bytes]) -> Environment:
    return await EnvironmentReader(Files(files)).read(BASE)


async def test_no_file_is_the_plain_environment() -> None:
    assert await read({"README.md": b"x"}) == PLAIN


async def test_an_empty_file_changes_nothing_but_the_source() -> None:
    assert await read({ENVIRONMENT_FILE: b""}) == Environment(source=ENVIRONMENT_FILE)


async def test_everything_that_can_be_said() -> None:
    content = b"""
    image = "python"
    setup = "pip install -e ."
    setup_minutes = 20
    setup_required = false
    setup_egress = "open"
    lockfiles = ["./a/uv.lock"]
    caches = ["~/.cache/uv", "/var/cache/apt/archives"]
    egress = "allowlist"
    allow = ["Files.Example.com"]
    checks = ["pytest -q"]
    allow_paths = [".github/workflows/*"]
    [variables]
    B = "2"
    A = "1"
    """
    assert await read({ENVIRONMENT_FILE: content}) == Environment(
        source=ENVIRONMENT_FILE,
        image="python:latest",
        setup="pip install -e .",
        setup_seconds=1200.0,
        setup_required=False,
        setup_egress=EgressPolicy(mode=EgressMode.OPEN),
        lockfiles=("a/uv.lock",),
        caches=("~/.cache/uv", "/var/cache/apt/archives"),
        variables=(("A", "1"), ("B", "2")),
        egress=EgressPolicy(mode=EgressMode.ALLOWLIST, hosts=("files.example.com",)),
        checks=("pytest -q",),
        allow_paths=(".github/workflows/*",),
    )


async def test_what_the_instance_says_counts_where_the_repository_is_silent() -> None:
    none, listed = EgressPolicy(mode=EgressMode.NONE), EgressPolicy(mode=EgressMode.ALLOWLIST, hosts=("a.example",))

    async def of(files: dict[str, bytes], egress: EgressPolicy) -> Environment:
        return await EnvironmentReader(Files(files), egress=egress, allow_paths=("a",)).read(BASE)

    for files in ({}, {ENVIRONMENT_FILE: b""}, {".devcontainer.json": b"{}"}, {".devcontainer.json": b"x"}):
        found = await of(files, listed)
        assert (found.egress, found.setup_egress, found.allow_paths) == (listed, listed, ("a",))
    own = await of({ENVIRONMENT_FILE: b"egress = 'packages'\nallow_paths = ['b']"}, none)
    assert (own.egress, own.setup_egress, own.allow_paths) == (EgressPolicy(), none, ("a", "b"))


async def test_a_script_in_the_repository() -> None:
    file = b'setup_file = ".agent/setup.sh"\n'
    assert (await read({ENVIRONMENT_FILE: file, ".agent/setup.sh": b"make deps\n"})).setup == "make deps\n"
    with pytest.raises(ConfigError, match="no file of the base commit"):
        await read({ENVIRONMENT_FILE: file})
    for script in (b"\0", b"\xff", b"x" * (MAX_BYTES + 1)):
        with pytest.raises(ConfigError, match="no text of at most"):
            await read({ENVIRONMENT_FILE: file, ".agent/setup.sh": script})


async def test_the_own_file_goes_before_a_devcontainer() -> None:
    devcontainer = b'{"image": "other"}'
    files = {".devcontainer/devcontainer.json": devcontainer, ".devcontainer.json": b'{"image": "third"}'}
    assert (await read({**files, ENVIRONMENT_FILE: b'image = "one"'})).image == "one:latest"
    assert (await read(files)).image == "other:latest"
    assert (await read({".devcontainer.json": b'{"image": "third"}'})).source == ".devcontainer.json"
    large = await read({".devcontainer.json": b" " * (MAX_BYTES + 1)})
    assert (large.source, len(large.notices)) == ("", 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("imagee = 'x'", "'imagee' is no key of it: use one of image, dockerfile"),
        ("image = 3", "image Input should be a valid string"),
        ("image = 'UPPER CASE'", "image is no image name"),
        ("image = 'https://x/y'", "image is no image name"),
        ("image = 'x'\ndockerfile = 'Dockerfile'", "image and dockerfile exclude each other"),
        ("dockerfile = '/etc/passwd'", "dockerfile is no path inside the repository"),
        ("dockerfile = '.git/config'", "dockerfile is no path inside the repository"),
        ("context = '../..'", "context is no path inside the repository"),
        ("setup = 'x'\nsetup_file = 'y'", "setup and setup_file exclude each other"),
        ("setup_minutes = '5'", "setup_minutes Input should be a valid number"),
        ("setup_minutes = nan", "setup_minutes"),
        ("setup_minutes = 0", "setup_minutes Input should be greater than 0"),
        ("setup_required = 1", "setup_required Input should be a valid boolean"),
        ("lockfiles = ['a', 'b/../../c']", r"lockfiles\[1\] is no path inside the repository"),
        ("caches = ['/etc']", r"caches\[0\] can not be a cache"),
        ("caches = ['/var/cache/../../etc']", r"caches\[0\] can not be a cache"),
        ("caches = ['/opt/pullwright/home']", r"caches\[0\] can not be a cache"),
        ("egress = 'all'", "egress Input should be 'none', 'packages', 'allowlist' or 'open'"),
        ("egress = 'allowlist'", "allow names the hosts of egress"),
        ("allow = ['example.com']", "allow names the hosts of egress"),
        ("setup_allow = ['example.com']", "setup_allow names the hosts of setup_egress"),
        ("egress = 'allowlist'\nallow = ['*.example.com']", r"allow\[0\] is no exact host name"),
        ("egress = 'allowlist'\nallow = ['https://example.com']", r"allow\[0\] is no exact host name"),
        ("egress = 'allowlist'\nallow = ['example.com:443']", r"allow\[0\] is no exact host name"),
        ("egress = 'allowlist'\nallow = ['10.0.0.1']", r"allow\[0\] is no exact host name"),
        ("egress = 'allowlist'\nallow = ['localhost']", r"allow\[0\] is no exact host name"),
        ("checks = 'pytest'", "checks Input should be a valid list"),
        ("checks = [' ']", r"checks\[0\]"),
        ("variables = {LD_PRELOAD = 'x'}", "'LD_PRELOAD' may not be set"),
        ("variables = {https_proxy = 'x'}", "'https_proxy' may not be set"),
        ("variables = {'A B' = 'x'}", "'A B' is no name of a variable"),
        ("variables = {A = 1}", r"variables\[A\] Input should be a valid string"),
        ("image = ", "is no valid TOML"),
        ("x = " + "[" * 5000, "is no valid TOML"),
        ("#" * (MAX_BYTES + 1), "has more than"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(content: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_environment(content.encode())
    assert str(caught.value).startswith(ENVIRONMENT_FILE)
    assert "\n" not in str(caught.value)


_KEYS = st.sampled_from(
    ["image", "dockerfile", "setup", "setup_minutes", "allow", "caches", "variables", "egress", "x"]
)
_VALUES = st.sampled_from(["1", "nan", "true", "''", "'a'", "[]", "['a']", "[1]", "{}", "{a = 'b'}", "1979-05-27", "'"])


@given(st.lists(st.tuples(_KEYS, _VALUES), max_size=4))
@example([("image", "'\x00'")])
def test_any_file_is_read_or_refused(lines: list[tuple[str, str]]) -> None:
    try:
        environment, _ = parse_environment("\n".join(f"{key} = {value}" for key, value in lines).encode())
    except ConfigError as exc:
        assert str(exc).isprintable()
    else:
        assert environment.source == ENVIRONMENT_FILE


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        parse_environment(content)
    except ConfigError as exc:
        assert str(exc).isprintable()


@given(st.text(max_size=80), st.sampled_from(["image", "dockerfile", "context", "setup_file"]))
def test_no_text_gets_out_of_the_repository(text: str, key: str) -> None:
    quoted = '"' + "".join(f"\\U{ord(char):08x}" for char in text if not 0xD800 <= ord(char) < 0xE000) + '"'
    try:
        environment, setup_file = parse_environment(f"{key} = {quoted}".encode())
    except ConfigError:
        return
    for path in (environment.dockerfile, environment.context, setup_file):
        assert not path.startswith("/")
        assert ".." not in path.split("/")
