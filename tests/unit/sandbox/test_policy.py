from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.sandbox.policy import (
    MIB,
    ChangedTree,
    Policy,
    PolicyLimits,
    is_program,
    notices,
    refuse_contents,
    refuse_paths,
    refuse_sizes,
)
from pullwright.sandbox.policy_paths import AllowedPaths
from pullwright.sandbox.policy_tree import NOTHING, TreeChange, TreeEntry, parse_raw, parse_tree
from pullwright.sandbox.secret_scan import SecretScanner

POLICY = Policy()
ELF = b"\x7fELF\x02\x01"
PE = b"MZ" + b"\0" * 58 + b"\x50\0\0\0" + b"\0" * 16 + b"PE\0\0"


def change(path: bytes, old: str = NOTHING, new: str = "100644", *, blobs: tuple[str, str] = ("0", "1")) -> TreeChange:
    return TreeChange(old_mode=old, new_mode=new, old_blob=blobs[0] * 40, new_blob=blobs[1] * 40, status="?", path=path)


Side = tuple[str, bytes] | bytes


def tree(old: Mapping[bytes, Side], new: Mapping[bytes, Side]) -> ChangedTree:
    """Return the change from one set of files to another; a file is its content, or its mode and content."""
    blobs: dict[str, bytes] = {}

    def put(files: Mapping[bytes, Side]) -> dict[bytes, TreeEntry]:
        found = {}
        for path, side in files.items():
            mode, content = side if isinstance(side, tuple) else ("100644", side)
            sha = hashlib.sha1(content, usedforsecurity=False).hexdigest()
            blobs[sha] = content
            found[path] = TreeEntry(mode=mode, blob=sha, path=path)
        return found

    before, after = put(old), put(new)
    nothing = TreeEntry(mode=NOTHING, blob="0" * 40, path=b"")
    changes = [
        TreeChange(old_mode=one.mode, new_mode=two.mode, old_blob=one.blob, new_blob=two.blob, status="?", path=path)
        for path in sorted({*before, *after})
        if (one := before.get(path, nothing)) != (two := after.get(path, nothing))
    ]
    return ChangedTree(changes=changes, entries=tuple(after.values()), blobs=blobs)


def link(target: bytes) -> tuple[str, bytes]:
    return "120000", target


def contents(old: Mapping[bytes, Side], new: Mapping[bytes, Side], policy: Policy = POLICY) -> str:
    return refuse_contents(policy, tree(old, {**old, **new})) or ""


def test_raw_lines_and_trees_are_read_with_any_path() -> None:
    paths = [b"a", b"with space", b'quo"te', b"new\nline", b"tab\t", b"\xff\xfe", b":colon"]
    raw = b"".join(b":000000 100644 " + b"0" * 40 + b" " + b"1" * 40 + b" A\0" + path + b"\0" for path in paths)
    assert [found.path for found in parse_raw(raw)] == paths
    listed = b"".join(b"100644 blob " + b"1" * 40 + b"\t" + path + b"\0" for path in paths)
    assert [found.path for found in parse_tree(listed)] == paths
    assert (parse_raw(b""), parse_tree(b"")) == ((), ())


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (change(b"vendor", new="160000"), "git repository inside"),
        (change(b"sub", "160000", "160000"), "submodule"),
        (change(b"sub", "160000", NOTHING), "submodule"),
        (change(b"sub", "160000"), "submodule"),
        (change(b".gitmodules", "100644"), "submodules come from"),
        (change(b"deep/.GitModules"), "submodules come from"),
        (change(b".gitmodules ."), "submodules come from"),
        (change(b"gitmod~1"), "submodules come from"),
        (change(".git\u200cmodules".encode()), "submodules come from"),
        (change(b"odd", new="100600"), "mode 100600"),
        (change(b".github/workflows/ci.yml"), "is a CI definition: an owner can allow it with allow_paths"),
        (change(b".npmrc", "100644", NOTHING), "where packages come from"),
    ],
)
def test_what_could_reach_out_is_refused_by_its_name(one: TreeChange, reason: str) -> None:
    assert reason in (refuse_paths(POLICY, [change(b"fine"), one]) or "")


