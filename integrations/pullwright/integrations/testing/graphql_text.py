"""Reads GraphQL queries, as much of the language as clients of a code host write, and picks what they select. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(r'[\s,]+|#[^\n]*|(?P<token>"(?:[^"\\]|\\.)*"|\.\.\.|-?\d+|[A-Za-z_]\w*|[{}()\[\]:!$=@])')


class GraphQLError(ValueError):
    """A query that can not be read, or selects what there is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One selected field."""

    name: str
    alias: str
    arguments: Mapping[str, Any]
    selection: tuple[Field, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A query or mutation."""

    kind: str
    fields: tuple[Field, ...]


class _Parser:
    def __init__(self, text: str, variables: Mapping[str, Any]) -> None:
        self._tokens = _tokens(text)
        self._position = 0
        self._variables = variables

    def peek(self) -> str:
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def take(self, expected: str = "") -> str:
        token = self.peek()
        if not token or (expected and token != expected):
            raise GraphQLError(f"Expected {expected or 'more'!r}, found {token or 'the end'!r}")
        self._position += 1
        return token

    def operation(self) -> Operation:
        kind = self.take() if self.peek() != "{" else "query"
        if kind not in ("query", "mutation"):
            raise GraphQLError(f"{kind!r} is not supported")
        while self.peek() != "{":
            self.take()
        fields = self.selection()
        if self.peek():
            raise GraphQLError("only one operation, without named fragments, is supported")
        return Operation(kind=kind, fields=fields)

    def selection(self) -> tuple[Field, ...]:
        self.take("{")
        found: list[Field] = []
        while self.peek() != "}":
            if self.peek() == "...":
                # An inline fragment; the type is taken at its word.
                self.take()
                self.take("on")
                self.take()
                found += self.selection()
            else:
                found.append(self.field())
        self.take("}")
        return tuple(found)

    def field(self) -> Field:
        alias = name = self.take()
        if self.peek() == ":":
            self.take()
            name = self.take()
        arguments = self.arguments() if self.peek() == "(" else {}
        inner = self.selection() if self.peek() == "{" else ()
        return Field(name=name, alias=alias, arguments=arguments, selection=inner)

    def arguments(self) -> dict[str, Any]:
        self.take("(")
        return self._members(")")

    def _members(self, end: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self.peek() != end:
            name = self.take()
            self.take(":")
            found[name] = self.value()
        self.take(end)
        return found

    def value(self) -> Any:
        token = self.take()
        if token == "$":
            return self._variables.get(self.take())
        if token == "{":
            return self._members("}")
        if token == "[":
            items = []
            while self.peek() != "]":
                items.append(self.value())
            self.take("]")
            return items
        if token[0] == '"' or token.lstrip("-").isdigit() or token in ("true", "false", "null"):
            return json.loads(token)
        return token


def parse_operation(text: str, variables: Mapping[str, Any]) -> Operation:
    """Return what a query asks for, with its variables put in.

    Raises:
        GraphQLError: It can not be read.
    """
    return _Parser(text, variables).operation()


def select(value: Any, fields: tuple[Field, ...]) -> Any:
    """Return what is selected from a value; members that are functions get the field's arguments.

    Raises:
        GraphQLError: Something is selected that the value does not have.
    """
    if isinstance(value, list):
        return [select(item, fields) for item in value]
    if not isinstance(value, Mapping) or not fields:
        return value
    return {field.alias: _selected(value, field) for field in fields}


def _selected(value: Mapping[str, Any], field: Field) -> Any:
    if field.name not in value:
        raise GraphQLError(f"Field '{field.name}' doesn't exist on type '{value.get('__typename', 'Object')}'")
    found: Any | Callable[[Mapping[str, Any]], Any] = value[field.name]
    return select(found(field.arguments) if callable(found) else found, field.selection)


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise GraphQLError(f"Unexpected {text[position]!r}")
        if match["token"]:
            found.append(match["token"])
        position = match.end()
    return found
