"""Regular expressions that can't be made slow: a filter's pattern comes from a peer, and Python's engine may take ages over one.

The pattern is built into a nondeterministic automaton (Thompson's construction: https://swtch.com/~rsc/regexp/regexp1.html), whose sets
of states are kept as they are met, so that each character costs one look-up, and never more than one step per state of the pattern.

Syntax: `.`, `[a-z]`, `[^...]`, `\\d \\w \\s` and their opposites, `* + ?`, `|`, `( )`, `^`, `$`. A `\\` before a sign takes it as it is.
"""

from __future__ import annotations

from collections.abc import Callable

from volant.proto.errors import InvalidParams

MAX_PATTERN_CHARS = 64
"""Longest pattern. It bounds a step; with texts of at most MAX_TEXT_CHARS, one look costs less than a millisecond."""
MAX_TEXT_CHARS = 512
"""How much of a text is looked at; names, addresses and labels are shorter."""
_MAX_KNOWN = 1_000
"""Steps remembered at once; a hostile pattern could reach exponentially many."""

_Test = Callable[[str], bool]
_Node = tuple[str, "_Test | None", tuple[int, ...]]
"""What it is ("take", "split", "start", "end" or "match"), which character it takes, and the nodes after it."""

_CLASSES: dict[str, _Test] = {
    "d": str.isdecimal,
    "w": lambda char: char.isalnum() or char == "_",
    "s": str.isspace,
}


class Pattern:
    """A compiled pattern. Without a capital letter in it, case is ignored. InvalidParams, with `at`, for one that can't be read."""

    def __init__(self, text: str) -> None:
        self._folds = smart_case(text)
        nodes = _Builder(text, folds=self._folds).nodes
        self._nodes = nodes
        self._known: dict[tuple[frozenset[int], str], frozenset[int]] = {}
        self._begin = self._closed((0,), at_start=True)
        self._again = self._closed((0,))
        """A match may begin at each character."""

    def found_in(self, text: str) -> bool:
        """Whether it matches anywhere in `text`."""
        if self._folds:
            text = text.lower()
        states = self._begin
        for char in text[:MAX_TEXT_CHARS]:
            if self._matches(states):
                return True
            states = self._step(states, char)
        return self._matches(states) or self._matches(self._closed(states, at_start=not text, at_end=True))

    def _matches(self, states: frozenset[int]) -> bool:
        return len(self._nodes) - 1 in states

    def _step(self, states: frozenset[int], char: str) -> frozenset[int]:
        known = self._known.get((states, char))
        if known is None:
            after = [
                target
                for at in states
                for kind, test, targets in (self._nodes[at],)
                if kind == "take" and test is not None and test(char)
                for target in targets
            ]
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            known = self._known[states, char] = self._closed(after) | self._again
        return known

    def _closed(
        self, states: frozenset[int] | list[int] | tuple[int, ...], *, at_start: bool = False, at_end: bool = False
    ) -> frozenset[int]:
        """With all that is reached from `states` without taking a character."""
        todo, found = list(states), set()
        while todo:
            at = todo.pop()
            if at in found:
                continue
            found.add(at)
            kind, _, targets = self._nodes[at]
            if kind == "split" or (kind == "start" and at_start) or (kind == "end" and at_end):
                todo.extend(targets)
        return frozenset(found)


def smart_case(text: str) -> bool:
    """Whether case is to be ignored: nobody who types only small letters means them."""
    letters = []
    skip = False
    for char in text:
        if not skip and char == "\\":
            skip = True
            continue
        if not skip:
            letters.append(char)
        skip = False
    plain = "".join(letters)
    return plain == plain.lower()


