"""Records the sessions that tests/tui/vt/test_differential.py replays: what real programs print to a terminal.

    .venv/bin/python tests/tui/vt/record.py [NAME...]

Needs root, Debian's vim, htop, less and, for `boot`, qemu-system-x86 with the kernel of scripts/setup. The tests need none of them: the
recordings are committed beside this file in `sessions/`.
"""

from __future__ import annotations

import gzip
import os
import pty
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

SESSIONS = Path(__file__).parent / "sessions"
QUIET_SECONDS = 0.4
"""A program that printed nothing for so long waits for a key."""
WAIT_SECONDS = 1.5
"""One that goes on and on gets its key after that."""
BOOT_SECONDS = 90
CUT_AT = 120_000
"""Bytes kept of a recording."""
_ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "LESSHISTFILE": "-", "LS_COLORS": "di=01;34:ln=01;36:ex=01;32:*.gz=01;31"}


def record(command: list[str], keys: list[bytes], folder: Path, term: str = "xterm-256color") -> bytes:
    """What the command prints while the keys are typed one after the other."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.execvpe(command[0], command, {**_ENVIRONMENT, "TERM": term, "HOME": str(folder), "LINES": "24", "COLUMNS": "80"})
    os.set_blocking(terminal, False)
    subprocess.run(["stty", "-F", os.ttyname(terminal), "rows", "24", "cols", "80"], check=False)
    output = b"".join(_until_quiet(terminal))
    for key in keys:
        os.write(terminal, key)
        output += b"".join(_until_quiet(terminal))
    os.close(terminal)  # ends one that still runs by SIGHUP
    os.waitpid(process, 0)
    return output[:CUT_AT]


def _until_quiet(terminal: int) -> Iterator[bytes]:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline and select.select([terminal], [], [], QUIET_SECONDS)[0]:
        try:
            yield os.read(terminal, 65_536)
        except OSError:  # the program ended
            return


def vim(folder: Path) -> bytes:
    (folder / "program.c").write_text("".join(f'/* step {n} */\nint f{n}(int a) {{ return a * {n} + "世界"[a]; }}\n\n' for n in range(60)))
    keys = [
        b":set number cursorline hlsearch list\r",
        b"/return\r",
        b"nnn",
        b"\x06",
        b"\x06",
        b"\x02",
        b"G",
        b"gg",
        b"dd3p",
        b"O",
        b"new \xc3\xa9 line \xf0\x9f\x98\x80",
    ]
    keys += [
        b"\x1b",
        b":split\r",
        b"\x17j",
        b"10\x05",
        b"V3j>",
        b"u",
        b":vsplit\r",
        b":10\r",
        b"zt",
        b"ihello\tworld\x1b",
        b":only\r",
        b":q!\r",
    ]
    return record(
        ["vim", "-u", "NONE", "-N", "-n", "--cmd", "syntax on", "--cmd", "filetype on", "--cmd", "set bg=dark ruler showcmd", "program.c"],
        keys,
        folder,
    )


def _alone(command: str) -> list[str]:
    """Among a few processes of its own: what else runs on the machine is nobody's business."""
    return [
        "unshare",
        "--pid",
        "--fork",
        "--mount-proc",
        "sh",
        "-c",
        f"sleep 100 & sleep 200 & (sleep 300; true) & yes >/dev/null & exec {command}",
    ]


def htop(folder: Path) -> bytes:
    return record(
        _alone("htop --delay=8"),
        [b"", b"", b"t", b"\x1b[B\x1b[B", b"H", b"\x1bOQ", b"\x1b[B", b"\x1b", b"\x1b", b"/", b"sle", b"\x1b", b"q"],
        folder,
    )


def top(folder: Path) -> bytes:
    return record(_alone("top -d 0.3"), [b"", b"z", b"x", b"b", b"q"], folder)


def less(folder: Path) -> bytes:
    (folder / "text").write_text("".join(f"line {n}: " + "long and wide 漢字 " * (n % 9) + "\n" for n in range(300)))
    keys = [
        b" ",
        b" ",
        b"b",
        b"/9: long\r",
        b"n",
        b"N",
        b"-S\r",
        b"\x1b[C",
        b"\x1b[D",
        b"G",
        b"g",
        b"y",
        b"\r\r",
        b"\x1by",
        b"h",
        b"q",
        b"q",
    ]
    return record(["less", "-M", "text"], keys, folder)


