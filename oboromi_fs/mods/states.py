"""State files of emulators: which mods are switched off. Damaged or contradictory ones are told, and take nothing away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from oboromi_fs.errors import OboromiFsError
from oboromi_fs.paths import join

if TYPE_CHECKING:
    from oboromi_fs.mods.finding import Finder
    from oboromi_fs.mods.values import Mod

__all__ = ["ModStates", "disabled_addons"]

_MOST = 4 << 20
_SETTINGS = "config/qt-config.ini"
_SECTION = "DisabledAddOns"


def _text(finder: Finder, path: str) -> str | None:
    """A state file's text; None where there is none, or it cannot be read, which is told."""
    try:
        storage = finder.root.storage(path)
        if storage.size > _MOST:
            finder.tell("state", path, f"has {storage.size} bytes, a state file has fewer than {_MOST}")
            return None
        return storage[:].tobytes().decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError:
        finder.tell("state", path, "is not UTF-8: everything counts as switched on")
    except (OboromiFsError, OSError) as error:
        finder.tell("state", path, f"cannot be read: {error}")
    return None


def disabled_addons(finder: Finder, title_id: int) -> list[str]:
    """Return the names that yuzu's settings switch off for a title: of mods, and ``Update``, ``DLC``, ``SDMC``.

    Args:
        finder: Looks through the user directory; is told what is wrong.
        title_id: The title.
    """
    import configparser

    text = _text(finder, _SETTINGS)
    if text is None:
        return []
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=(";",))
    parser.optionxform = lambda optionstr: optionstr  # type: ignore[method-assign]  # Names are kept as they are spelled.
    try:
        parser.read_string(text)
    except configparser.Error as error:
        finder.tell("state", _SETTINGS, f"is no settings file: {error.message.splitlines()[0]}; everything counts as switched on")
        return []
    if not parser.has_section(_SECTION):
        return []
    options = dict(parser.items(_SECTION))
    names: list[str] = []
    for key, value in options.items():
        number, _, field = key.partition("\\")
        if field != "title_id":
            continue
        if not (value.isascii() and value.isdecimal()):
            finder.tell("state", _SETTINGS, f"{key} is no number: {value!r}")
        elif int(value[:20]) == title_id:
            names += [
                text.strip('"') for name, text in options.items() if name.startswith(f"{number}\\disabled\\") and name.endswith("\\d")
            ]
    return names


class _Entry(NamedTuple):
    name: str
    path: str
    enabled: bool


class ModStates:
    """What Ryujinx's ``games/<id>/mods.json`` says of a title's mods. Where it says nothing, a mod is on.

    Args:
        finder: Looks through the application directory; is told what is wrong.
        title_id: The title.
    """

    def __init__(self, finder: Finder, title_id: int) -> None:
        self._finder = finder
        folder = finder.down(f"games/{title_id:016x}", fold=True)
        self.path = join(folder, "mods.json") if folder is not None else ""
        self._entries = self._read() if self.path else []
        self._met: set[_Entry] = set()

    def _read(self) -> list[_Entry]:
        text = _text(self._finder, self.path)
        if text is None:
            return []
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            self._finder.tell("state", self.path, f"is no JSON: {error}; every mod counts as switched on")
            return []
        rows = _field(document, "mods")
        if not isinstance(rows, list):
            self._finder.tell("state", self.path, "has no list of Mods; every mod counts as switched on")
            return []
        entries: list[_Entry] = []
        for number, row in enumerate(rows):
            name, path, enabled = _field(row, "name"), _field(row, "path"), _field(row, "enabled")
            if not isinstance(name, str) or not isinstance(path, str) or not isinstance(enabled, bool):
                self._finder.tell("state", self.path, f"entry {number} is none: it takes a Name, a Path, and Enabled as true or false")
                continue
            entries.append(_Entry(name, path.replace("\\", "/").rstrip("/"), enabled))
        return entries

    def why_off(self, mod: Mod) -> str:
        """Return by what a mod is switched off; ``""`` where it is not."""
        entries = [entry for entry in self._entries if _is_of(entry, mod)]
        self._met.update(entries)
        if not entries:
            return ""
        if len({entry.enabled for entry in entries}) > 1:
            state = "on" if entries[0].enabled else "off"
            text = f"says both that {mod.name!r} is on and that it is off: the first counts, which is {state}"
            self._finder.tell("state", self.path, text, mod.name, ignored=False)
        return "" if entries[0].enabled else f"in {self.path}"

    def tell_unknown(self) -> None:
        """Tell of entries that are of no mod that is there."""
        for entry in self._entries:
            if entry not in self._met:
                self._finder.tell("state", self.path, f"names a mod that is not there: {entry.name!r} in {entry.path!r}", ignored=False)


def _is_of(entry: _Entry, mod: Mod) -> bool:
    """Whether an entry is of a mod: its path ends with the mod's, or that of one of its parts."""
    paths = {mod.path, *(part.path for part in mod.parts)}
    return any(entry.path == path or entry.path.endswith(f"/{path}") for path in paths) if entry.path else entry.name == mod.name


def _field(row: Any, name: str) -> Any:
    """A field of an object, whatever the case and the underscores of its name."""
    if not isinstance(row, dict):
        return None
    return next((value for key, value in row.items() if key.replace("_", "").lower() == name), None)
