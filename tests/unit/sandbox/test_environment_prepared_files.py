from __future__ import annotations

import base64
import os
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.sandbox.prepared_files import MAX_LIST, MAX_PATHS, collides, decode_paths, encode_paths, take


def lay_out(root: Path, files: dict[str, str]) -> Path:
    root.mkdir()
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def contents(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in sorted(root.rglob("*")) if path.is_file()}


def test_only_what_is_new_is_taken(tmp_path: Path) -> None:
    base = lay_out(tmp_path / "base", {"a": "1", "src/b": "1", ".git/config": "x", "gone": "1", "lib/c": "1"})
    files = {"a": "changed", "src/b": "changed", "src/gen/x": "new", "node_modules/p/index.js": "new", "src/z": "new"}
    source = lay_out(tmp_path / "source", {**files, ".git/config": "evil", "lib/c": "changed", "src/.git/x": "new"})
    (source / "link").symlink_to("/etc/passwd")
    os.mkfifo(source / "pipe")
    target = tmp_path / "target"
    assert take(source, base, target) == ["link", "node_modules/", "src/.git/", "src/gen/", "src/z"]
    assert contents(target) == {
        "node_modules/p/index.js": "new",
        "src/.git/x": "new",
        "src/gen/x": "new",
        "src/z": "new",
        "link": Path("/etc/passwd").read_text(),
    }
    assert (target / "link").is_symlink()
    assert not (target / "lib").exists()
    assert (target / "src/z").stat().st_ino == (source / "src/z").stat().st_ino


@pytest.mark.parametrize("replaced", ["file", "link"])
def test_what_took_the_place_of_a_tracked_folder_stays_away(tmp_path: Path, replaced: str) -> None:
    base = lay_out(tmp_path / "base", {"folder/a": "1", "file": "1"})
    source = lay_out(tmp_path / "source", {"file/below": "new"})
    if replaced == "file":
        (source / "folder").write_text("x")
    else:
        (source / "folder").symlink_to("/")
    assert take(source, base, tmp_path / "target") == []
    assert contents(tmp_path / "target") == {}


def test_modes_are_kept(tmp_path: Path) -> None:
    base = lay_out(tmp_path / "base", {"src/a": "1"})
    source = lay_out(tmp_path / "source", {"cache/m": "x", "src/new": "x", "src/a": "1"})
    (source / "cache/m").chmod(0o444)
    (source / "cache").chmod(0o555)
    (source / "src").chmod(0o700)
    (base / "src").chmod(0o755)
    take(source, base, tmp_path / "target")
    modes = {path: (tmp_path / "target" / path).stat().st_mode & 0o777 for path in ("cache", "cache/m", "src")}
    assert modes == {"cache": 0o555, "cache/m": 0o444, "src": 0o755}


@given(st.lists(st.binary(min_size=1, max_size=20).filter(lambda path: b"\0" not in path), max_size=20))
def test_paths_come_back(raw: list[bytes]) -> None:
    paths = [path.decode("utf-8", "surrogateescape") for path in raw]
    assert decode_paths(encode_paths(paths)) == tuple(paths)


@given(st.text(max_size=100))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        decode_paths(text)
    except ValueError:
        return


def test_a_list_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="10001 paths"):
        encode_paths(["x"] * (MAX_PATHS + 1))
    bomb = base64.b64encode(zlib.compress(b"x" * (MAX_LIST + 1))).decode()
    with pytest.raises(ValueError, match="too long"):
        decode_paths(bomb)


@pytest.mark.parametrize(
    ("tracked", "expected"),
    [
        (b"src/a", False),
        (b"node_modules", True),
        (b"node_modules/p/x", True),
        (b"node_modules2", False),
        (b"src/gen", True),
        (b"src", True),
        (b"src/gen.c", False),
    ],
)
def test_what_is_in_the_way_of_a_commit(tracked: bytes, expected: bool) -> None:
    assert collides(("node_modules/", "src/gen/x"), {tracked: b"0"}) is expected


def test_nothing_prepared_is_never_in_the_way() -> None:
    assert not collides((), {b"a": b"0"})