def ls(folder: Path) -> bytes:
    for n in range(40):
        place = folder / f"folder{n % 4}"
        place.mkdir(exist_ok=True)
        (place / f"file{n}.gz").write_bytes(b"x" * n)
        (place / f"run{n}").touch(0o755)
        (place / f"link{n}").symlink_to("file")
    return record(["ls", "-lR", "--color=always", "--time-style=+%F"], [], folder) + record(
        ["ls", "-C", "--color=always", "folder1"], [], folder
    )


def shell(folder: Path) -> bytes:
    keys = [
        b"echo one two three\r",
        b"echo " + b"wrapped " * 14,
        b"\x01",
        b"\x1b[C\x1b[C",
        b"\x05",
        b"\x17\x17",
        b"\x7f\x7f",
        b"\r",
        b"\x1b[A",
        b"\x03",
        b"\x0c",
        b"printf 'a\\tb\\n'\r",
        b"clear\r",
        b"exit\r",
    ]
    return record(["bash", "--norc", "--noprofile"], keys, folder)


def boot(folder: Path) -> bytes:
    from volant.daemon.settings import load

    kernel = load(os.environ, {}).config.state_dir / "kernels/default/vmlinuz"
    command = [
        "qemu-system-x86_64",
        "-M",
        "q35",
        "-m",
        "256",
        "-nographic",
        "-no-reboot",
        "-kernel",
        str(kernel),
        "-append",
        "console=ttyS0 panic=-1",
    ]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=folder) as machine:
        assert machine.stdout is not None
        deadline = time.monotonic() + BOOT_SECONDS
        output = b""
        while time.monotonic() < deadline and (chunk := os.read(machine.stdout.fileno(), 65_536)):
            output += chunk
        machine.kill()
    return output[:CUT_AT]


def unicode_text(_folder: Path) -> bytes:
    texts = [
        "世界 中文字 日本語 ひらがな カタカナ 한국어 조선말 ｆｕｌｌ ｗｉｄｔｈ",
        "😀😃😄 👍🏽 👩\u200d👩\u200d👧 🏳\ufe0f\u200d🌈 ❤\ufe0f ☺\ufe0e 🇩🇪🇫🇷",
        "e\u0301 n\u0303 a\u0308\u0323 Z\u0351\u036b\u0343 שָׁלוֹם नमस्ते สวัสดี العربية",
    ]
    texts += ["Ελληνικά Кириллица žluťoučký", "─│┌┐└┘├┤┬┴┼═║╔╗╚╝░▒▓█▀▄▌▐", "soft\u00adhyphen zero\u200bwidth \u2460\u2461 ㉈ ䷀"]
    lines = [f"\x1b[3{n % 8}m{text}\x1b[0m {'界' * n}|\r\n" for n, text in enumerate(texts * 6)]
    margins = [f"\x1b[{row};{column}H世界é\x1b[{row};{column}Hx" for row in range(2, 20, 3) for column in (1, 2, 39, 77, 78, 79, 80)]
    overwritten = [f"\x1b[{row};5H漢字漢字\x1b[{row};{column}Hx界" for row, column in enumerate(range(3, 14), start=5)]
    return "".join([*lines, *margins, *overwritten, "\x1b[22;1H", "界" * 100, "a", "界" * 40]).encode()


