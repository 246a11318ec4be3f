"""The game of the demo: a small made-up title as a package with a ticket and as a game card, with the keys to both.

Built with the same builders, and through the same functions, that are there for everybody.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oboromi_formats.cnmt import MetaType
from oboromi_formats.nca import Distribution
from oboromi_fs.backends.memory import MemoryFs
from oboromi_fs.base import MemoryStorage
from oboromi_fs.builders.cnmt import build_cnmt, content_of, meta_image
from oboromi_fs.builders.nca import NcaBuilder, encrypt_title_key, nca_layout, rights_id_of
from oboromi_fs.builders.nso import build_nso
from oboromi_fs.builders.nsp import build_nsp
from oboromi_fs.builders.pfs0 import build_pfs0
from oboromi_fs.builders.romfs import build_romfs
from oboromi_fs.builders.xci import build_xci, card_layout
from oboromi_fs.cli.demomedia import gif_dot, jpeg_moon, png_gradient, wav_tone
from oboromi_fs.keys import KeySet
from oboromi_fs.metadata import Nacp, Npdm, TicketFile
from oboromi_fs.storage.writing import write_storage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oboromi_fs.builders.nca import Kind, NcaOptions
    from oboromi_fs.metadata.cnmt import Content
    from oboromi_fs.protocols import Storage

__all__ = ["DemoGame", "demo_game"]

TITLE_ID = 0x0100FEEDFACE0000
KEY_GENERATION = 5
_KEYS = {"header_key": 32, "key_area_key_application_04": 16, "titlekek_04": 16, "xci_header_key": 16}


@dataclass(frozen=True, slots=True)
class DemoGame:
    """What :func:`demo_game` wrote, and what is in it.

    Attributes:
        directory: Where it lies.
        nsp: The title with title-key crypto and its ticket.
        xci: The title as a game card: no ticket, its own keys in the NCAs.
        keys: The made-up prod.keys for both.
        exefs: Names and contents of the program's ExeFS.
        romfs: Paths and contents of the program's RomFS.
        control: Paths and contents of the control RomFS.
        logo: Names and contents of the logo section.
    """

    directory: str
    nsp: str
    xci: str
    keys: str
    exefs: Mapping[str, bytes]
    romfs: Mapping[str, bytes]
    control: Mapping[str, bytes]
    logo: Mapping[str, bytes]


def _made_up(name: str, size: int = 16) -> bytes:
    """Bytes that depend on nothing but the name."""
    blocks = range(-(-size // 32))
    return b"".join(hashlib.sha256(f"hazy moon {name} {block}".encode()).digest() for block in blocks)[:size]


def _json(value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


def _romfs() -> dict[str, bytes]:
    """Text, pictures, sounds, an empty file, one file twice, and a name that is not ASCII."""
    files = {
        "readme.txt": b"A made-up game. Nothing in it comes from a real one.\n",
        "version.json": _json({"game": "Hazy Moon", "version": "1.0.0"}),
        "data/config.json": _json({"lives": 3, "gravity": 9.81, "language": "en"}),
        "data/items.csv": b"id,name,price\n1,lantern,20\n2,rope,5\n3,moon cake,1\n",
        "data/save/.keep": b"",
        "shaders/fog.bin": _made_up("fog", 0x1800),
        "sound/bell.wav": wav_tone(880, 150),
        "sound/music/theme.wav": wav_tone(220, 500),
        "sound/music/theme_loop.wav": wav_tone(220, 500),
        "text/en.json": _json({"title": "Hazy Moon", "start": "Press any key"}),
        "text/fr.json": _json({"title": "Lune voilée", "start": "Appuyez sur une touche"}),
        "text/ja/朧.txt": "朧月\n".encode(),
    }
    files |= {f"data/levels/level_{number}.bin": _made_up(f"level {number}", 0x400 * number * number) for number in range(1, 5)}
    files |= {f"textures/{name}.png": png_gradient(32, 32, tint) for tint, name in enumerate(("ground", "sky", "water", "wall"))}
    return files


def _program(name: str) -> bytes:
    """An NSO of a function that returns 0."""
    path = name.encode()
    ro = bytes(4) + len(path).to_bytes(4, "little") + path + b"\0"
    text = bytes.fromhex("000080d2c0035fd6")
    nso = build_nso(text, ro, bytes(0x20), bss_size=0x1000, module_id=_made_up(name, 20), module_name=b"\0", compress=False)
    return nso[:].tobytes()


def _exefs() -> dict[str, bytes]:
    npdm = Npdm.from_dict({"name": "hazymoon", "program_id": f"{TITLE_ID:#018x}", "services": ["fsp-srv", "hid", "vi:u"]})
    return {"main": _program("demo.nss"), "main.npdm": npdm.to_bytes(), "rtld": _program("rtld.nss")}


def _control() -> dict[str, bytes]:
    nacp = Nacp.from_dict({"name": "Hazy Moon", "publisher": "Nobody", "version": "1.0.0", "title_id": f"{TITLE_ID:#018x}"})
    return {"control.nacp": nacp.to_bytes(), "icon_AmericanEnglish.dat": jpeg_moon()}


def _pfs0(files: Mapping[str, bytes]) -> Storage:
    return build_pfs0({name: MemoryStorage(data, name) for name, data in files.items()})


def _title(game: DemoGame, keys: KeySet, title_key: bytes | None) -> dict[str, Storage]:
    """The title's NCAs by name: with a title key as it is downloaded, without as it stands on a card."""
    usual: NcaOptions = {
        "key_generation": KEY_GENERATION,
        "distribution": Distribution.DOWNLOAD if title_key is not None else Distribution.GAME_CARD,
    }
    encrypted = usual.copy()
    if title_key is not None:
        encrypted["rights_id"] = rights_id_of(TITLE_ID, KEY_GENERATION)
        encrypted["title_key"] = title_key
    members: dict[str, Storage] = {}

    def build(kind: Kind, options: NcaOptions, **images: Storage) -> None:
        built, nca = NcaBuilder(nca_layout(kind, TITLE_ID, **options), images, keys).build()
        members[built.name] = nca
        if kind != "meta":
            contents.append(content_of(built, TITLE_ID))

    contents: list[Content] = []
    build("program", encrypted, exefs=_pfs0(game.exefs), romfs=build_romfs(MemoryFs(game.romfs)), logo=_pfs0(game.logo))
    build("control", usual, romfs=build_romfs(MemoryFs(game.control)))
    build("meta", usual, data=meta_image(build_cnmt(TITLE_ID, MetaType.APPLICATION, contents)))
    return members


