"""State files of emulators: which mods are switched off. Damaged or contradictory ones are told, and take nothing away."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from oboromi_fs.errors import OboromiFsError
from oboromi_fs.paths import join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oboromi_fs.mods.finding import Finder
    from oboromi_fs.mods.values import Mod

__all__ = ["YUZU_SWITCHES", "ModStates", "Settings", "disabled_addons", "selected_update", "switched_addons"]

_MOST = 4 << 20
_SETTINGS = ("config/qt-config.ini", "config/config.ini", "config/sdl2-config.ini")
"""Settings of yuzu on the desktop, on Android, and without a window."""
_SECTION = "DisabledAddOns"
YUZU_SWITCHES = {"Update": "the title's update is", "DLC": "the title's add-on content is"}
"""Names in yuzu's settings that switch off other things than mods."""


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


class Settings(NamedTuple):
    """What yuzu's settings switch off for a title: the settings file, and names of mods, or ``Update``, ``DLC``, ``SDMC``."""

    path: str
    names: tuple[str, ...]


def disabled_addons(finder: Finder, title_id: int) -> Settings:
    """Return what yuzu's settings switch off for a title.

    Args:
        finder: Looks through the user directory; is told what is wrong.
        title_id: The title.
    """
    for path in _SETTINGS:
        text = _text(finder, path)
        if text is not None:
            return Settings(path, tuple(_disabled(finder, path, _section(text), title_id)))
    return Settings(_SETTINGS[0], ())


def _section(text: str) -> dict[str, str]:
    """The keys and values of the section that names what is switched off; of a key that is there twice, the last."""
    values: dict[str, str] = {}
    inside = False
    for line in text.splitlines():
        if line.startswith("["):
            inside = line.strip() == f"[{_SECTION}]"
        elif inside and "=" in line:
            key, _, value = line.partition("=")
            values[key.strip()] = _unquoted(value.strip())
    return values


def _unquoted(value: str) -> str:
    """A value without quotes, and what Qt escaped in it as it was: letters that are not ASCII stand as ``\\x`` and their UTF-16 number."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = re.sub(r'\\(["\\])', r"\1", value[1:-1])
    plain = re.sub(r"\\x([0-9A-Fa-f]{1,4})", lambda found: chr(int(found[1], 16)), value)
    return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _disabled(finder: Finder, path: str, values: dict[str, str], title_id: int) -> Iterator[str]:
    beyond = False
    for key, value in values.items():
        number, _, field = key.partition("\\")
        if field != "title_id":
            continue
        if not (value.isascii() and value.isdecimal()):
            finder.tell("state", path, f"{key} is no number: {value[:40]!r}")
        elif int(value[:20]) == title_id:
            start = f"{number}\\disabled\\"
            most = values.get(f"{start}size", "")
            for name, text in values.items():
                index, _, last = name.removeprefix(start).partition("\\")
                if name.startswith(start) and last == "d":
                    if _within(index, most) and _within(number, values.get("size", "")):
                        yield text
                    else:
                        beyond = True
    if beyond:
        finder.tell("state", path, f"what {_SECTION} lists for {title_id:016X} beyond its size does not count", ignored=False)


def _within(index: str, size: str) -> bool:
    """Whether an entry of a list counts: its index is at most the list's size, if that is said."""
    known = all(text.isascii() and text.isdecimal() for text in (index, size))
    return not known or int(index[:9]) <= int(size[:9])


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
        self.path = _of_game(finder, title_id, "mods.json")
        self._entries = self._read() if self.path else []
        self._met: set[_Entry] = set()

    def _read(self) -> list[_Entry]:
        document = _document(self._finder, self.path, "every mod counts as switched on")
        if document is None:
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


def _of_game(finder: Finder, title_id: int, name: str) -> str:
    """The path of one of Ryujinx's files on a title; ``""`` where there is no folder of the title's."""
    folder = finder.down(f"games/{title_id:016x}", fold=True)
    return join(folder, name) if folder is not None else ""


def _document(finder: Finder, path: str, else_: str) -> Any:
    """A JSON file's contents; None where there is none, or it is damaged, which is told."""
    text = _text(finder, path) if path else None
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        finder.tell("state", path, f"is no JSON: {error}; {else_}")
        return None


def selected_update(finder: Finder, title_id: int) -> str | None:
    """Return the file of the update that Ryujinx's ``games/<id>/updates.json`` selects.

    Args:
        finder: Looks through the application directory; is told what is wrong.
        title_id: The title.

    Returns:
        The file as it is written there, a path on the host; ``""`` for none; None where nothing is said.
    """
    path = _of_game(finder, title_id, "updates.json")
    document = _document(finder, path, "no update counts as selected")
    if document is None:
        return None
    selected, paths = _field(document, "selected"), _field(document, "paths")
    if not isinstance(selected, str) or not isinstance(paths, list):
        finder.tell("state", path, "takes Selected, a path or nothing, and Paths, a list; no update counts as selected")
        return None
    if selected and selected not in paths:
        finder.tell("state", path, f"selects {selected[-80:]!r}, which its Paths have not", ignored=False)
    return selected


def switched_addons(finder: Finder, title_id: int) -> dict[int, bool]:
    """Return the add-on content that Ryujinx's ``games/<id>/dlc.json`` lists: title id -> whether it is on.

    Args:
        finder: Looks through the application directory; is told what is wrong.
        title_id: The title.
    """
    path = _of_game(finder, title_id, "dlc.json")
    document = _document(finder, path, "no add-on content counts as listed")
    if document is None:
        return {}
    if not isinstance(document, list):
        finder.tell("state", path, "is no list of containers; no add-on content counts as listed")
        return {}
    found: dict[int, bool] = {}
    for number, row in enumerate(document):
        contents = _field(row, "dlcncalist")
        for each in contents if isinstance(contents, list) else (None,):
            addon, on = _field(each, "titleid"), _field(each, "isenabled")
            if not isinstance(addon, int) or isinstance(addon, bool) or not isinstance(on, bool):
                finder.tell("state", path, f"entry {number} is none: it takes contents with a TitleId, and IsEnabled as true or false")
            elif found.setdefault(addon, on) != on:
                finder.tell("state", path, f"says both that {addon:016x} is on and that it is off: the first counts", ignored=False)
    return found
