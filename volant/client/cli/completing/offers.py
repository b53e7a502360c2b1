"""What a completion offers: words that may stand at the cursor, or paths, which the shell knows best itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from typing import Any

    Ask = Callable[[str, dict[str, Any]], "dict[str, Any] | None"]
    """Makes a call of the daemon: its plain result, or None when none came in time."""

MOST = 1_000
"""Records asked for: one page. Of more the daemon picks those that begin with what is typed."""


class Offer:
    """One word. `is_whole`: nothing more belongs to it, so a blank may follow."""

    __slots__ = ("help", "is_whole", "word")

    def __init__(self, word: str, help: str = "", *, is_whole: bool = True) -> None:
        self.word, self.help, self.is_whole = word, help, is_whole


class Offers:
    """`words` for the place of the cursor, each with all that stands there already; or paths."""

    __slots__ = ("path_after", "words")

    def __init__(self, words: Iterable[Offer] = (), *, path_after: str | None = None) -> None:
        """`path_after`: a path is wanted behind this beginning of the word, often empty; None: no path."""
        self.words, self.path_after = list(words), path_after

    def beginning_with(self, typed: str) -> Offers:
        """Those that begin so. Words that a terminal would obey instead of showing are nobody's to type."""
        kept = [each for each in self.words if each.word.startswith(typed) and each.word != "" and each.word.isprintable()]
        return Offers(kept, path_after=self.path_after)

    def behind(self, beginning: str) -> Offers:
        """The same behind what stands before them in the same word, as `--output=`."""
        words = [Offer(beginning + each.word, each.help, is_whole=each.is_whole) for each in self.words]
        return Offers(words, path_after=None if self.path_after is None else beginning + self.path_after)
