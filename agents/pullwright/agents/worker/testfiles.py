"""Which files of a repository are tests, by the conventions of the tools that find them. Pure, by path alone.

Where each convention is written down:

- pytest (docs.pytest.org, "Conventions for Python test discovery") and unittest (``discover``: ``test*.py``);
- jest (``testMatch``, snapshots, ``__mocks__``), vitest (``include``), mocha (``./test``), node (``node --test``),
  Deno (``deno test``), Cypress (``specPattern``), Playwright (``testMatch``);
- go ("Test packages" and ``testdata`` in ``go help test`` and ``go help packages``);
- cargo ("Package Layout": ``tests/``); insta keeps ``*.snap``;
- maven-surefire ("Inclusions and Exclusions of Tests") and its standard layout (``src/test``, ``src/it``), Gradle and
  Android (``src/integrationTest``, ``src/androidTest``), Kotlin Multiplatform (``src/commonTest``), Spock, ScalaTest;
- RSpec (``spec/``, ``*_spec.rb``), minitest (``rails test``), cucumber (``*.feature``);
- PHPUnit (``--test-suffix``: ``Test.php``, ``.phpt``), Codeception (``*Cest.php``);
- .NET ("Unit testing best practices": projects called ``*.Tests``); SwiftPM (``Tests/``), XCTest; ExUnit
  (``*_test.exs``); ``dart test``; GoogleTest in Chromium and Bazel (``*_unittest.cc``, ``*_test.cc``); prove
  (``t/*.t``); bats; hspec; busted; Common Test (``*_SUITE.erl``).

Fixtures and snapshots below a folder of tests belong to them. What is taken for a test too easily does less harm than
what is overlooked: a helper that stays behind would make tests fail for want of it. Tests inside a file of source code,
as Rust has them, can not be told apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate
from itertools import pairwise
from typing import Final

_FOLDERS: Final = re.compile(
    r"(?i:(?:.+[._-])?(?:unit|integration)?tests?)"  # tests, Shop.UnitTests, integration-tests
    r"|[A-Za-z0-9]*[a-z0-9]Tests?"  # androidTest, ShopTests
    r"|tests?[._-].+|test(?:data|Fixtures|utils?)"
    r"|__(?:tests|mocks|snapshots|fixtures)__"
    r"|specs?|e2e|cypress|step_definitions"
)

_SCRIPTS: Final = ("js", "jsx", "ts", "tsx", "mjs", "cjs", "mts", "cts")
_JVM: Final = ("java", "kt", "kts", "groovy", "scala")
_DOTNET: Final = ("cs", "fs", "vb")
_C: Final = ("c", "cc", "cpp", "cxx", "m", "mm")


def _each(names: Iterable[str], endings: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{name}.{ending}" for name in names for ending in endings)


_NAMES: Final = (
    *("test*.py", "*_test.py", "conftest.py"),
    *_each(("*.test", "*.spec", "*-test", "*_test", "test-*", "test", "spec", "*.cy"), _SCRIPTS),
    *("*.snap", "*.snap.new"),
    "*_test.go",
    *("tests.rs", "test.rs", "*_test.rs", "*_tests.rs"),
    *_each(("Test[A-Z0-9]*", "*Test", "*Tests", "*TestCase", "*ITCase"), _JVM),
    *_each(("*Spec", "*Suite"), ("kt", "groovy", "scala")),
    *("*_spec.rb", "*_test.rb", "test_*.rb", "*.feature"),
    *("*Test.php", "*Cest.php", "*.phpt"),
    *_each(("*Test", "*Tests"), _DOTNET),
    *("*Test.swift", "*Tests.swift"),
    *_each(("*_test", "*_tests", "*_unittest", "test_*"), _C),
    *("*Test.m", "*Tests.m", "*Test.mm", "*Tests.mm"),
    *("*_test.exs", "*_test.dart", "*.t", "*.bats", "*Spec.hs", "*_spec.lua", "*_SUITE.erl", "*_tests.erl"),
    *("*_test.clj", "*_test.cljs", "*_test.cljc"),
)
_NAME: Final = re.compile("|".join(translate(name) for name in _NAMES))


def is_test_file(path: str) -> bool:
    """Whether a file, by its path within the repository, is a test or belongs to tests."""
    *folders, name = path.split("/")
    if any(_FOLDERS.fullmatch(folder) for folder in folders) or _NAME.match(name):
        return True
    # Short names are folders of tests in one place only.
    return folders[:1] == ["t"] or ("src", "it") in pairwise(folders)


def separate_tests(paths: Iterable[str]) -> tuple[str, ...]:
    """Return those paths of a change that are tests; none when it changes nothing else, or none."""
    every = tuple(paths)
    tests = tuple(path for path in every if is_test_file(path))
    return tests if len(tests) < len(every) else ()
