"""Builds the tables of docs/endpoints.md; as a program with ``--write`` it puts them there.

::

    python -m tests.unit.agents.llm.endpoint_tables --write
"""

from __future__ import annotations

import ast
import itertools
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import anyio

from pullwright.agents.finding import Mark
from pullwright.agents.llm.profile import PROFILES, Profile, ReasoningReplay
from pullwright.agents.llm.self_test import SelfTest, self_test
from pullwright.agents.llm.settings import EndpointSettings
from pullwright.agents.testing import endpoint_quirks
from pullwright.agents.testing.endpoint_quirks import Quirk
from pullwright.agents.testing.scripted_endpoint import ScriptedEndpoint
from tests.unit.agents.llm.healthy_model import healthy
from tests.unit.agents.llm.quirk_findings import said

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[3] / "docs" / "endpoints.md"
TRIED = ("plain call", "tool calls", "parallel calls", "effort", "second turn", "chat template", "images", "counting")
_MARKS = {Mark.OK: "✔", Mark.WARN: "!", Mark.MISSING: "✘"}
_REASONING = {
    ReasoningReplay.REASONING: "`reasoning`",
    ReasoningReplay.REASONING_CONTENT: "`reasoning_content`",
    ReasoningReplay.NONE: "nothing",
    ReasoningReplay.CONTENT_LIST: "list in `content`",
}


def table(name: str, text: str) -> str:
    """The part of a document between its markers."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", text, re.DOTALL)
    assert found is not None, f"docs/endpoints.md has no markers for {name}"
    return found[1]


async def capabilities() -> str:
    """Server × capability: what the profiles say, and what the self-test sees of each server's wire habits."""
    columns = [(profile, await examine(profile.name)) for profile in PROFILES.values()]
    rows: list[tuple[str, Callable[[Profile, SelfTest], str]]] = [
        ("streams", lambda profile, _: "yes" if profile.streams else "no, its parser loses data"),
        ("strict tools", lambda profile, _: "yes" if profile.strict_tools else "no"),
        ("reasoning goes back as", lambda profile, _: _REASONING[profile.reasoning_replay]),
        ("usage in a stream", lambda profile, _: "asked for" if profile.include_usage else "unasked"),
        ("affinity", lambda profile, _: affinity(profile)),
        ("history in the strictest form", lambda profile, _: "yes" if profile.strict_template else "no need"),
        ("control tokens in files", lambda profile, _: "escaped" if profile.escapes_markers else "harmless"),
        (
            "prompt over the window",
            lambda profile, _: "cut silently, noticed" if profile.truncates_silently else "error",
        ),
        ("window is read", lambda _, found: "yes" if found.model.window else "no"),
        ("recognised as", lambda _, found: f"`{found.suggested_profile}`"),
        *((name, partial(seen, name)) for name in TRIED),
    ]
    lines = ["| | " + " | ".join(f"`{name}`" for name in PROFILES) + " |", "|---|" + "---|" * len(PROFILES)]
    for title, cell in rows:
        lines.append(f"| {title} | " + " | ".join(cell(*column) for column in columns) + " |")
    return "\n".join(lines) + "\n"


def affinity(profile: Profile) -> str:
    ways = [f"`{profile.affinity_header}`"] if profile.affinity_header else []
    ways += [f"body `{profile.affinity_field}`"] if profile.affinity_field else []
    return ", ".join(ways) or "none"


def seen(name: str, _: Profile, found: SelfTest) -> str:
    finding = found.named(name)
    assert finding is not None
    estimated = name == "counting" and "estimated" in finding.text
    return f"{_MARKS[finding.mark]} estimated" if estimated else _MARKS[finding.mark]


async def examine(profile: str) -> SelfTest:
    quirks = {Quirk.F23_NIM} if profile.startswith("nim-") else set()
    with ScriptedEndpoint(healthy, style=profile.removeprefix("nim-"), quirks=quirks) as endpoint:
        return await self_test(EndpointSettings(url=endpoint.url, profile=profile))


def quirks() -> str:
    """Every quirk, what it is, what the doctor says of it, and the tests that drive the client through it."""
    told, proofs, findings = descriptions(), tests(), said()
    lines = ["| quirk | what the server does | `agent doctor` | tests |", "|---|---|---|---|"]
    for quirk in Quirk:
        names = ", ".join(f"`{name}`" for name in proofs.get(quirk.number, ()))
        lines.append(f"| `{quirk.value}` | {told[quirk.name]} | {'; '.join(findings[quirk])} | {names} |")
    return "\n".join(lines) + "\n"


def descriptions() -> dict[str, str]:
    """First paragraph of each member's documentation."""
    tree = ast.parse(Path(endpoint_quirks.__file__).read_text())
    (body,) = (node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Quirk")
    return {
        node.targets[0].id: " ".join(text.value.value.split("\n\n")[0].split())
        for node, text in itertools.pairwise(body)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def tests() -> dict[int, list[str]]:
    """Number of a quirk → the tests named after it."""
    found: dict[int, list[str]] = {}
    for path in sorted(HERE.glob("test_quirks_*.py")):
        for name, number in re.findall(r"def (test_f(\d+)_\w+)\(", path.read_text()):
            found.setdefault(int(number), []).append(name)
    return found


def main() -> None:
    """Print the tables, or write them."""
    text = DOCUMENT.read_text()
    for name, content in (("capabilities", anyio.run(capabilities)), ("quirks", quirks())):
        text = text.replace(f"<!-- {name} -->\n{table(name, text)}", f"<!-- {name} -->\n{content}")
    if "--write" in sys.argv:
        DOCUMENT.write_text(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
