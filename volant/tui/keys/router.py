"""One synchronous table from keys to actions, so that a burst of keys finds the mode that the key before it made. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from volant.tui.keys.bindings import BINDINGS, CONTEXTS, FORBIDDEN, Binding

Remaps = Mapping[str, tuple[str, ...]]
"""Keys of actions, by `context.action` or `action` for all contexts."""


class Router:
    """The bindings in force."""

    def __init__(self, remaps: Remaps | None = None) -> None:
        """A key that is given to an action is taken from those that have it in the same context by themselves. Unknown actions, keys that
        may not be bound, and keys given to two actions of one context are passed over, and told in `problems`."""
        self.problems: list[str] = []
        self._bound: dict[str, tuple[Binding, ...]] = {}
        given: dict[str, dict[str, tuple[str, ...]]] = {context: {} for context in CONTEXTS}
        for name, keys in (remaps or {}).items():
            for context, action in self._meant(name, keys):
                given[context][action] = keys
        for context, chosen in given.items():
            taken = frozenset(key for keys in chosen.values() for key in keys)
            self._bound[context] = tuple(
                each._replace(keys=chosen.get(each.id, tuple(key for key in each.keys if key not in taken))) for each in BINDINGS[context]
            )
        self._actions: dict[str, dict[str, Binding]] = {context: self._table(context) for context in CONTEXTS}

    def action(self, contexts: Iterable[str], key: str) -> str:
        """The id of the action that `key` means in the first of `contexts` that knows it; empty when none does."""
        for context in contexts:
            found = self._actions[context].get(key)
            if found is not None:
                return found.id
        return ""

    def bindings(self, context: str) -> tuple[Binding, ...]:
        """The actions of one context with the keys they have now, in the order of help."""
        return self._bound[context]

    def binding(self, contexts: Iterable[str], action: str) -> Binding | None:
        """An action as it is bound in the first of `contexts` that has it."""
        return next((each for context in contexts for each in self._bound[context] if each.id == action), None)

    def _meant(self, name: str, keys: tuple[str, ...]) -> list[tuple[str, str]]:
        """The contexts and ids of the actions that a person means by `name`; none where it can't be done."""
        context, _, action = name.partition(".")
        chosen = [context] if context in CONTEXTS else list(CONTEXTS)
        action = action if context in CONTEXTS else name
        refused = FORBIDDEN.intersection(keys)
        if refused:
            self.problems.append(f"{name}: {', '.join(sorted(refused))} may not be bound")
            return []
        found = [(each, action) for each in chosen if any(binding.id == action for binding in BINDINGS[each])]
        if not found:
            self.problems.append(f"{name}: there is no such action")
        return found

    def _table(self, context: str) -> dict[str, Binding]:
        table: dict[str, Binding] = {}
        for binding in self._bound[context]:
            for key in binding.keys:
                if key in table:
                    self.problems.append(f"{key} means both {table[key].id} and {binding.id} in {context}")
                else:
                    table[key] = binding
        return table
