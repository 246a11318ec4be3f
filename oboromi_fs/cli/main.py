"""``oboromi``: run a verb, and tell the shell how it went.

Nothing is imported before :func:`main` runs that is not needed to be interrupted quietly.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from oboromi_fs.cli.console import Console

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code (:mod:`oboromi_fs.cli.failures`); never raises.

    Args:
        arguments: Without the program's name. None takes those of the process, which is then ours: it ends on SIGTERM as on Ctrl-C,
            having cleaned up.
    """
    console: Console | None = None
    try:
        if arguments is None:
            _own_process()
        from oboromi_fs.cli.console import Console

        console = Console()
        return _execute(list(sys.argv[1:] if arguments is None else arguments), console)
    except BaseException as error:  # noqa: BLE001  # A user gets a line of text, whatever happened.
        if arguments is None:
            _ignore_signals()
        return _report(error, console)
    finally:
        if arguments is None:
            _silence_stdout()


def _execute(arguments: list[str], console: Console) -> int:
    from oboromi_fs.cli.arguments import parse
    from oboromi_fs.cli.session import Session

    run, options = parse(arguments, console)
    session = Session(console, key_files=options.keys, base=options.base, json=options.json, sd_path=options.sd_path)
    try:
        code = run(session, options)
        console.flush()
    finally:
        session.close()
    return code


def _report(error: BaseException, console: Console | None) -> int:
    """Write an error to stderr, after what was written to stdout, and return the exit code."""
    from oboromi_fs.cli import failures
    from oboromi_fs.cli.console import Console

    if console is None:
        console = Console()
    try:
        console.flush()
    except (OSError, ValueError) as wrong:
        if isinstance(error, SystemExit):
            error = wrong
    if isinstance(error, SystemExit):  # --help, --version.
        return failures.DONE
    if isinstance(error, BrokenPipeError):  # Whoever read has enough.
        return failures.PIPE
    for note in getattr(error, "__notes__", ()):
        if note.startswith("could not clear up"):  # Others say where the error was met; an error is one line.
            console.error(note)
    if isinstance(error, failures.Terminated):
        console.error("terminated")
        return failures.SIGNALLED + int(error.args[0])
    if isinstance(error, KeyboardInterrupt):
        console.error("interrupted")
        return failures.INTERRUPTED
    console.error(failures.line(error))
    if console.verbose:
        for text in failures.chain(error):
            console.error(text)
    if console.verbose > 1:
        import traceback

        for entry in traceback.format_exception(error):
            for text in entry.splitlines():
                console.error(f"  {text}")
    return failures.exit_code(error)


def _own_process() -> None:
    import gc
    import signal

    # What is allocated lives until the end: looking for garbage in it would take longer than most verbs.
    gc.set_threshold(200_000, 50, 1000)
    # Where there is a cffi, pycryptodome has it parse C declarations, which takes longer than all else together; ctypes does as well.
    sys.modules.setdefault("cffi", None)  # type: ignore[arg-type]

    def terminate(number: int, frame: FrameType | None) -> None:
        from oboromi_fs.cli.failures import Terminated

        del frame
        raise Terminated(number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # nohup means it.
            signal.signal(number, terminate)
    _allow_many_files()


def _allow_many_files() -> None:
    """Take as many descriptors as the host gives: a folder of dumps needs one for each file."""
    try:
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (ImportError, ValueError, OSError):  # Windows; or the host will not.
        pass


def _ignore_signals() -> None:
    """Let nothing interrupt the last words."""
    import signal

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, signal.SIG_IGN)


def _silence_stdout() -> None:
    """Keep the interpreter from writing, at its end, what could not be written before."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        import os

        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
