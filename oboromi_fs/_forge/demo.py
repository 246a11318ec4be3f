"""The demo game: a small made-up title as an NSP with a ticket and as a game card, with the keys to both."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oboromi_fs._forge.keys import encrypt_title_key, made_up_bytes, made_up_keys, write_keys
from oboromi_fs._forge.metadata import ContentRecord, cnmt, cnmt_name, nacp, ticket
from oboromi_fs._forge.nca import nca
from oboromi_fs._forge.nca_section import Encryption, FsType, Section
from oboromi_fs._forge.packages import ContentType, nca_name, nsp, rights_id, xci
from oboromi_fs._forge.partitions import pfs0
from oboromi_fs._forge.pictures import gif_dot, jpeg_moon, png_gradient, wav_tone
from oboromi_fs._forge.programs import npdm, nso
from oboromi_fs._forge.romfs import romfs

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["DemoGame", "demo_game"]

TITLE_ID = 0x0100FEEDFACE0000
KEY_GENERATION = 5


@dataclass(frozen=True, slots=True)
class DemoGame:
    """What :func:`demo_game` wrote, and what is in it.

    Args:
        directory: Where it lies.
        nsp: The title with title-key crypto and its ticket.
        xci: The title as a game card: no ticket, its own keys in the NCAs.
        keys: The made-up prod.keys for both.
        title_id: The title's id.
        exefs: Names and contents of the program's ExeFS.
        romfs: Paths and contents of the program's RomFS.
        control: Paths and contents of the control RomFS.
        logo: Names and contents of the logo section.
        key_values: What the key file holds.
    """

    directory: Path
    nsp: Path
    xci: Path
    keys: Path
    title_id: int
    exefs: Mapping[str, bytes]
    romfs: Mapping[str, bytes]
    control: Mapping[str, bytes]
    logo: Mapping[str, bytes]
    key_values: Mapping[str, bytes]


def _json(value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


def demo_files() -> dict[str, bytes]:
    """Return the RomFS of the demo: text, pictures, sounds, an empty file, one file twice, and a name that is not ASCII."""
    files = {
        "readme.txt": b"A made-up game. Nothing in it comes from a real one.\n",
        "version.json": _json({"game": "Hazy Moon", "version": "1.0.0"}),
        "data/config.json": _json({"lives": 3, "gravity": 9.81, "language": "en"}),
        "data/items.csv": b"id,name,price\n1,lantern,20\n2,rope,5\n3,moon cake,1\n",
        "data/save/.keep": b"",
        "shaders/fog.bin": made_up_bytes("fog", 0x1800),
        "sound/bell.wav": wav_tone(880, 150),
        "sound/music/theme.wav": wav_tone(220, 500),
        "sound/music/theme_loop.wav": wav_tone(220, 500),
        "text/en.json": _json({"title": "Hazy Moon", "start": "Press any key"}),
        "text/fr.json": _json({"title": "Lune voilée", "start": "Appuyez sur une touche"}),
        "text/ja/朧.txt": "朧月\n".encode(),
    }
    files |= {f"data/levels/level_{number}.bin": made_up_bytes(f"level {number}", 0x400 * number * number) for number in range(1, 5)}
    files |= {f"textures/{name}.png": png_gradient(32, 32, tint) for tint, name in enumerate(("ground", "sky", "water", "wall"))}
    return files


def _title(game: DemoGame, title_key: bytes | None) -> dict[str, bytes]:
    """The title's NCAs by name: with a title key as it is downloaded, without as it stands on a card."""
    title = game.title_id

    def forge(kind: ContentType, *sections: Section, rights: bytes = bytes(16), key: bytes | None = None) -> bytes:
        return nca(
            sections,
            keys=game.key_values,
            content_type=kind,
            program_id=title,
            key_generation=KEY_GENERATION,
            rights_id=rights,
            title_key=key,
            distribution=0 if title_key else 1,
            section_order="descending",
        )

    program = forge(
        ContentType.PROGRAM,
        Section(pfs0(game.exefs), FsType.PARTITION, secure_value=1, block_size=0x10000),
        Section(romfs(game.romfs), FsType.ROMFS, secure_value=2),
        Section(pfs0(game.logo), FsType.PARTITION, encryption=Encryption.NONE),
        rights=rights_id(title, KEY_GENERATION) if title_key else bytes(16),
        key=title_key,
    )
    control = forge(ContentType.CONTROL, Section(romfs(game.control), FsType.ROMFS))
    records = [ContentRecord.of(program, 1), ContentRecord.of(control, 3)]
    meta = forge(ContentType.META, Section(pfs0({cnmt_name(title): cnmt(title, records)}), FsType.PARTITION))
    return {nca_name(program): program, nca_name(control): control, nca_name(meta, ContentType.META): meta}


def demo_game(directory: str | os.PathLike[str], seed: str = "demo") -> DemoGame:
    """Write ``game.nsp``, ``game.xci`` and ``prod.keys`` into a directory, which is made if it is not there.

    The same seed gives the same files. The NSP's program NCA needs the ticket beside it; the card's opens with its key area.
    """
    from pathlib import Path

    root = Path(directory)
    root.mkdir(parents=True, exist_ok=True)
    game = DemoGame(
        directory=root,
        nsp=root / "game.nsp",
        xci=root / "game.xci",
        keys=root / "prod.keys",
        title_id=TITLE_ID,
        exefs={"main": nso(), "main.npdm": npdm(TITLE_ID, "hazymoon"), "rtld": nso(name="rtld.nss")},
        romfs=demo_files(),
        control={"control.nacp": nacp("Hazy Moon", "Nobody", title_id=TITLE_ID), "icon_AmericanEnglish.dat": jpeg_moon()},
        logo={"NintendoLogo.png": png_gradient(16, 8, 128), "StartupMovie.gif": gif_dot()},
        key_values=made_up_keys(seed),
    )
    title_key = made_up_bytes(f"{seed} title key")
    permit = ticket(rights_id(TITLE_ID, KEY_GENERATION), encrypt_title_key(title_key, KEY_GENERATION, game.key_values), KEY_GENERATION)
    game.nsp.write_bytes(nsp(_title(game, title_key), [permit]))
    secure = _title(game, None)
    logo = {name: data for name, data in secure.items() if name.endswith(".cnmt.nca")}
    card = {"update": dict[str, bytes](), "normal": dict[str, bytes](), "logo": logo, "secure": secure}
    game.xci.write_bytes(xci(card, keys=game.key_values))
    write_keys(game.keys, game.key_values)
    return game