class _Builder:
    """Recursive descent: alternatives, sequences, repeats, atoms. Each part is (its first node, the ends to be tied to what follows)."""

    def __init__(self, text: str, *, folds: bool) -> None:
        self._text, self._folds, self._at = text, folds, 0
        self.nodes: list[_Node] = []
        if len(text) > MAX_PATTERN_CHARS:
            raise self._wrong(f"is longer than {MAX_PATTERN_CHARS} characters")
        root = self._add("split")
        first, ends = self._alternatives(0)
        if self._at < len(text):
            raise self._wrong("has a ) too many")
        match = self._add("match")
        self._tie([root], first)
        self._tie(ends, match)

    def _wrong(self, why: str) -> InvalidParams:
        hint = "a pattern may have . [a-z] \\d * + ? | ( ) ^ $; a \\ before a character takes it as it is"
        return InvalidParams(f"the pattern {self._text!r} {why}", hint=hint, at=min(self._at, len(self._text)))

    def _add(self, kind: str, test: _Test | None = None, *targets: int) -> int:
        self.nodes.append((kind, test, targets))
        return len(self.nodes) - 1

    def _tie(self, ends: list[int], target: int) -> None:
        for at in ends:
            kind, test, targets = self.nodes[at]
            self.nodes[at] = (kind, test, (*targets, target))

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self) -> str:
        char = self._peek()
        self._at += 1
        return char

    def _alternatives(self, depth: int) -> tuple[int, list[int]]:
        if depth > MAX_PATTERN_CHARS // 4:
            raise self._wrong("has too many groups inside each other")
        first, ends = self._sequence(depth)
        while self._peek() == "|":
            self._take()
            other, more = self._sequence(depth)
            first = self._add("split", None, first, other)
            ends = ends + more
        return first, ends

    def _sequence(self, depth: int) -> tuple[int, list[int]]:
        first = self._add("split")
        ends = [first]
        while self._peek() not in ("", "|", ")"):
            begin, after = self._repeated(depth)
            self._tie(ends, begin)
            ends = after
        return first, ends

    def _repeated(self, depth: int) -> tuple[int, list[int]]:
        first, ends = self._atom(depth)
        while self._peek() and self._peek() in "*+?":
            sign = self._take()
            again = self._add("split", None, first)
            if sign == "?":
                first, ends = again, [*ends, again]
            else:
                self._tie(ends, again)
                first, ends = (again if sign == "*" else first), [again]
        if self._peek() == "{":
            raise self._wrong("has {, which is not supported; put a \\ before it to mean the character")
        return first, ends

    def _atom(self, depth: int) -> tuple[int, list[int]]:
        char = self._take()
        if char == "(":
            if self._peek() == "?":
                raise self._wrong("has a group with ?, which is not supported")
            inner = self._alternatives(depth + 1)
            if self._take() != ")":
                raise self._wrong("lacks a )")
            return inner
        if char in "*+?":
            raise self._wrong(f"has a {char} with nothing before it")
        if char in "^$":
            node = self._add("start" if char == "^" else "end")
        elif char == ".":
            node = self._add("take", lambda char: char != "\n")
        elif char == "[":
            node = self._add("take", self._class())
        else:
            node = self._add("take", self._escaped() if char == "\\" else char.__eq__)
        return node, [node]

    def _escaped(self) -> _Test:
        char = self._take()
        if not char:
            raise self._wrong("ends with a \\")
        known = _CLASSES.get(char.lower()) if char.isalpha() else None
        if known is not None:
            return known if char.islower() else lambda other: not known(other)
        if char.isalnum():
            raise self._wrong(f"has \\{char}, which is not supported")
        return char.__eq__

    def _class(self) -> _Test:
        negated = self._peek() == "^"
        if negated:
            self._take()
        tests: list[_Test] = []
        while not tests or self._peek() != "]":
            char = self._take()
            if not char:
                raise self._wrong("lacks a ]")
            if char == "\\":
                tests.append(self._escaped())
            elif self._peek() == "-" and self._text[self._at + 1 : self._at + 2] not in ("]", ""):
                self._take()
                tests.append(_between(char, self._take()))
            else:
                tests.append(char.__eq__)
        self._take()
        return lambda char: any(test(char) for test in tests) is not negated


def _between(first: str, last: str) -> _Test:
    return lambda char: first <= char <= last
