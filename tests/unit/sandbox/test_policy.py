from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.sandbox.policy import MOST_FILES, TreeChange, escapes, links, parse_raw, refusal


def change(path: bytes, old: str = "000000", new: str = "100644", status: str = "A") -> TreeChange:
    return TreeChange(old_mode=old, new_mode=new, new_blob="1" * 40, status=status, path=path)


def test_raw_lines_are_read_with_any_path() -> None:
    paths = [b"a", b"with space", b'quo"te', b"new\nline", b"tab\t", b"\xff\xfe", b":colon"]
    raw = b"".join(b":000000 100644 " + b"0" * 40 + b" " + b"1" * 40 + b" A\0" + path + b"\0" for path in paths)
    assert [found.path for found in parse_raw(raw)] == paths
    assert parse_raw(b"") == ()


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (change(b"vendor", new="160000"), "git repository inside"),
        (change(b"sub", old="160000", new="160000", status="M"), "submodule"),
        (change(b"sub", old="160000", new="000000", status="D"), "submodule"),
        (change(b"sub", old="160000", status="T"), "submodule"),
        (change(b".gitmodules", status="M"), "submodules come from"),
        (change(b"deep/.GitModules"), "submodules come from"),
    ],
)
def test_what_could_reach_out_is_refused(one: TreeChange, reason: str) -> None:
    assert reason in (refusal([change(b"fine"), one], {}) or "")


def test_ordinary_changes_pass() -> None:
    changes = [change(b"a"), change(b"b", old="100644", new="000000", status="D"), change(b"l", new="120000")]
    assert refusal(changes, {b"l": b"a"}) is None
    assert [link.path for link in links(changes)] == [b"l"]


def test_a_link_whose_target_is_unknown_is_refused() -> None:
    assert "link" in (refusal([change(b"l", new="120000")], {}) or "")


def test_too_many_files_are_refused() -> None:
    assert "files" in (refusal([change(b"%d" % number) for number in range(MOST_FILES + 1)], {}) or "")


@pytest.mark.parametrize(
    ("path", "target", "out"),
    [
        (b"l", b"a/b", False),
        (b"d/l", b"../a", False),
        (b"d/l", b"../../a", True),
        (b"l", b"/etc/passwd", True),
        (b"l", b"..", True),
        (b"l", b".git/config", True),
        (b"d/l", b"../.GIT/hooks", True),
        (b"l", b"", True),
        (b"a/b/l", b"../../c/../..", True),
        (b"l", b"..hidden", False),
        (b"l", b"a\0b", True),
    ],
    ids=range(11),
)
def test_where_links_may_point(path: bytes, target: bytes, out: bool) -> None:
    assert escapes(path, target) is out


@given(st.lists(st.sampled_from([b"..", b"a", b".", b"b"]), min_size=1), st.integers(0, 4))
def test_a_link_stays_inside_exactly_when_no_step_of_it_ends_above_the_root(parts: list[bytes], depth: int) -> None:
    level = depth
    for part in parts:
        level += {b"..": -1, b".": 0}.get(part, 1)
    path = b"/".join([b"d"] * depth + [b"l"])
    if level < 0:
        assert escapes(path, b"/".join(parts))
