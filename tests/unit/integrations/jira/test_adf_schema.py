"""No document of the whole schema loses a text, and what we write ourselves is read as it was written."""

from __future__ import annotations

from hypothesis import given, settings

from pullwright.integrations.jira.adf import to_markdown
from pullwright.integrations.jira.adf_writing import to_adf
from tests.unit.integrations.jira.adf_documents import DOCUMENTS, KINDS, MARKS, Node, kinds_in, said
from tests.unit.integrations.jira.shown_text import holds_in_order, shown
from tests.unit.integrations.jira.test_writing import PIECES

ANN = "557058:ann"


@given(DOCUMENTS)
def test_no_text_of_any_document_is_lost(document: Node) -> None:
    markdown = to_markdown(document)
    # In a table the lines of a cell are told apart like that.
    assert holds_in_order(shown(markdown).replace("<br>", ""), said(document)), markdown


def test_every_node_of_the_schema_is_among_them() -> None:
    seen: set[str] = set()

    @settings(max_examples=500, derandomize=True, database=None, deadline=None)
    @given(DOCUMENTS)
    def look(document: Node) -> None:
        seen.update(kinds_in(document))

    look()
    assert seen == KINDS
    assert (len(KINDS), len(MARKS)) == (43, 17)


@given(PIECES)
def test_what_we_write_is_read_as_it_was_written(pieces: list[str]) -> None:
    """Once it was a document, Markdown is what it becomes when it is one again."""
    text = "".join(pieces) + f" [@Ann](mention:{ANN})"
    once = to_markdown(to_adf(text, people=[ANN]))
    document = to_adf(once, people=[ANN])
    assert to_markdown(document) == once
