"""Literal folder trees, games and modules for the tests of mods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs import MemoryFs
from oboromi_fs.builders.nso import build_nso
from oboromi_fs.builders.pfs0 import build_pfs0
from oboromi_fs.builders.romfs import RomFsImage
from oboromi_fs.mods.game import Game
from oboromi_fs.mods.loadout import Loadout, load
from oboromi_fs.mods.profiles import profile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oboromi_fs.base import FileSystemBase
    from oboromi_fs.mods.values import Installed
    from oboromi_fs.protocols import Storage

ID = 0x0100ABCDEF000000
LOWER = f"{ID:016x}"
UPPER = f"{ID:016X}"
BUILD = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
BUILD_TEXT = BUILD.hex().upper()

PLACES = {
    "atmosphere": f"atmosphere/contents/{LOWER}",
    "yuzu": f"load/{UPPER}/mod",
    "ryujinx": f"mods/contents/{LOWER}/mod",
    "plain": f"load/{UPPER}/mod",
}
"""Where each profile finds a mod of the title."""


def tree(files: Mapping[str, bytes | Storage | str], dirs: tuple[str, ...] = ()) -> MemoryFs:
    return MemoryFs({path: data.encode() if isinstance(data, str) else data for path, data in files.items()}, dirs)


def module(text: bytes = b"T" * 0x40, build: bytes = BUILD) -> Storage:
    return build_nso(text, b"R" * 0x20, b"D" * 0x10, module_id=build, compress=False)


def game(romfs: Mapping[str, bytes] | None = None, exefs: Mapping[str, bytes | Storage] | None = None, **more: MemoryFs) -> Game:
    base = MemoryFs(dict(romfs) if romfs is not None else {"a.txt": b"game a", "d/b.txt": b"game b"}, more.pop("dirs", ()))  # type: ignore[arg-type]
    code = MemoryFs(dict(exefs) if exefs is not None else {"main": module(), "main.npdm": b"META", "sdk": module(build=b"\x5d" * 20)})
    return Game(base, code, more.get("manual"), RomFsImage(base))


def installed(name: str, root: FileSystemBase, title: int = ID, **more: tuple[str, ...]) -> Installed:
    return profile(name, **more).installed(root, title)


def loaded(name: str, root: FileSystemBase, given: Game | None = None, title: int = ID) -> Loadout:
    return load(root, installed(name, root, title), given if given is not None else game())


def told(found: Installed | Loadout) -> list[tuple[str, str]]:
    """Reasons and paths of what is passed over."""
    return [(notice.reason, notice.path) for notice in found.notices if notice.ignored]


def contents(loadout: Loadout) -> dict[str, bytes]:
    return {path: loadout.union.read_bytes(path) for path, entry in loadout.union.walk() if entry.kind == "file"}


def image_of(files: Mapping[str, bytes]) -> bytes:
    return RomFsImage(MemoryFs(dict(files))).tobytes()


def partition(files: Mapping[str, bytes | Storage]) -> bytes:
    from oboromi_fs import MemoryStorage

    return build_pfs0({name: MemoryStorage(data) if isinstance(data, bytes) else data for name, data in files.items()})[:].tobytes()
