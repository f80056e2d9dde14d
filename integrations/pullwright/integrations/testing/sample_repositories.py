"""Repositories of every shape that people have, each with an issue and the edit that settles it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pullwright.integrations.testing.bare_repository import EXECUTABLE, GITLINK, SYMLINK, TreeFile
from pullwright.integrations.testing.sample import Edit, SampleIssue, SampleRepository
from pullwright.integrations.testing.sample_invoice import invoice

SUBMODULE_COMMIT = b"1234567890abcdef1234567890abcdef12345678"

_PIXEL = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\x00\x05\x00\x01\xff\x89\x99=\x1d\x00\x00\x00\x00IEND\xaeB`\x82"
)


def _readme(text: str) -> TreeFile:
    return TreeFile(b"README.md", text.encode())


def javascript() -> SampleRepository:
    """Return a small JavaScript package with a missing escape."""
    source = b"""\
/** Turn a title into the last part of an address. */
export function slug(title) {
  return title.toLowerCase().replace(" ", "-");
}
"""
    test = b"""\
import assert from "node:assert";
import test from "node:test";
import { slug } from "../src/slug.js";

test("all blanks become dashes", () => assert.equal(slug("One Two Three"), "one-two-three"));
"""
    manifest = b'{\n  "name": "slug",\n  "type": "module",\n  "scripts": { "test": "node --test" }\n}\n'
    return SampleRepository(
        name="javascript",
        files=(
            _readme("# slug\n\nRun `npm test`.\n"),
            TreeFile(b"package.json", manifest),
            TreeFile(b"src/slug.js", source),
            TreeFile(b"test/slug.test.js", test),
            TreeFile(b"bin/release.sh", b"#!/bin/sh\nexec npm publish\n", EXECUTABLE),
        ),
        issue=SampleIssue(
            number=7, title="Only the first blank becomes a dash", body="`slug('a b c')` gives `a-b c`, not `a-b-c`."
        ),
        edits=(Edit(b"src/slug.js", b'.replace(" ", "-")', b'.replaceAll(" ", "-")'),),
        check="node --test",
    )


def windows_line_ends() -> SampleRepository:
    """Return text files that end their lines with CR LF, one of them mixed."""
    return SampleRepository(
        name="windows-line-ends",
        files=(
            _readme("# Settings\n"),
            TreeFile(b".gitattributes", b"*.bat -text\n*.ini -text\n"),
            TreeFile(b"settings.ini", b"[server]\r\nport=80\r\nhost=localhost\r\n"),
            TreeFile(b"start.bat", b"@echo off\r\nrem start\r\nserver.exe --port 80\r\n"),
            TreeFile(b"mixed.txt", b"one\r\ntwo\nthree\r\nlast line without an end"),
        ),
        issue=SampleIssue(number=3, title="Use port 8080", body="The port in `settings.ini` must be 8080."),
        edits=(Edit(b"settings.ini", b"port=80\r\n", b"port=8080\r\n"),),
    )


def binary_files() -> SampleRepository:
    """Return a picture, a file with NUL bytes and one that is text in an old encoding."""
    return SampleRepository(
        name="binary-files",
        files=(
            _readme("# Pictures\n"),
            TreeFile(b"logo.png", _PIXEL),
            TreeFile(b"table.dat", bytes(range(256)) * 64),
            TreeFile(b"latin1.txt", "Größe: 5 µm\n".encode("latin-1")),
            TreeFile(b"utf16.txt", "Grüße\n".encode("utf-16")),
        ),
        issue=SampleIssue(number=5, title="The unit is wrong", body="`latin1.txt` should say 6, not 5."),
        edits=(Edit(b"latin1.txt", b": 5 ", b": 6 "),),
    )


def symbolic_links() -> SampleRepository:
    """Return links of every kind: good ones, dangling, absolute, out of the tree, and to each other."""
    links = {
        b"current.txt": b"docs/guide.txt",
        b"docs/up.txt": b"../README.md",
        b"folder": b"docs",
        b"dangling": b"no/such/file",
        b"absolute": b"/etc/passwd",
        b"escaping": b"../../../../etc/passwd",
        b"docs/escaping-folder": b"../..",
        b"loop-a": b"loop-b",
        b"loop-b": b"loop-a",
    }
    return SampleRepository(
        name="symbolic-links",
        files=(
            _readme("# Links\n"),
            TreeFile(b"docs/guide.txt", b"Read this guid first.\n"),
            *(TreeFile(path, target, SYMLINK) for path, target in links.items()),
        ),
        issue=SampleIssue(number=9, title="Typing error in the guide", body="`guid` should be `guide`."),
        edits=(Edit(b"docs/guide.txt", b"guid first", b"guide first"),),
    )


def submodule() -> SampleRepository:
    """Return a repository with a submodule that nobody can fetch."""
    modules = b'[submodule "vendor/parser"]\n\tpath = vendor/parser\n\turl = https://example.invalid/parser.git\n'
    return SampleRepository(
        name="submodule",
        files=(
            _readme("# With a submodule\n"),
            TreeFile(b".gitmodules", modules),
            TreeFile(b"vendor/parser", SUBMODULE_COMMIT, GITLINK),
            TreeFile(b"version.txt", b"1.0\n"),
        ),
        issue=SampleIssue(number=2, title="Set the version to 1.1", body="In `version.txt`."),
        edits=(Edit(b"version.txt", b"1.0", b"1.1"),),
    )


def strange_names() -> SampleRepository:
    """Return files whose names are legal and unpleasant."""
    names = (
        b"with space.txt",
        b'with"quote.txt',
        b"with'apostrophe.txt",
        b"with\nnewline.txt",
        b"with\ttab.txt",
        b"with\\backslash.txt",
        b"not-utf8-\xff\xfe.txt",
        b"-leading-dash.txt",
        b"--help",
        "größe-日本語-😀.txt".encode(),
        "e\u0301-decomposed.txt".encode(),
        b"$(touch owned).txt",
        b";semicolon & ampersand.txt",
        b"*.glob?[a].txt",
        b"folder with space/ leading and trailing ",
        b"a" * 200 + b".txt",
    )
    return SampleRepository(
        name="strange-names",
        files=(_readme("# Names\n"), *(TreeFile(name, b"content of %d\n" % n) for n, name in enumerate(names))),
        issue=SampleIssue(number=11, title="Change the file with a blank", body="`with space.txt` should say 100."),
        edits=(
            Edit(b"with space.txt", b"content of 0", b"content of 100"),
            Edit(b"not-utf8-\xff\xfe.txt", b"content of 6", b"content of 600"),
            Edit(b"--help", b"content of 8", b"content of 800"),
        ),
    )


def many_files() -> SampleRepository:
    """Return five thousand files in a hundred folders, one of which is wrong."""
    files = [TreeFile(b"src/part%02d/item%02d.txt" % (n // 50, n % 50), b"value = %d\n" % n) for n in range(5000)]
    wrong = TreeFile(b"src/part73/item19.txt", b"value = -1\n")
    numbered = tuple(wrong if file.path == wrong.path else file for file in files)
    return SampleRepository(
        name="many-files",
        files=(_readme("# Many\n\nEach file holds its number.\n"), *numbered),
        issue=SampleIssue(number=1, title="One value is negative", body="Find it. It should be 3669."),
        edits=(Edit(wrong.path, b"-1", b"3669"),),
    )


def empty() -> SampleRepository:
    """Return a repository that has no commit yet."""
    issue = SampleIssue(number=1, title="Write a README", body="There is nothing here yet.")
    return SampleRepository(name="empty", files=(), issue=issue, edits=(Edit(b"README.md", b"", b"# Empty\n"),))


def deep_folders() -> SampleRepository:
    """Return deep folders with an AGENTS.md at several depths."""
    deep = b"/".join(b"level%02d" % n for n in range(20))
    return SampleRepository(
        name="deep-folders",
        files=(
            _readme("# Deep\n"),
            TreeFile(b"AGENTS.md", b"Numbers are written in words.\n"),
            TreeFile(b"level00/level01/AGENTS.md", b"Below here, numbers are written in digits.\n"),
            TreeFile(deep + b"/AGENTS.md", b"Each file ends with a full stop.\n"),
            TreeFile(deep + b"/answer.txt", b"41.\n"),
        ),
        issue=SampleIssue(number=6, title="The answer is one too low", body="It should be 42."),
        edits=(Edit(deep + b"/answer.txt", b"41", b"42"),),
    )


SAMPLES: Mapping[str, Callable[[], SampleRepository]] = {
    "binary-files": binary_files,
    "deep-folders": deep_folders,
    "empty": empty,
    "invoice": invoice,
    "javascript": javascript,
    "many-files": many_files,
    "strange-names": strange_names,
    "submodule": submodule,
    "symbolic-links": symbolic_links,
    "windows-line-ends": windows_line_ends,
}
