"""Key paths: where in a text a value stands, and what is wrong with it there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from oboromi_fs.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["KeyPath", "Plain", "shown"]

Plain: TypeAlias = "bool | int | str | list[Plain] | dict[str, Plain]"
"""What TOML and JSON have in common."""


def shown(plain: Any) -> str:
    """Return what a message may quote of a plain value: not all of a long one."""
    try:
        text = f"{plain:#x}" if isinstance(plain, int) and abs(plain) >= 1 << 64 else repr(plain)
    except ValueError:  # A number in a list, with more digits than Python writes.
        text = f"a {type(plain).__name__}"
    return text if len(text) <= 40 else f"{text[:37]}..."


@dataclass(frozen=True, slots=True)
class KeyPath:
    """The keys that lead to a value, as an error names them.

    Args:
        what: What the text describes, such as ``"NACP"``.
        keys: From the outermost key to the value's own; items of lists by their index.
        source: Name of the file the text came from, if known.

    Example:
        >>> path = KeyPath("NACP") / "titles" / "AmericanEnglish" / "name"
        >>> str(path.error("longer than 512 bytes"))
        '[titles.AmericanEnglish] name: longer than 512 bytes'
    """

    what: str
    keys: tuple[str, ...] = ()
    source: str = ""

    def __truediv__(self, key: str | int) -> KeyPath:
        return KeyPath(self.what, (*self.keys, str(key)), self.source)

    def __str__(self) -> str:
        if not self.keys:
            return self.what
        *tables, key = self.keys
        return f"[{'.'.join(tables)}] {key}" if tables else key

    def error(self, problem: str) -> FormatError:
        """Return (not raise) an error about the value at this path."""
        return FormatError(problem, what=str(self), source=self.source)

    def refuse(self, plain: Any, wanted: str) -> NoReturn:
        """Raise that the value is not of the type that is needed here.

        Raises:
            FormatError: Always.
        """
        raise self.error(f"{shown(plain)} is not {wanted}")

    def table(self, plain: Any) -> dict[str, Any]:
        """Return ``plain``, which must be a table, as a new dict.

        Raises:
            FormatError: It is none.
        """
        if not isinstance(plain, dict):
            self.refuse(plain, "a table")
        return dict(plain)

    def begin(self, plain: Any) -> dict[str, Any]:
        """Return a whole text's table as a new dict, without its ``format``, which must be right if it is there.

        Raises:
            FormatError: It is no table, or one of another format.
        """
        table = self.table(plain)
        found = table.pop("format", self.what)
        if found != self.what:
            raise (self / "format").error(f"{found!r} is not {self.what!r}")
        return table

    def items(self, plain: Any) -> list[tuple[KeyPath, Any]]:
        """Return the items of ``plain``, which must be a list, each with its path.

        Raises:
            FormatError: It is none.
        """
        if not isinstance(plain, list | tuple):
            self.refuse(plain, "a list")
        return [(self / index, item) for index, item in enumerate(plain)]

    def finish(self, rest: Mapping[str, Any], known: Iterable[str]) -> None:
        """Check that no key is left over.

        Args:
            rest: What nobody took.
            known: Keys that may stand here, for a suggestion.

        Raises:
            FormatError: A key is left.
        """
        for key in rest:
            from difflib import get_close_matches

            close = get_close_matches(str(key), list(known), 1)
            raise (self / key).error(f"no such key{f': did you mean {close[0]}?' if close else ''}")
