"""From an event as Sentry gives it to an ``Incident``: the shape of hooks and the shape of the API. Pure, never raises.

Any member may be missing, null or of another type, and all of it was written by strangers: what does not fit is left
out, and lists and texts are cut before anything is done with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from pullwright.integrations.sentry.incident import Crumb, Frame, Incident, Raised

FRAMES: Final = 250
"""Innermost frames of an exception that are looked at."""
EXCEPTIONS: Final = 10
THREADS: Final = 8
CRUMBS: Final = 30
TAGS: Final = 60
VARIABLES: Final = 30
CONTEXT_LINES: Final = 7
LINE_LENGTH: Final = 2000
LONGEST_LINE: Final = 1 << 20
"""Of a minified file the place in the line is looked for."""
FILTERED: Final = "[Filtered]"
_META_NODES: Final = 2000
_EVENT_ID: Final = re.compile(r"[0-9A-Za-z-]{1,64}", re.ASCII)

_STACKS: Final = ("stacktrace", "rawStacktrace", "raw_stacktrace")
_OF_A_REQUEST: Final = ("method", "url", "status_code", "reason")

_Document = Mapping[str, object]


def read_event(document: Mapping[str, object]) -> Incident:
    """Return what an event says."""
    entries = _entries(document)
    raised = tuple(_raised(one) for one in _values(_member(document, "exception", entries))[-EXCEPTIONS:])
    return Incident(
        event_id=_event_id(document),
        title=_text(document, "title", limit=300),
        platform=_text(document, "platform", limit=60),
        level=_text(document, "level", limit=40) or _tag(document, "level"),
        environment=_text(document, "environment", limit=100) or _tag(document, "environment"),
        release=_release(document),
        transaction=_text(document, "transaction", "culprit", limit=300),
        message=_message(document, entries),
        at=_text(document, "dateCreated", "datetime", limit=60),
        request=_request(_member(document, "request", entries)),
        raised=raised if any(one.frames for one in raised) else (*raised, *_without_exception(document, entries)),
        threads=tuple(_threads(document, entries))[:THREADS],
        crumbs=tuple(_crumb(one) for one in _values(_member(document, "breadcrumbs", entries))[-CRUMBS:]),
        tags=tuple(_tags(document)),
        notes=tuple(_notes(document)),
    )


def _entries(document: _Document) -> Mapping[str, _Document]:
    """Return the entries of the API's shape by their type."""
    found: dict[str, _Document] = {}
    for entry in _objects(document.get("entries"))[:50]:
        data = entry.get("data")
        if isinstance(data, Mapping):
            found.setdefault(_text(entry, "type", limit=60), data)
    return found


def _member(document: _Document, name: str, entries: Mapping[str, _Document]) -> _Document:
    inside = document.get(name)
    if isinstance(inside, Mapping):
        return inside
    return {"values": inside} if isinstance(inside, list) else entries.get(name, {})


def _values(holder: _Document) -> list[_Document]:
    return _objects(holder.get("values"))


def _objects(value: object) -> list[_Document]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _without_exception(document: _Document, entries: Mapping[str, _Document]) -> Iterator[Raised]:
    """Yield the stack of an event whose exceptions have none: the thread that crashed, or the event's own."""
    stacks = [
        thread.get("stacktrace")
        for thread in _values(_member(document, "threads", entries))
        if thread.get("crashed") or thread.get("current")
    ]
    stacks.append(_member(document, "stacktrace", entries))
    for stack in stacks:
        frames = _frames(stack)
        if frames:
            yield Raised(frames=frames)
            return


def _threads(document: _Document, entries: Mapping[str, _Document]) -> Iterator[Raised]:
    """Yield what the threads were doing that did not crash."""
    for thread in _values(_member(document, "threads", entries))[: 10 * THREADS]:
        frames = () if thread.get("crashed") or thread.get("current") else _frames(thread.get("stacktrace"))
        if frames:
            yield Raised(type=_text(thread, "name", limit=100), value=_text(thread, "state", limit=60), frames=frames)


def _raised(value: _Document) -> Raised:
    mechanism = value.get("mechanism")
    how = mechanism if isinstance(mechanism, Mapping) else {}
    handled = how.get("handled")
    return Raised(
        type=_text(value, "type", limit=200),
        value=_text(value, "value", limit=LINE_LENGTH),
        module=_text(value, "module", limit=200),
        handled=handled if isinstance(handled, bool) else None,
        source=_text(how, "source", limit=40),
        frames=next(filter(None, (_frames(value.get(name)) for name in _STACKS)), ()),
    )


def _frames(stacktrace: object) -> tuple[Frame, ...]:
    if not isinstance(stacktrace, Mapping):
        return ()
    return tuple(_frame(one) for one in _objects(stacktrace.get("frames"))[-FRAMES:])


