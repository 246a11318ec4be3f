"""A made-up title in every wrapping: what tests of backends read when no archive of another tool is needed."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from oboromi_fs._forge import (
    ContentType,
    Encryption,
    FsType,
    Section,
    encrypt_title_key,
    made_up_bytes,
    made_up_keys,
    nacp,
    nca,
    nca_name,
    npdm,
    nsp,
    pfs0,
    rights_id,
    romfs,
    ticket,
    xci,
)
from oboromi_fs.keys import KeySet

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAM_ID = 0x0100ABCDEF000000
KEYS: dict[str, bytes] = made_up_keys()
KEY_SET = KeySet(KEYS)

EXEFS: dict[str, bytes] = {"main": made_up_bytes("main", 0x1234), "main.npdm": npdm(PROGRAM_ID), "empty": b""}
TREE: dict[str, bytes] = {
    "hello.txt": b"hello\n",
    "data/a.bin": made_up_bytes("a", 0x4001),
    "data/b.bin": made_up_bytes("b", 0x200),
    "data/empty": b"",
    "data/sub/deep/é.bin": made_up_bytes("e", 0x9000),
    "data/sub/latin1_\udce9": b"not UTF-8",
}
EMPTY_DIRS = ("nothing", "data/nothing/here")
LOGO: dict[str, bytes] = {"logo.png": made_up_bytes("logo", 0x321)}


class Title(NamedTuple):
    """An archive with the NCAs in it by what they hold."""

    image: bytes
    program: str
    control: str


@cache
def romfs_image() -> bytes:
    return romfs(TREE, EMPTY_DIRS)


def program_sections(encryption: int = Encryption.CTR, **romfs_options: Any) -> list[Section | None]:
    return [
        Section(pfs0(EXEFS), FsType.PARTITION, encryption=encryption, secure_value=1),
        Section(romfs_image(), FsType.ROMFS, **{"encryption": encryption, "secure_value": 2, **romfs_options}),
        Section(pfs0(LOGO), FsType.PARTITION, encryption=Encryption.NONE),
    ]


@cache
def program_nca(encryption: int = Encryption.CTR, *, hash_type: int | None = None, **options: Any) -> bytes:
    usual: dict[str, Any] = {"keys": KEYS, "content_type": ContentType.PROGRAM, "program_id": PROGRAM_ID, "key_generation": 5}
    return nca(program_sections(encryption, hash_type=hash_type), **(usual | options))


@cache
def control_nca() -> bytes:
    image = romfs({"control.nacp": nacp("Forged", "Nobody"), "icon_Japanese.dat": made_up_bytes("icon", 999)})
    return nca([Section(image, FsType.ROMFS)], keys=KEYS, content_type=ContentType.CONTROL, program_id=PROGRAM_ID)


def named(*images: tuple[bytes, int]) -> dict[str, bytes]:
    return {nca_name(image, kind): image for image, kind in images}


@cache
def title_ncas(encryption: int = Encryption.CTR) -> Mapping[str, bytes]:
    return named((program_nca(encryption), ContentType.PROGRAM), (control_nca(), ContentType.CONTROL))


@cache
def title_nsp(encryption: int = Encryption.CTR) -> Title:
    ncas = title_ncas(encryption)
    program, control = ncas
    return Title(nsp(ncas), program, control)


@cache
def title_xci(*, key_area: bool = False) -> Title:
    ncas = title_ncas()
    program, control = ncas
    return Title(xci({"update": {}, "normal": {}, "secure": ncas}, keys=KEYS, key_area=key_area), program, control)


RIGHTS_ID = rights_id(PROGRAM_ID, 5)
TITLE_KEY = made_up_bytes("title key")
WRAPPED_TITLE_KEY = encrypt_title_key(TITLE_KEY, 5, KEYS)


@cache
def title_key_nca() -> bytes:
    return nca(
        program_sections(),
        keys=KEYS,
        content_type=ContentType.PROGRAM,
        program_id=PROGRAM_ID,
        key_generation=5,
        rights_id=RIGHTS_ID,
        title_key=TITLE_KEY,
    )


def common_ticket() -> bytes:
    return ticket(RIGHTS_ID, WRAPPED_TITLE_KEY, 5)
