"""Titles made with the project's own builders, in every wrapping, and what is in them as plain dictionaries."""

from __future__ import annotations

import os
import random
import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from oboromi_formats.cnmt import MetaType, RecordType
from oboromi_fs import MemoryFs, MemoryStorage, Nca, NestedFs
from oboromi_fs._forge import nacp, npdm, ticket
from oboromi_fs.backends.nca import crypt_runs
from oboromi_fs.builders.cnmt import build_cnmt, content_of, meta_image
from oboromi_fs.builders.nca import BuiltNca, NcaBuilder, encrypt_title_key, nca_layout, patch_section, rights_id_of
from oboromi_fs.builders.ncz import NczBuilder, NczOptions
from oboromi_fs.builders.nso import build_nso
from oboromi_fs.builders.nsp import build_nsp
from oboromi_fs.builders.pfs0 import build_pfs0
from oboromi_fs.builders.romfs import RomFsImage
from oboromi_fs.builders.xci import build_xci
from oboromi_fs.opening import Opener
from oboromi_fs.tickets import Ticket
from tests.building import KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from oboromi_fs.builders.nca import Kind
    from oboromi_fs.metadata.cnmt import Content
    from oboromi_fs.protocols import Storage

ID = 0x0100FEEDFACE0000
UPDATE = ID + 0x800
ADDONS = ID + 0x1001, ID + 0x1002
TITLE_KEY = bytes(range(16))
GENERATION = 3


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def romfs(files: Mapping[str, bytes]) -> Storage:
    return MemoryStorage(RomFsImage(MemoryFs(dict(files))).tobytes(), "romfs")


def pfs0(files: Mapping[str, bytes]) -> Storage:
    return build_pfs0(MemoryFs(dict(files)))


