"""The `volant` command: find what is asked for, carry it out, and turn what went wrong into words and an exit code."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module

from volant.client.cli import terminal, tree
from volant.proto.errors import ExitCode, Fault, Usage
from volant.proto.purecbor import NotPlain

INTERRUPTED = 130
"""128 + SIGINT, as a shell says it."""
PIPE_BROKEN = 141
"""128 + SIGPIPE: how any program ends whose reader went away."""
COMPLETE = "__complete"
"""What the shells' completion calls; nobody types it, so no help shows it."""
EXIT_BITS = 0xFF
"""What of an exit code a parent sees (wait(2)); a hostile guest may say that its program ended with any number."""
GC_THRESHOLD = 50_000
"""Objects between two looks for garbage: a short command's imports make fewer, and searching them takes a twentieth of its time."""


def entry() -> None:
    """What the installed command calls."""
    gc.set_threshold(GC_THRESHOLD)
    code = main(sys.argv[1:])
    _flush_quietly()
    # Taking the interpreter apart takes a tenth of a short command's time, and everything that has to happen has happened.
    os._exit(code & EXIT_BITS)


def main(argv: list[str]) -> int:
    """Run one command line; the exit code. Nothing but this function decides about exit codes of failures."""
    terminal.prepare_streams()
    try:
        code = run(argv)
        sys.stdout.flush()
    except Fault as fault:
        from volant.client.cli.failures import report

        _flush_quietly()
        report(fault, as_json=wants_json(argv))
        return int(fault.exit_code)
    except (NotPlain, UnicodeEncodeError) as error:
        from volant.client.cli.failures import report

        why = str(error) if isinstance(error, NotPlain) else "it holds text that is not UTF-8"
        report(
            Usage(f"what was given can't be sent: {why}", hint="text is UTF-8, and whole numbers have at most 64 bits"),
            as_json=wants_json(argv),
        )
        return int(ExitCode.USAGE)
    except KeyboardInterrupt:
        _flush_quietly()
        return INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return PIPE_BROKEN
    except (TypeError, KeyError, IndexError, AttributeError, ValueError, OverflowError) as error:
        from volant.client.cli.connect import misread
        from volant.client.cli.failures import report

        wrong = misread(error)
        if wrong is None:
            raise  # a defect of ours
        _flush_quietly()
        report(wrong, as_json=wants_json(argv))
        return int(wrong.exit_code)
    except OSError as error:
        from volant.client.cli.failures import report

        _forget_stdout()
        report(Fault(f"the output can't be written: {error.strerror or error}"), as_json=wants_json(argv))
        return int(ExitCode.FAILED)
    return code


def run(argv: list[str]) -> int:
    """Choose the command in `argv` and carry it out."""
    if argv[:1] == [COMPLETE]:
        from volant.client.cli.completing.answer import entry as answer

        return answer(argv[1:])
    try:
        chosen = tree.choose(argv)
    except tree.VersionWanted:
        from volant import __version__

        print(f"volant {__version__}")
        return ExitCode.OK
    except tree.HelpWanted as wanted:
        text = tree.noun_overview(wanted.noun) if wanted.noun else tree.overview()
        print(text, file=sys.stderr if wanted.missing else sys.stdout)
        return ExitCode.USAGE if wanted.missing else ExitCode.OK
    from volant.client.cli.parsing import command_parser

    parser = command_parser(" ".join(chosen.words), chosen.verb)
    try:
        args = parser.read(chosen.rest)
    except SystemExit:  # argparse printed the help
        return ExitCode.OK
    module = import_module(f"volant.client.cli.commands.{chosen.verb.module}")
    return int(getattr(module, f"run_{chosen.verb.function}")(args))


def wants_json(argv: list[str]) -> bool:
    """Whether failures are to be JSON: said before anything is parsed, since parsing is what may fail."""
    own = argv[: argv.index("--")] if "--" in argv else argv
    for at, word in enumerate(own):
        if word in ("-o", "--output"):
            return own[at + 1 : at + 2] in (["json"], ["jsonl"])
        if word in ("-ojson", "-ojsonl", "--output=json", "--output=jsonl"):
            return True
    return False


def _flush_quietly() -> None:
    try:
        sys.stdout.flush()
    except OSError:
        _forget_stdout()


def _forget_stdout() -> None:
    """Send what is still buffered nowhere, so that the interpreter's own flush at exit stays quiet."""
    try:
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 1)
        os.close(devnull)
    except OSError:
        pass