def _frame(value: _Document) -> Frame:
    before, whole, after = _context(value)
    column = _number(value.get("colNo", value.get("colno")))
    cut = max((column or 0) - LINE_LENGTH // 2, 0) if len(whole) > LINE_LENGTH else 0
    in_app = value.get("inApp", value.get("in_app"))
    return Frame(
        path=_text(value, "filename", limit=500),
        absolute=_text(value, "absPath", "abs_path", limit=500),
        module=_text(value, "module", limit=300),
        function=_text(value, "function", "rawFunction", "raw_function", "symbol", limit=300),
        package=_text(value, "package", limit=300).replace("\\", "/").rpartition("/")[2],
        line=_number(value.get("lineNo", value.get("lineno"))),
        column=column,
        in_app=in_app if isinstance(in_app, bool) else None,
        before=before,
        suspect=whole[cut : cut + LINE_LENGTH],
        cut=cut,
        after=after,
        variables=dict(_variables(value.get("vars"))),
    )


def _context(value: _Document) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    pairs = value.get("context")
    if not isinstance(pairs, list) or not pairs:
        before, after = _lines(value.get("pre_context")), _lines(value.get("post_context"))
        return before[-CONTEXT_LINES:], _text(value, "context_line", limit=LONGEST_LINE), after[:CONTEXT_LINES]
    line = _number(value.get("lineNo", value.get("lineno")))
    numbered = [
        (number, text[:LONGEST_LINE])
        for number, text in (pair for pair in pairs[:200] if isinstance(pair, list | tuple) and len(pair) == 2)
        if isinstance(number, int) and isinstance(text, str)
    ]
    before = tuple(text[:LINE_LENGTH] for number, text in numbered if line is not None and number < line)
    after = tuple(text[:LINE_LENGTH] for number, text in numbered if line is not None and number > line)
    suspect = next((text for number, text in numbered if number == line), "")
    return before[-CONTEXT_LINES:], suspect, after[:CONTEXT_LINES]


def _lines(value: object) -> tuple[str, ...]:
    found = value[:200] if isinstance(value, list) else []
    return tuple(one[:LINE_LENGTH] for one in found if isinstance(one, str))


def _variables(value: object) -> Iterator[tuple[str, str]]:
    if not isinstance(value, Mapping):
        return
    for name, content in list(value.items())[: 10 * VARIABLES]:
        shown = content if isinstance(content, str) else _written(content)
        if isinstance(name, str) and FILTERED not in shown:
            yield name.strip("'\"")[:100], shown[:LINE_LENGTH]


def _written(content: object) -> str:
    try:
        return repr(content)[:LINE_LENGTH]
    except RecursionError:
        return ""


def _crumb(value: _Document) -> Crumb:
    return Crumb(
        at=_text(value, "timestamp", limit=40),
        category=_text(value, "category", "type", limit=60),
        level=_text(value, "level", limit=20),
        message=_text(value, "message", limit=LINE_LENGTH) or _asked(value.get("data")),
    )


def _asked(data: object) -> str:
    """Return what a breadcrumb without words says of a request."""
    if not isinstance(data, Mapping):
        return ""
    said = (data.get(name) for name in _OF_A_REQUEST)
    return " ".join(str(one)[:LINE_LENGTH] for one in said if isinstance(one, str | int) and one != FILTERED)


def _tags(document: _Document) -> Iterator[tuple[str, str]]:
    found = document.get("tags")
    items: Iterable[object] = found.items() if isinstance(found, Mapping) else found if isinstance(found, list) else ()
    for item in list(items)[:TAGS]:
        if isinstance(item, Mapping):
            pair = (item.get("key"), item.get("value"))
        elif isinstance(item, list | tuple) and len(item) == 2:
            pair = (item[0], item[1])
        else:
            continue
        if isinstance(pair[0], str) and isinstance(pair[1], str) and FILTERED not in pair[1]:
            yield pair[0][:100], pair[1][:300]


def _tag(document: _Document, name: str) -> str:
    return next((value for key, value in _tags(document) if key == name), "")


def _event_id(document: _Document) -> str:
    found = _text(document, "eventID", "event_id", limit=64)
    return found if _EVENT_ID.fullmatch(found) else ""


def _release(document: _Document) -> str:
    release = document.get("release")
    if isinstance(release, Mapping):
        found = _text(release, "version", limit=250)
    else:
        found = _text(document, "release", limit=250) or _tag(document, "release") or _tag(document, "sentry:release")
    # It becomes a part of an address, and Sentry itself has no releases of these names.
    return "" if found in (".", "..") else found


def _message(document: _Document, entries: Mapping[str, _Document]) -> str:
    log = _member(document, "logentry", entries) or entries.get("message", {})
    return _text(document, "message", limit=LINE_LENGTH) or _text(log, "formatted", "message", limit=LINE_LENGTH)


def _request(request: _Document) -> str:
    try:
        parts = urlsplit(_text(request, "url", limit=LINE_LENGTH))
    except ValueError:
        return ""
    address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if parts.netloc else parts.path
    return f"{_text(request, 'method', limit=20)} {address}".strip()[:500]


def _notes(document: _Document) -> Iterator[str]:
    for error in _objects(document.get("errors"))[:20]:
        kind = _text(error, "type", limit=60)
        if kind:
            yield kind
    if _is_marked(document.get("_meta")):
        yield "some of its values were cut or taken out"


def _is_marked(meta: object) -> bool:
    """Whether Sentry's remarks about values hold one; the tree of them is there even without."""
    rest, looked_at = [meta], 0
    while rest and looked_at < _META_NODES:
        looked_at += 1
        one = rest.pop()
        if isinstance(one, Mapping):
            if one.get(""):
                return True
            rest += list(one.values())[:_META_NODES]
    return False


def _text(value: _Document, *names: str, limit: int) -> str:
    """Return the first text among some members, cut."""
    found = (value.get(name) for name in names)
    return next((one[:limit] for one in found if isinstance(one, str) and one and one != FILTERED), "")


def _number(value: object) -> int | None:
    usable = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**7
    return value if usable and isinstance(value, int) else None