def test_nothing_that_is_allowed_lets_a_repository_or_submodules_out() -> None:
    policy = Policy(allowed=AllowedPaths(["*", "**", ".gitmodules", "vendor", "out"]))
    assert refuse_paths(policy, [change(b".github/workflows/ci.yml"), change(b"CODEOWNERS")]) is None
    for one in (change(b"vendor", new="160000"), change(b".gitmodules")):
        assert refuse_paths(policy, [one])
    assert "leaves" in contents({}, {b"out": link(b"/etc")}, policy)


def test_too_many_files_are_refused() -> None:
    policy = Policy(limits=PolicyLimits(files=2))
    assert refuse_paths(policy, [change(b"%d" % number) for number in range(2)]) is None
    assert "ignore generated" in (refuse_paths(policy, [change(b"%d" % number) for number in range(3)]) or "")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (0, 5 * MIB, ""),
        (0, 5 * MIB + 1, "'f' has 5.0 MiB, more than 5.0 MiB"),
        (20 * MIB, 21 * MIB, ""),
        (20 * MIB, 0, ""),
        (20 * MIB, 26 * MIB, "26.0 MiB"),
        (32 * MIB, 33 * MIB, "leave large files alone"),
    ],
)
def test_a_file_may_grow_so_far(old: int, new: int, reason: str) -> None:
    one = change(b"f", "100644", blobs=("1", "2"))
    found = refuse_sizes(POLICY, [one], {"1" * 40: old, "2" * 40: new})
    assert reason in (found or "")
    assert bool(found) == bool(reason)


def test_all_files_together_may_grow_so_far_and_links_are_short() -> None:
    many = [change(b"%d" % number, blobs=("0", f"{number:x}")) for number in range(1, 9)]
    sizes = {f"{number:x}" * 40: 4 * MIB for number in range(1, 9)}
    assert refuse_sizes(POLICY, many, sizes) is None
    more = [*many, change(b"l", new="120000", blobs=("0", "a"))]
    assert "adds 32.0 MiB" in (refuse_sizes(POLICY, more, {**sizes, "a" * 40: 1}) or "")
    assert "link of 4097 bytes" in (refuse_sizes(POLICY, more[-1:], {"a" * 40: 4097}) or "")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ({}, {b"l": link(b"a")}, ""),
        ({}, {b"l": link(b"/etc/passwd")}, "'l' is a link that leaves"),
        ({b"out": link(b"/etc")}, {b"l": link(b"out/passwd")}, "'l' is a link that leaves"),
        ({b"out": link(b"/etc")}, {b"a": b"x"}, ""),
        ({b"out": link(b"/etc")}, {b"l": link(b"a")}, ""),
        ({b"a/b/x": b"", b"l": link(b"a/b/../../x")}, {b"a/b": link(b"../z"), b"a/b/x": (NOTHING, b"")}, "'l' is"),
        ({}, {b"d": link(b"e"), b"e": link(b"..")}, "'d' is a link that leaves"),
        ({}, {b"d": link(b"e"), b"e": link(b"d")}, "is a link that leaves"),
    ],
    ids=range(8),
)
def test_links_are_followed_through_each_other(
    old: Mapping[bytes, Side], new: Mapping[bytes, Side], reason: str
) -> None:
    after = {path: side for path, side in {**old, **new}.items() if side != (NOTHING, b"")}
    found = refuse_contents(POLICY, tree(old, after)) or ""
    assert reason in found
    assert bool(found) == bool(reason)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ([], ["new\nline"], "control character"),
        ([], ["bidi\u202eexe.txt"], "control character"),
        (["odd\tdir/a"], ["odd\tdir/b"], ""),
        (["a\nb"], [], ""),
        (["Read.me"], ["read.ME"], "'read.ME' differs from 'Read.me' only by case"),
        (["docs/a"], ["Docs/b"], "'Docs' differs from 'docs' only by case"),
        (["docs"], ["Docs/b"], "only by case"),
        (["A", "a"], ["b"], ""),
        (["\u00e9"], ["e\u0301"], "only by case"),
        ([], ["same", "SAME"], "only by case"),
        ([], ["con", "trailing.", "a:b"], ""),
    ],
)
def test_new_names(old: list[str], new: list[str], reason: str) -> None:
    found = contents({name.encode(): b"x" for name in old}, {name.encode(): b"y" for name in new})
    assert reason in found
    assert bool(found) == bool(reason)


