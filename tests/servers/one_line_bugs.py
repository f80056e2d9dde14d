"""Small repositories with a bug in one line each, and the tests that show it."""

from __future__ import annotations

from pullwright.integrations.testing.bare_repository import TreeFile
from pullwright.integrations.testing.sample import Edit, SampleIssue, SampleRepository

_CHECK = "python3 -m unittest"


def _sample(name: str, source: str, tests: str, issue: str, old: str, new: str) -> SampleRepository:
    cases = "\n".join(f"        {line}" for line in tests.splitlines())
    module = f"{name}.py"
    test = (
        f"import unittest\n\nfrom {name} import *\n\n\n"
        f"class Tests(unittest.TestCase):\n    def test_it(self):\n{cases}\n"
    )
    return SampleRepository(
        name=f"bug-{name}",
        files=(
            TreeFile(b"README.md", f"# {name}\n\nTests: `{_CHECK}`\n".encode()),
            TreeFile(module.encode(), source.encode()),
            TreeFile(f"test_{name}.py".encode(), test.encode()),
        ),
        issue=SampleIssue(number=42, title=issue, body=f"The function in `{module}` is wrong: `{_CHECK}` fails."),
        edits=(Edit(module.encode(), old.encode(), new.encode()),),
        check=_CHECK,
    )


BUGS = {
    "add": _sample(
        "add",
        "def add(a, b):\n    return a - b\n",
        "self.assertEqual(add(2, 3), 5)",
        "add(2, 3) returns -1 instead of 5",
        "a - b",
        "a + b",
    ),
    "largest": _sample(
        "largest",
        "def largest(items):\n    best = items[0]\n    for item in items:\n        if item < best:\n"
        "            best = item\n    return best\n",
        "self.assertEqual(largest([3, 9, 2]), 9)",
        "largest([3, 9, 2]) returns 2, the smallest",
        "item < best",
        "item > best",
    ),
    "palindrome": _sample(
        "palindrome",
        "def is_palindrome(text):\n    return text == text[1:]\n",
        'self.assertTrue(is_palindrome("abba"))\nself.assertFalse(is_palindrome("abc"))',
        'is_palindrome("abba") is False: the text must be compared with its reverse',
        "text[1:]",
        "text[::-1]",
    ),
    "temperature": _sample(
        "temperature",
        "def to_fahrenheit(celsius):\n    return celsius * 9 / 5 - 32\n",
        "self.assertEqual(to_fahrenheit(100), 212)",
        "to_fahrenheit(100) returns 148 instead of 212",
        "- 32",
        "+ 32",
    ),
    "numbers_to": _sample(
        "numbers_to",
        "def numbers_to(last):\n    return list(range(1, last))\n",
        "self.assertEqual(numbers_to(3), [1, 2, 3])",
        "numbers_to(3) leaves out the 3",
        "range(1, last)",
        "range(1, last + 1)",
    ),
}
