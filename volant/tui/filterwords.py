"""Completing a filter: its fields, and for a field of text the values that are there. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

from volant.client.cli.text import harmless
from volant.proto.specs.filter import Fields, Kind
from volant.tui.commands import Completion
from volant.tui.model import Record

MOST_RECORDS = 5_000
"""Records whose values are looked at: a key's press never waits for more."""
_TERM = re.compile(r"[^\s()|!]*$")
_PLAIN = re.compile(r"[\w./-]+")
"""Values that stand in a filter without quotes."""
_LABEL = "label."
"""Begins the field of a label."""


def complete(fields: Fields, records: Iterable[Record], line: str, at: int) -> Completion:
    """Choices for the term that ends at the cursor."""
    found = _TERM.search(line[:at])
    assert found is not None, "it matches the empty text"
    name, colon, value = found[0].partition(":")
    looked_at = islice(records, MOST_RECORDS)
    if not colon:
        words = {f"{each}{':' if field.kind is Kind.TEXT else '>='}": field.kind.value for each, field in fields.named.items()}
        if fields.labels and name.startswith(_LABEL):
            words = {f"{_LABEL}{key}:": "a label" for key in sorted({key for each in looked_at for key in each.get(fields.labels) or {}})}
        elif fields.labels:
            words[_LABEL] = "a label"
        return Completion(found.start(), tuple((harmless(word), help) for word, help in words.items() if word.startswith(name)))
    field = fields.named.get(name)
    if fields.labels and name.startswith(_LABEL):
        key = name.removeprefix(_LABEL)
        seen = {str((each.get(fields.labels) or {}).get(key, "")) for each in looked_at}
    elif field is not None and field.kind is Kind.TEXT:
        seen = {str(each.get(field.key) or "") for each in looked_at}
    else:
        return Completion(at, ())
    values = sorted(each for each in seen if each.startswith(value) and _PLAIN.fullmatch(each))
    return Completion(at - len(value), tuple((harmless(each), "") for each in values))
