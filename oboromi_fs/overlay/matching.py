"""Regular expressions over many paths, which cannot hang: what may take for ever is done where it can be ended."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from oboromi_fs.errors import OboromiFsError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PatternError", "matching"]

_CHOICES = re.compile(r"[*+?{|]")
"""What the engine may have to go back to. Where these stand for themselves they are counted as well: that costs a process, and no more."""
_STEPS = 10**10
"""Steps that one choice may cost in this process: a few seconds."""
_CHILD = """
import json, re, sys
pattern, paths = json.load(sys.stdin)
search = re.compile(pattern, re.IGNORECASE).search
json.dump([number for number, path in enumerate(paths) if search(path)], sys.stdout)
"""


class PatternError(OboromiFsError, ValueError):
    """A regular expression that is none, or that takes too long.

    Args:
        pattern: The expression.
        problem: What is wrong with it.
    """

    def __init__(self, pattern: str, problem: str) -> None:
        super().__init__(pattern, problem)
        self.pattern = pattern
        self.problem = problem

    def __str__(self) -> str:
        return f"pattern {self.pattern!r}: {self.problem}"


def matching(pattern: str, paths: Sequence[str], *, seconds: float = 30.0) -> list[str]:
    """Return the paths in which a regular expression is found, whatever the case of letters.

    Python's engine goes back and tries again, which for some expressions, such as ``(a+)+$``, takes longer than there is time. One that
    leaves more than one choice is therefore searched for in a process of its own, which is ended after a while; and so is one that
    leaves a single choice, where paths are so long that to try it from each place takes too long.

    Args:
        pattern: As :mod:`re` has it; not anchored.
        paths: Where to search.
        seconds: How long that process may take.

    Raises:
        PatternError: It is no regular expression, or has taken too long.

    Example:
        >>> matching(r"^data/.*\\.BIN$", ["data/a.bin", "data/a.txt", "more/data/a.bin"])
        ['data/a.bin']
    """
    try:
        search = re.compile(pattern, re.IGNORECASE).search
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(pattern, f"is no regular expression: {error}") from None
    choices = len(_CHOICES.findall(pattern))
    if not choices or (choices == 1 and sum(len(path) ** 2 for path in paths) <= _STEPS):
        return [path for path in paths if search(path)]
    words = [sys.executable, "-I", "-S", "-c", _CHILD]
    try:
        found = subprocess.run(words, input=json.dumps([pattern, list(paths)]), capture_output=True, text=True, timeout=seconds, check=True)  # noqa: S603 - our own program.
    except subprocess.TimeoutExpired:
        raise PatternError(
            pattern, f"takes longer than {seconds:g} s over {len(paths)} paths: it repeats too much in too many ways"
        ) from None
    except subprocess.CalledProcessError as error:
        raise PatternError(pattern, f"could not be searched for: {error.stderr.strip()[-200:]}") from None
    return [paths[number] for number in json.loads(found.stdout)]
