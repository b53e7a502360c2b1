"""`volant completion bash|zsh|fish`: the script that makes a shell complete the command."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from volant.client.cli import completing
from volant.client.cli.parsing import Parser
from volant.proto.errors import ExitCode

SHELLS = ("bash", "zsh", "fish")
_SCRIPTS = Path(completing.__file__).parent / "scripts"


def configure_completion(parser: Parser) -> None:
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=f"{', '.join(SHELLS)}: whose script to print")
    parser.give_examples(
        'eval "$(volant completion bash)"',
        "volant completion bash > ~/.local/share/bash-completion/completions/volant",
        "volant completion zsh > ~/.zfunc/_volant    # a folder of $fpath",
        "volant completion fish > ~/.config/fish/completions/volant.fish",
    )


def run_completion(args: argparse.Namespace) -> int:
    sys.stdout.write((_SCRIPTS / f"volant.{args.shell}").read_text())
    return ExitCode.OK
