"""The control functions that erase, insert, delete and scroll: each changes cells around the cursor and leaves the cursor there."""

from __future__ import annotations

from enum import IntEnum

from volant.tui.vt.line import DEFAULT_MARK, Line
from volant.tui.vt.screen import Screen


class Extent(IntEnum):
    """What ED and EL erase; the value is their parameter."""

    AFTER = 0
    """The cursor's cell and all after it."""
    BEFORE = 1
    """All up to the cursor's cell, and that."""
    ALL = 2
    SCROLLBACK = 3
    """What isn't on the screen; only for ED."""


def erase_in_display(screen: Screen, extent: int) -> None:
    """ED. A screen that is erased as a whole moves to the scrollback, as in tmux."""
    grid, row = screen.grid, screen.y
    if (extent == Extent.AFTER and screen.x == row == 0) or extent == Extent.ALL:
        grid.clear_into_scrollback(screen.erase_mark)
    elif extent == Extent.AFTER:
        _erase_cells(screen, screen.x, grid.columns)
        grid.clear_lines(row + 1, grid.rows, screen.erase_mark)
    elif extent == Extent.BEFORE:
        grid.clear_lines(0, row, screen.erase_mark)
        _erase_cells(screen, 0, screen.x + 1)
    elif extent == Extent.SCROLLBACK:
        grid.scrollback.clear()


def erase_in_line(screen: Screen, extent: int) -> None:
    """EL."""
    first = screen.x if extent == Extent.AFTER else 0
    end = screen.x + 1 if extent == Extent.BEFORE else screen.grid.columns
    if extent < Extent.SCROLLBACK and (screen.grid.lines[screen.y].text or screen.erase_mark != DEFAULT_MARK):
        _erase_cells(screen, first, end)


def erase_characters(screen: Screen, count: int) -> None:
    """ECH."""
    _erase_cells(screen, screen.x, screen.x + count)


def _erase_cells(screen: Screen, first: int, end: int) -> None:
    """Blank cells of the cursor's line; one that is blanked from margin to margin is no longer joined to its neighbours."""
    grid = screen.grid
    end = min(end, grid.columns)
    if first == 0 and end == grid.columns:
        grid.clear_lines(screen.y, screen.y + 1, screen.erase_mark)
    elif first < end:
        grid.lines[screen.y].erase(first, end, screen.erase_mark)
        grid.dirty.add(screen.y)


def insert_characters(screen: Screen, count: int) -> None:
    """ICH."""
    columns = screen.grid.columns
    if screen.x < columns:
        screen.grid.lines[screen.y].insert(screen.x, min(count, columns - screen.x), screen.erase_mark, columns)
        screen.grid.dirty.add(screen.y)


def delete_characters(screen: Screen, count: int) -> None:
    """DCH."""
    columns = screen.grid.columns
    if screen.x < columns:
        screen.grid.lines[screen.y].delete(screen.x, min(count, columns - screen.x), screen.erase_mark, columns)
        screen.grid.dirty.add(screen.y)


def insert_lines(screen: Screen, count: int) -> None:
    """IL; nothing outside of the scrolling region."""
    if screen.top <= screen.y <= screen.bottom:
        screen.grid.insert_lines(screen.y, screen.bottom, count, screen.erase_mark)


def delete_lines(screen: Screen, count: int) -> None:
    """DL; nothing outside of the scrolling region."""
    if screen.top <= screen.y <= screen.bottom:
        screen.grid.delete_lines(screen.y, screen.bottom, count, screen.erase_mark)


def scroll_up(screen: Screen, count: int) -> None:
    """SU."""
    for _ in range(min(count, screen.bottom - screen.top + 1)):
        screen.grid.scroll_up(screen.top, screen.bottom, screen.erase_mark)


def scroll_down(screen: Screen, count: int) -> None:
    """SD."""
    for _ in range(min(count, screen.bottom - screen.top + 1)):
        screen.grid.scroll_down(screen.top, screen.bottom, screen.erase_mark)


def fill_for_alignment(screen: Screen) -> None:
    """DECALN: the letter E everywhere, the region reset, the cursor home."""
    grid = screen.grid
    grid.lines = [Line("E" * grid.columns, DEFAULT_MARK * grid.columns) for _ in range(grid.rows)]
    grid.all_dirty = True
    screen.x = screen.y = 0
    screen.top, screen.bottom = 0, grid.rows - 1