def code(seed: int, size: int = 0x1800) -> bytes:
    """Text that says where its module header is, and has none there."""
    return bytes(4) + (0x20).to_bytes(4, "little") + (noise(seed, 0x100) * (size // 0x100))[8:]


def module(seed: int, build: bytes, *, size: int = 0x1800, bss: int = 0x123, path: str = "main.nss") -> bytes:
    text = code(seed, size)
    ro = bytes(4) + len(path).to_bytes(4, "little") + path.encode() + b"\0" + noise(seed + 1, 0x80)
    return build_nso(text, ro, noise(seed + 2, 0x40), bss_size=bss, module_id=build)[:].tobytes()


class Made:
    """An NCA as it was built: its name, its bytes, and what a content meta says of it."""

    def __init__(
        self,
        kind: Kind,
        program_id: int,
        images: Mapping[str, Storage],
        base: Made | None = None,
        *,
        record: RecordType | None = None,
        **options: Any,
    ) -> None:
        layout = nca_layout(kind, program_id, **options)
        bodies = dict(images)
        slot = next((number for number, each in enumerate(layout.sections) if each is not None and each.name == "romfs"), 0)
        section = layout.sections[slot]
        if base is not None and section is not None:
            section = replace(section, header=replace(section.header, generation=2))
            patch = patch_section(base.nca().section("romfs").decrypted(), section, images["romfs"])
            bodies["romfs"] = patch.body
            layout = replace(layout, sections=(*layout.sections[:slot], patch.layout, *layout.sections[slot + 1 :]))
        self.built: BuiltNca
        self.built, storage = NcaBuilder(layout, bodies, KEYS).build()
        self.data = storage[:].tobytes()
        self.record = record

    @property
    def name(self) -> str:
        return self.built.name

    def nca(self) -> Nca:
        return Nca(MemoryStorage(self.data, self.name), KEYS)

    def content(self, title_id: int) -> Content:
        return content_of(self.built, title_id, self.record)


def program(
    exefs: Mapping[str, bytes], files: Mapping[str, bytes] | None, *, base: Made | None = None, index: int = 0, **options: Any
) -> Made:
    images = {"exefs": pfs0(exefs)} | ({"romfs": romfs(files)} if files is not None else {})
    return Made("program", ID + index, images, base, program_index=index, **options)


def with_meta(title_id: int, kind: MetaType, contents: Sequence[Made], *, version: int = 0, **changes: Any) -> dict[str, bytes]:
    """The contents of a title and their Meta NCA, by name."""
    cnmt = build_cnmt(title_id, kind, [each.content(title_id) for each in contents], version=version)
    extended = {name: changes.pop(name) for name in tuple(changes) if hasattr(cnmt.extended, name)}
    if extended:
        cnmt = replace(cnmt, extended=replace(cnmt.extended, **extended))  # type: ignore[type-var]  # It is one of the headers.
    meta = Made("meta", title_id, {"data": meta_image(replace(cnmt, **changes))})
    return {each.name: each.data for each in (*contents, meta)}


def nsp(members: Mapping[str, bytes]) -> bytes:
    return build_nsp({name: MemoryStorage(data, name) for name, data in members.items()})[:].tobytes()


def xci(members: Mapping[str, bytes]) -> bytes:
    return build_xci({"secure": MemoryFs(dict(members))})[:].tobytes()


def nsz(members: Mapping[str, bytes], exponent: int | None = 14) -> bytes:
    """A package whose program and data NCAs are compressed, as nsz makes them: in blocks, or in one piece."""
    return nsp(squeezed(members, exponent))


def xcz(members: Mapping[str, bytes]) -> bytes:
    """The same of a card."""
    return xci(squeezed(members, 14))


def squeezed(members: Mapping[str, bytes], exponent: int | None) -> dict[str, bytes]:
    """Members of a package, the large NCAs among them as NCZ."""
    packed: dict[str, bytes] = {}
    for name, data in members.items():
        large = name.endswith(".nca") and not name.endswith(".cnmt.nca") and len(data) > 0x10000
        packed[name.removesuffix(".nca") + ".ncz" if large else name] = compressed(name, data, members, exponent) if large else data
    return packed


def unpacked(members: Mapping[str, bytes]) -> dict[str, bytes]:
    """What extraction leaves of a package: each NCA as a folder of its name, with its trees in it."""
    with NestedFs(MemoryFs(dict(members)), Opener(KEYS)) as fs:
        return {
            f"{name}/{path}": fs.read_bytes(f"{name}/{path}")
            for name in members
            if name.endswith(".nca")
            for path, entry in fs.walk(name)
            if entry.kind == "file"
        }


def compressed(name: str, data: bytes, members: Mapping[str, bytes], exponent: int | None) -> bytes:
    """An NCZ; the ticket of its NCA is among the members, where it needs one."""
    tickets = [Ticket.read(MemoryStorage(each)) for other, each in members.items() if other.endswith(".tik")]
    nca = Nca(
        MemoryStorage(data, name), KEYS, tickets=lambda rights_id: next((each for each in tickets if each.rights_id == rights_id), None)
    )
    with tempfile.TemporaryDirectory() as folder:
        target = os.path.join(folder, name)
        NczBuilder(nca.raw, crypt_runs(nca), NczOptions(level=1, exponent=exponent, workers=1)).write(target)
        with open(target, "rb") as file:
            return file.read()


def permit(title_id: int, key: bytes = TITLE_KEY) -> dict[str, bytes]:
    """The ticket of a title key, by name."""
    rights_id = rights_id_of(title_id, GENERATION)
    return {f"{rights_id.hex()}.tik": ticket(rights_id, encrypt_title_key(key, GENERATION, KEYS), GENERATION)}


def locked(title_id: int, key: bytes = TITLE_KEY) -> dict[str, Any]:
    """Options of an NCA that needs the ticket."""
    return {"rights_id": rights_id_of(title_id, GENERATION), "title_key": key, "key_generation": GENERATION}


BUILD = bytes(range(1, 21))
EXEFS = {"main": module(1, BUILD), "main.npdm": npdm(ID, "moon"), "rtld": module(5, b"\x77" * 20, size=0x300, path="rtld.nss")}
BASE = {"a.bin": noise(10, 70_000), "data/b.txt": b"base b\n", "data/gone.txt": b"gone in 2\n", "same.bin": noise(11, 30_000)}
CONTROL = {"control.nacp": nacp("Hazy Moon", "Nobody", title_id=ID), "icon_AmericanEnglish.dat": noise(12, 500)}
MANUAL = {"html-document/main.htdocs/index.html": b"<p>base"}
EXEFS_1 = {**EXEFS, "main": module(21, b"\x21" * 20)}
ROMFS_1 = {**BASE, "data/b.txt": b"update 1 b\n", "new1.bin": noise(13, 5_000)}
BUILD_2 = b"\x22" * 20
EXEFS_2 = {**EXEFS, "main": module(22, BUILD_2), "sdk": module(31, b"\x5d" * 20, path="sdk.nss")}
ROMFS_2 = {
    "a.bin": BASE["a.bin"][:4000] + b"inserted" + BASE["a.bin"][4000:],
    "data/b.txt": b"update 2 b\n",
    "same.bin": BASE["same.bin"],
    "data/new.txt": b"update 2 new\n",
}
CONTROL_2 = {"control.nacp": nacp("Hazy Moon", "Nobody", "2.0.0", title_id=ID), "icon_AmericanEnglish.dat": noise(14, 600)}
ADDON_1 = {"level.bin": noise(15, 9_000), "x/y.txt": b"add-on 1\n"}
ADDON_2 = {"song.bin": noise(16, 4_000)}

IPS = b"IPS32" + (0x100 + 0x10).to_bytes(4, "big") + (4).to_bytes(2, "big") + b"\xde\xad\xbe\xef" + b"EEOF"
MODS = {
    f"contents/{ID:016x}/1 first/romfs/data/b.txt": b"mod 1 b\n",
    f"contents/{ID:016x}/1 first/romfs/only1.txt": b"mod 1\n",
    f"contents/{ID:016x}/2 second/romfs/data/b.txt": b"mod 2 b\n",
    f"contents/{ID:016x}/2 second/exefs_patches/{BUILD_2.hex().upper()}.ips": IPS,
    f"contents/{ID:016x}/3 third/exefs/subsdk0": module(41, b"\x41" * 20, path="mod.nss"),
    f"contents/{ADDONS[0]:016x}/romfs/x/y.txt": b"mod of add-on\n",
}


def base_program(**options: Any) -> Made:
    return program(EXEFS, BASE, **options)


def base_title(**options: Any) -> dict[str, bytes]:
    return with_meta(
        ID,
        MetaType.APPLICATION,
        [
            base_program(**options),
            Made("control", ID, {"romfs": romfs(CONTROL)}),
            Made("manual", ID, {"romfs": romfs(MANUAL)}, record=RecordType.HTML_DOCUMENT),
        ],
    )


def update_1() -> dict[str, bytes]:
    return with_meta(UPDATE, MetaType.PATCH, [program(EXEFS_1, ROMFS_1, base=base_program())], version=0x10000)


def update_2(**options: Any) -> dict[str, bytes]:
    contents = [program(EXEFS_2, ROMFS_2, base=base_program(), **options), Made("control", ID, {"romfs": romfs(CONTROL_2)})]
    return with_meta(UPDATE, MetaType.PATCH, contents, version=0x20000)


def addon(number: int, files: Mapping[str, bytes], **changes: Any) -> dict[str, bytes]:
    return addon_of(ADDONS[number], files, **changes)


def addon_of(title: int, files: Mapping[str, bytes], **changes: Any) -> dict[str, bytes]:
    return with_meta(title, MetaType.ADD_ON_CONTENT, [Made("data", title, {"romfs": romfs(files)})], **changes)


def put(root: Path, files: Mapping[str, bytes]) -> Path:
    for path, data in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return root


def pile(root: Path) -> Path:
    """The title in every wrapping: a card with base and an add-on, an update as NSZ, the other loose with a ticket, an NSP, and mods."""
    files = {
        "card.xci": xci({**base_title(), **addon(1, ADDON_2)}),
        "updates/old.nsz": nsz(update_1()),
        "addon.nsp": nsp(addon(0, ADDON_1)),
        **{f"loose/{name}": data for name, data in {**update_2(**locked(UPDATE)), **permit(UPDATE)}.items()},
        **MODS,
    }
    return put(root, files)


def model(exefs: Mapping[str, bytes], files: Mapping[str, bytes], control: Mapping[str, bytes]) -> dict[str, bytes]:
    """What the title is with all add-ons, without mods."""
    trees = {
        "exefs": exefs,
        "romfs": files,
        "control": control,
        "manual": MANUAL,
        f"addons/{ADDONS[0]:016x}": ADDON_1,
        f"addons/{ADDONS[1]:016x}": ADDON_2,
    }
    return {f"{place}/{path}": data for place, tree in trees.items() for path, data in tree.items()}
