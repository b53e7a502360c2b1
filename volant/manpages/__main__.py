"""`python -m volant.manpages DIR` writes every page below DIR, as man(1) looks for it: `man -M DIR volant`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from volant.manpages import commands, daemon


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m volant.manpages", description="Write the man pages of volant and volantd.")
    parser.add_argument("folder", metavar="DIR", type=Path, help="such as /usr/local/share/man; pages go into man1, man5 and man8 in it")
    folder: Path = parser.parse_args(argv).folder
    write(folder, commands.pages() | daemon.pages())
    return 0


def write(folder: Path, found: dict[str, str]) -> None:
    """Each page below `folder` as man(1) looks for it: `man1/volant.1`."""
    for name, text in found.items():
        place = folder / f"man{name[-1]}"
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text, encoding="ascii")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