def colours(_folder: Path) -> bytes:
    palette = "".join(f"\x1b[38;5;{n}mx\x1b[48;5;{255 - n}my\x1b[m" for n in range(256))
    true = "".join(f"\x1b[48;2;{n};{255 - n};{n * 7 % 256}m \x1b[38:2::{n}:{n}:9m▀" for n in range(0, 256, 2))
    sixteen = "".join(f"\x1b[{n};{n + 10}m{n} \x1b[{n + 60}m{n}\x1b[49;39m " for n in range(30, 38))
    attributes = "".join(
        f"\x1b[{n}m{n}\x1b[0m "
        for n in [*range(10), 21, 53, "4:1", "4:2", "4:3", "4:4", "4:5", "58;5;9;4", "58;2;1;2;3;4:3", "1;2;3;4;5;7;8;9"]
    )
    undone = "".join(
        f"\x1b[1;2;3;4;5;7;8;9;53m\x1b[{n}mx"
        for n in [22, 23, 24, 25, 27, 28, 29, 55, 59, "4:0", "38;5;300", "38;2;1", "48;2;256;1;1", "38", "38;5"]
    )
    erased = "".join(f"\x1b[{40 + n}m\x1b[{n + 10};{n * 5 + 1}H\x1b[{n % 3}K\x1b[{n}X\x1b[{n}P\x1b[{n + 1}@" for n in range(8))
    return "\r\n".join(
        [
            palette,
            true,
            sixteen,
            attributes,
            undone,
            erased,
            "\x1b[42m\x1b[20;30H\x1b[J\x1b[45m\x1b[5;7H\x1b[1J\x1b[46m\r\n\r\n" + "\n" * 30,
        ]
    ).encode()


def drawing(_folder: Path) -> bytes:
    box = "\x1b(0lqqqqwqqqqk\x1b(B\r\n\x1b(0x\x1b(B ab \x1b(0x\x1b(B cd \x1b(0x\x1b(B\r\n"
    box += "\x1b(0tqqqqnqqqqu\x1b(B\r\n\x1b(0mqqqqvqqqqj\x1b(B\r\n"
    shifted = "\x1b)0\x0e`abcdefghijklmnopqrstuvwxyz{|}~\x0f plain\r\n\x1b7\x0eqq\x1b8qq\r\n"
    regions = "".join(
        f"\x1b[{top};{top + 6}r\x1b[{top + 6};1Hregion {top}\n\nlower\x1b[{top}H\x1bM\x1b[2L\x1b[M\x1b[3S\x1b[T" for top in (2, 9, 15)
    )
    tabs = "\x1b[r\x1b[3g" + "".join(f"\x1b[1;{n}H\x1bH" for n in (5, 11, 40)) + "\x1b[21H\ta\tb\tc\td\x1b[2Ze\x1b[9Zf"
    modes = (
        "\x1b[?6h\x1b[5;20r\x1b[3;3Horigin\x1b[99;99H*\x1b[?6l\x1b[r\x1b[4h\x1b[7;1Hinsert\x1b[4l\x1b[?7l\x1b[8;70H"
        + "0123456789" * 3
        + "\x1b[?7h\r"
        + "x" * 20
        + "-\x1b[9b"
    )
    alternate = "\x1b[?1049h\x1b[2J\x1b[Halternate\x1b[?1049l\x1b[?47h47\x1b[?47l\x1b[?1047h1047\x1b[?1047l\x1b[s\x1b[5;5H!\x1b[u?"
    strings = "\x1b]0;title\x07\x1b]2;other\x1b\\\x1b]52;c;aGk=\x07"
    strings += "\x1bP1$r0m\x1b\\\x1b_apc\x1b\\\x1b^pm\x1b\\\x1bXsos\x1b\\\x1bkname\x1b\\\x1b]133;A\x07"
    return (
        box
        + shifted
        + regions
        + tabs
        + modes
        + alternate
        + strings
        + "\x1b[>4;2m\x1b[<u\x1b[=1;1u\x1b[?2004h\x1b[?1002h\x1b[?1006h\x1b[?1h\x1b=end"
    ).encode()


RECORDINGS: dict[str, Callable[[Path], bytes]] = {
    "vim": vim,
    "htop": htop,
    "top": top,
    "less": less,
    "ls": ls,
    "shell": shell,
    "boot": boot,
    "unicode": unicode_text,
    "colours": colours,
    "drawing": drawing,
}


def main(names: list[str]) -> None:
    SESSIONS.mkdir(exist_ok=True)
    for name in names or RECORDINGS:
        with tempfile.TemporaryDirectory() as folder:
            recorded = RECORDINGS[name](Path(folder))
        (SESSIONS / f"{name}.gz").write_bytes(gzip.compress(recorded, mtime=0))
        print(f"{name}: {len(recorded):,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
