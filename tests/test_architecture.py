from __future__ import annotations

import ast
import importlib
import re
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PORTIONS = ("agents", "sandbox", "integrations", "cli")
SOURCES = sorted(path for portion in PORTIONS for path in (ROOT / portion).rglob("*.py"))

FILE_LINES = 400
FUNCTION_LINES = 50
FUNCTION_LINES_P90 = 25
ANY_PER_1000_LINES = 10
BROAD_HANDLERS = 2
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "data", "manager"}


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Length without the docstring."""
    documented = ast.get_docstring(function) is not None
    first = function.body[1] if documented and len(function.body) > 1 else function.body[0]
    return (function.end_lineno or 0) - first.lineno + 1


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_fits_in_the_head(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= FILE_LINES
    long = [function.name for function in functions(path) if lines_of(function) > FUNCTION_LINES]
    assert not long, f"functions over {FUNCTION_LINES} lines: {long}"
    assert path.stem not in BANNED_NAMES


def test_most_functions_are_small() -> None:
    lengths = sorted(lines_of(function) for path in SOURCES for function in functions(path))
    assert lengths[int(len(lengths) * 0.9)] <= FUNCTION_LINES_P90
    assert statistics.mean(lengths) <= 11


def test_any_is_rare() -> None:
    text = "\n".join(path.read_text() for path in SOURCES if "testing" not in path.parts)
    uses = len(re.findall(r"\bAny\b(?!thing)", text)) - text.count("import Any")
    assert uses / len(text.splitlines()) * 1000 <= ANY_PER_1000_LINES


def test_swallowing_everything_is_allowed_in_two_places() -> None:
    handlers = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"})
        and not any(isinstance(inner, ast.Raise) and inner.exc is None for inner in ast.walk(node))
    ]
    assert len(handlers) <= BROAD_HANDLERS, handlers


@pytest.mark.parametrize("portion", PORTIONS)
def test_what_is_public_is_listed_and_sorted(portion: str) -> None:
    module = importlib.import_module(f"pullwright.{portion}")
    listed = getattr(module, "__all__", [])
    assert listed == sorted(listed)
    assert all(hasattr(module, name) for name in listed)
    public = {name for name, value in vars(module).items() if not name.startswith("_") and is_ours(value)}
    assert public <= set(listed)


def is_ours(value: object) -> bool:
    return isinstance(value, type) and value.__module__.startswith("pullwright.")


def test_one_event_loop_starts_in_one_place() -> None:
    starters = [path for path in SOURCES if "anyio.run(" in path.read_text()]
    assert [str(path.relative_to(ROOT)) for path in starters] == ["cli/pullwright/cli/runtime.py"]


def test_every_portion_is_typed() -> None:
    assert all((ROOT / portion / "pullwright" / portion / "py.typed").is_file() for portion in PORTIONS)
    assert not any((ROOT / portion / "pullwright" / "__init__.py").exists() for portion in PORTIONS)


def test_lock_files_hold_versions_and_hashes_only() -> None:
    for path in (ROOT / "requirements").glob("*.lock"):
        assert "://" not in path.read_text()
        assert "--hash=sha256:" in path.read_text()


def test_no_path_of_a_developers_machine_is_in_the_repository() -> None:
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False).stdout.split(b"\0")
    ours = [ROOT / name.decode() for name in files if name and (ROOT / name.decode()).is_file()]
    marks = re.compile(rb"/(home|Users)/[a-z]+/|/work/main")
    assert not [path for path in ours if path != Path(__file__) and marks.search(path.read_bytes())]