def demo_game(directory: str | os.PathLike[str]) -> DemoGame:
    """Write ``game.nsp``, ``game.xci`` and ``prod.keys`` into a directory, which is made if it is not there.

    The NSP's program NCA needs the ticket beside it; the card's opens with its key area.
    """
    root = os.fspath(directory)
    os.makedirs(root, exist_ok=True)
    game = DemoGame(
        directory=root,
        nsp=os.path.join(root, "game.nsp"),
        xci=os.path.join(root, "game.xci"),
        keys=os.path.join(root, "prod.keys"),
        exefs=_exefs(),
        romfs=_romfs(),
        control=_control(),
        logo={"NintendoLogo.png": png_gradient(16, 8, 128), "StartupMovie.gif": gif_dot()},
    )
    values = {name: _made_up(name, size) for name, size in _KEYS.items()}
    keys = KeySet(values)
    with open(game.keys, "w", encoding="ascii", newline="\n") as file:
        file.writelines(f"{name} = {value.hex()}\n" for name, value in values.items())
    title_key = _made_up("title key")
    rights_id = rights_id_of(TITLE_ID, KEY_GENERATION)
    block = encrypt_title_key(title_key, KEY_GENERATION, keys).ljust(0x100, b"\0")
    ticket = TicketFile(rights_id=rights_id, title_key_block=block, common_key_id=KEY_GENERATION)
    write_storage(build_nsp(_title(game, keys, title_key), [(MemoryStorage(ticket.to_bytes(), "ticket"), None)]), game.nsp)
    secure = _title(game, keys, None)
    logo = {name: nca for name, nca in secure.items() if name.endswith(".cnmt.nca")}
    write_storage(build_xci({"update": {}, "normal": {}, "logo": logo, "secure": secure}, card_layout(keys=keys)), game.xci)
    return game
