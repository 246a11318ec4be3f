"""What can be checked of save data: the copies of its header, its MAC, its hash trees, and that every file is in its blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_formats.savedata import LAYOUT_OFFSET, SAVE_HEADER_SIZE, SAVE_LAYOUT
from oboromi_fs.backends.savedata import SaveDataFs, copy_is_sound
from oboromi_fs.errors import OboromiFsError
from oboromi_fs.jobs.checks import SHOWN, Check, State, Step, count_of, failure, flatten, now
from oboromi_fs.jobs.treechecks import tree_step
from oboromi_fs.paths import addressable, join

if TYPE_CHECKING:
    from oboromi_fs.keys import KeySet

__all__ = ["save_steps"]

_MAC_KEYS = ("save_mac_key_00", "save_mac_sd_card_key")
"""Those that a save data image may be signed with: of the console, and of an SD card."""


def save_steps(label: str, fs: SaveDataFs, keys: KeySet, state: State) -> list[Step]:
    """Return the checks of a save data image.

    Args:
        label: What to call it.
        fs: The image.
        keys: The user's keys.
        state: What the tasks share.
    """
    unchecked = SaveDataFs(fs.raw)  # Whose hashes are taken as they are, for each level is checked by itself.
    steps = [now(Check(label, "save data", "note", "support is experimental")), now(*_headers(label, fs), _mac(label, fs, keys))]
    layers = unchecked.layers
    steps.append(tree_step(label, layers.data_tree, state, file=fs.raw, check="save data hashes"))
    if layers.fat_tree is not None:
        steps.append(tree_step(label, layers.fat_tree, state, file=fs.raw, check="allocation table hashes"))
    steps.append(_files(label, unchecked, state))
    return steps


def _headers(label: str, fs: SaveDataFs) -> list[Check]:
    found: list[Check] = []
    for number, start in enumerate((0, SAVE_HEADER_SIZE)):
        what, at = f"header copy {'AB'[number]}", fs.raw.place(start).offset
        if copy_is_sound(fs.raw, start):
            detail = "" if start == fs.header.offset else "not in use: the other is"
            found.append(Check(label, what, "ok", detail, size=SAVE_HEADER_SIZE))
        elif start in (fs.header.offset, 0):
            found.append(Check(label, what, "failed", "does not have the hash that it says", at, SAVE_HEADER_SIZE))
        else:
            found.append(Check(label, what, "note", "does not have the hash that it says; not in use: the other is", at, SAVE_HEADER_SIZE))
    return found


def _mac(label: str, fs: SaveDataFs, keys: KeySet) -> Check:
    known = [(name, key) for name in _MAC_KEYS if (key := keys.get(name)) is not None]
    if not known:
        return Check(label, "header MAC", "note", f"not checked: without {' or '.join(_MAC_KEYS)}, which are of one console", size=0x10)
    from Crypto.Cipher import AES
    from Crypto.Hash import CMAC

    stored = fs.header.raw[:0x10].tobytes()
    signed = fs.header.raw[LAYOUT_OFFSET : LAYOUT_OFFSET + SAVE_LAYOUT.size].tobytes()
    for name, key in known:
        if CMAC.new(key, signed, ciphermod=AES).digest() == stored:
            return Check(label, "header MAC", "ok", f"with {name}", size=0x10)
    names = " nor ".join(name for name, _ in known)
    detail = f"does not verify with {names}: another console's, or changed"
    return Check(label, "header MAC", "failed", detail, fs.raw.place(fs.header.offset).offset, 0x10)


def _files(label: str, fs: SaveDataFs, state: State) -> Step:
    def task() -> list[Check]:
        files = directories = 0
        bad: list[Check] = []
        shared: list[str] = []
        begun: dict[int, str] = {}
        state.advance(0, label)
        try:
            for path, entry in fs.walk():
                if not addressable(entry.name):
                    bad.append(Check(join(label, path), "name", "failed", "is no name a path can hold; not looked into"))
                    continue
                if entry.kind == "directory":
                    directories += 1
                    continue
                files += 1
                try:
                    fs.storage(path)
                except OboromiFsError as wrong:
                    bad.append(failure(join(label, path), "save data files", wrong))
                    continue
                first = fs.first_block(path)
                if first is not None and begun.setdefault(first, path) != path:
                    shared.append(f"{path!r} is in the blocks of {begun[first]!r}")
        except OboromiFsError as wrong:
            return [*bad, failure(label, "save data files", wrong)]
        counted = f"{count_of(files, 'file')}, {count_of(directories, 'directory', 'directories')}"
        told = [*shared[:SHOWN], *([f"and {len(shared) - SHOWN} more share theirs"] if len(shared) > SHOWN else [])]
        told += fs.problems[1 if fs.header.offset else 0 :]  # That of the header has been told.
        problems = [Check(label, "save data files", "failed", problem) for problem in told]
        return [*bad, *problems] or [Check(label, "save data files", "ok", counted)]

    return Step([task], flatten)