def test_a_name_may_change_its_case() -> None:
    assert refuse_contents(POLICY, tree({b"Read.me": b"x", b"Docs/a": b""}, {b"read.ME": b"x", b"docs/a": b""})) is None


def test_programs_are_refused_when_they_are_new() -> None:
    for program in (ELF, PE, b"\xcf\xfa\xed\xfe\x07", b"\xca\xfe\xba\xbe\0\0\0\x41"):
        assert "compiled program" in contents({}, {b"tool": program})
        assert "compiled program" in contents({b"tool": b"#!/bin/sh\n"}, {b"tool": program})
        assert contents({b"tool": ELF}, {b"tool": program}) == ""
        assert contents({}, {b"bin/tool": program}, Policy(allowed=AllowedPaths(["/bin/"]))) == ""
    assert not is_program(b"MZ is how this text begins, and it goes on for some time after that, you see")


def test_a_lock_file_does_not_name_the_gateway_of_the_sandbox() -> None:
    line = b'"resolved": "http://127.0.0.1:3128/npm/x.tgz"\n'
    assert "line 2 of 'web/package-lock.json' names the sandbox's own" in contents(
        {}, {b"web/package-lock.json": b"{\n" + line}
    )
    assert contents({b"uv.lock": line}, {b"uv.lock": line + b"more\n" + line.replace(b"x", b"y")}) == ""
    assert contents({}, {b"docs/setup.md": line}) == ""


def test_secrets_are_named_by_place_and_kind_and_never_quoted() -> None:
    token = b"ghp_" + b"aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hJ6"
    found = contents({b"a": b"1\n"}, {b"a": b"1\n2\nkey = " + token + b"\n"})
    assert found.startswith("line 3 of 'a' holds what looks like a GitHub token")
    assert token.decode() not in found
    assert contents({b"a": token + b"\n"}, {b"a": b"x" + token + b"\n", b"moved": token}) == ""
    assert "the name of a file" in (refuse_paths(POLICY, [change(b"d/" + token)]) or "")


def test_our_own_secrets_are_found_in_every_form() -> None:
    policy = Policy(scanner=SecretScanner(["correct horse battery"]))
    for form in (b"correct horse battery", b"correct%20horse%20battery", b"Y29ycmVjdCBob3JzZSBiYXR0ZXJ5"):
        assert "line 1 of 'a' holds what looks like a secret of this installation" in contents({}, {b"a": form}, policy)


def test_notices_are_one_line_each_and_name_a_few_paths() -> None:
    files: dict[bytes, Side] = {b"run.sh": b"", b"tool": ELF, b"con": b"", b".gitattributes": b"* -diff\n"}
    new: dict[bytes, Side] = {b"run.sh": ("100755", b""), b"tool": ELF + b"2", b"uv.lock": b"", b"\xfe new": b""}
    more: dict[bytes, Side] = {b"m%d/Dockerfile" % number: b"" for number in range(7)}
    lines = notices(tree(files, {**files, **new, **more, b".github/workflows/x.yml": b"", b"x/aux.c": b""}))
    assert lines == (
        "changes a CI definition, as an owner allowed: '.github/workflows/x.yml'",
        "changes compiled programs: 'tool'",
        "changes container images: 'm0/Dockerfile', 'm1/Dockerfile', 'm2/Dockerfile', 'm3/Dockerfile', "
        "'m4/Dockerfile' and 2 more",
        "changes lock files: 'uv.lock'",
        "makes executable: 'run.sh'",
        "names that some systems can not hold: 'x/aux.c', '\\\\xfe new'",
    )
    assert notices(tree({}, {b"ordinary": b""})) == ()


names = st.binary(min_size=1, max_size=12).filter(lambda name: b"\0" not in name)


@given(
    st.dictionaries(names, st.binary(max_size=50), max_size=6),
    st.dictionaries(names, st.binary(max_size=50), max_size=6),
)
def test_any_change_is_judged_in_one_line(old: dict[bytes, bytes], new: dict[bytes, bytes]) -> None:
    made = tree(old, new)
    for line in (refuse_paths(POLICY, made.changes), refuse_contents(POLICY, made), *notices(made)):
        assert line is None or line.isprintable()
