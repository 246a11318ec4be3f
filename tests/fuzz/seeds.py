"""What the fuzz tests mutate: archives in the clear, where in them the structures are, and how they are closed up again."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from struct import unpack_from
from typing import TYPE_CHECKING, Any, NamedTuple

from oboromi_fs import Hfs0Archive, KeySet, MemoryStorage, Nca, NspArchive, Opener, RomFs, XciArchive, open_fs
from oboromi_fs._forge import ContentType, Encryption, FsType, HashType, Section, hfs0, nca, nsp, pfs0, romfs, xci
from oboromi_fs.backends.nax0 import Nax0Archive
from oboromi_fs.backends.nca import read_header
from oboromi_fs.backends.savedata import SaveDataFs
from oboromi_fs.backends.zip import ZipFs
from oboromi_fs.storage.xts import xts_decrypt, xts_encrypt
from tests import forged
from tests.forged_nax0 import SD_KEYS, nax0
from tests.forged_nca0 import nca0, romfs0, section0
from tests.forged_save import save_image
from tests.zips import BZIP2, DEFLATED, LZMA, STORED, Raw, archive

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from oboromi_fs import FileSystem

TESTDATA = Path(__file__).parent.parent.parent / "testdata"
CORPUS_KEYS = KeySet.load(TESTDATA / "keys" / "prod.keys", TESTDATA / "keys" / "title.keys")


class Seed(NamedTuple):
    """An archive to mutate.

    ``data`` is in the clear; ``hot`` are the runs that hold structures rather than contents; ``seal`` makes of the mutated bytes what is
    opened (encrypts the header, mends hashes), so that mutations come through to the parser.
    """

    data: bytes
    hot: Sequence[range]
    kind: Callable[..., FileSystem]
    opener: Opener
    seal: Callable[[bytes, bool], bytes]


def as_it_is(data: bytes, _: bool) -> bytes:
    return data


def partition_header(data: bytes, row: int, start: int = 0) -> range:
    count, strings = unpack_from("<II", data, start + 4)
    return range(start, start + 0x10 + row * count + min(strings, 0x80))


def romfs_tables(data: bytes, start: int = 0) -> list[range]:
    fields = unpack_from("<10Q", data, start)
    return [
        range(start, start + 0x50),
        *(range(start + offset, start + offset + size) for offset, size in zip(fields[1:9:2], fields[2:9:2], strict=True)),
    ]


def of_partition(data: bytes, row: int) -> Seed:
    kind = NspArchive if row == 0x18 else Hfs0Archive
    return Seed(data, [partition_header(data, row)], kind, Opener(CORPUS_KEYS), as_it_is)


def of_romfs(data: bytes) -> Seed:
    return Seed(data, romfs_tables(data), RomFs, Opener(CORPUS_KEYS), as_it_is)


def of_card(data: bytes) -> Seed:
    hot = [range(0x100, 0x1A0)]
    at = data.find(b"HFS0")
    while at >= 0 and len(hot) < 8:
        hot.append(partition_header(data, 0x40, at))
        at = data.find(b"HFS0", at + 1)
    return Seed(data, hot, XciArchive, Opener(CORPUS_KEYS), as_it_is)


def of_nca(data: bytes, keys: KeySet) -> Seed:
    """The header in the clear. ``seal`` mends the hashes of the FS headers, if asked to, and encrypts the header anew."""
    clear, encrypted = read_header(MemoryStorage(data), keys)

    def seal(mutated: bytes, mend: bool) -> bytes:
        head = bytearray(mutated[:0xC00])
        if len(head) < 0xC00:
            return mutated
        if mend:
            for index in range(4):
                start = 0x400 + 0x200 * index
                head[0x280 + 0x20 * index : 0x2A0 + 0x20 * index] = hashlib.sha256(head[start : start + 0x200]).digest()
        if not encrypted:
            return bytes(head) + mutated[0xC00:]
        key = keys.header_key()
        if bytes(head[0x200:0x204]) != b"NCA2":
            return xts_encrypt(head, key, 0) + mutated[0xC00:]
        parts = [xts_encrypt(head[start : start + 0x200], key, 0) for start in range(0x400, 0xC00, 0x200)]
        return xts_encrypt(head[:0x400], key, 0) + b"".join(parts) + mutated[0xC00:]

    def kind(storage: MemoryStorage) -> Nca:
        return Nca(storage, keys)

    present = [index for index in range(4) if any(clear[0x240 + 0x10 * index : 0x248 + 0x10 * index])]
    fs_headers = [range(0x400 + 0x200 * index, 0x400 + 0x200 * index + 0x1A0) for index in present]
    return Seed(clear + data[0xC00:], [range(0x200, 0x350), *fs_headers], kind, Opener(keys), seal)


def of_save() -> Seed:
    """The parts of the header, and the entries of the remappings; ``seal`` mends the hashes of the header, if asked to."""
    image = save_image({"a": b"1", "d/b": b"2" * 700, "d/e/c": b""}, ["empty"], seed=1, version=0x50000)

    def seal(mutated: bytes, mend: bool) -> bytes:
        if not mend or len(mutated) < 0x8000:
            return mutated
        done = bytearray(mutated)
        for start in (0, 0x4000):
            done[start + 0x108 : start + 0x128] = hashlib.sha256(done[start + 0x300 : start + 0x4000]).digest()
        return bytes(done)

    entries = image.layout.main_remap_data.offset
    hot = [range(0x104, 0x108), range(0x128, 0x290), range(0x300, 0x430), range(0x608, 0x6D0), range(0xAD8, 0xB98), range(0x8000, entries)]
    return Seed(image.image, hot, SaveDataFs, Opener(CORPUS_KEYS), seal)


def of_sd_file() -> Seed:
    path = "/registered/000000BE/000102030405060708090a0b0c0d0e0f.nca"
    keys = KeySet({**forged.KEYS, **SD_KEYS})

    def kind(storage: MemoryStorage) -> Nax0Archive:
        return Nax0Archive(storage, keys, paths=[path])

    return Seed(nax0(small_nca(Encryption.CTR), path), [range(0x80), range(0x4000, 0x4C00)], kind, Opener(keys, sd_path=path), as_it_is)


def of_nca0() -> Seed:
    """Its header in the clear; ``seal`` encrypts it anew."""
    data = nca0([section0(pfs0({"main": b"m" * 40}), 1), section0(romfs0({"a": b"1", "b": b"2" * 40}), 0)], hashes=False)

    def seal(mutated: bytes, _: bool) -> bytes:
        return xts_encrypt(mutated[:0x400], forged.KEY_SET.header_key(), 0) + mutated[0x400:] if len(mutated) >= 0x400 else mutated

    def kind(storage: MemoryStorage) -> Nca:
        return Nca(storage, forged.KEY_SET)

    clear = xts_decrypt(data[:0x400], forged.KEY_SET.header_key(), 0)
    return Seed(clear + data[0x400:], [range(0x200, 0x400), range(0xC00, 0xE00)], kind, Opener(forged.KEY_SET), seal)


def of_zip(data: bytes) -> Seed:
    """The directory with the end record, and the local headers."""
    hot = [range(data.index(b"PK\1\2"), len(data))]
    at = data.find(b"PK\3\4")
    while at >= 0 and len(hot) < 8:
        hot.append(range(at, at + 36))
        at = data.find(b"PK\3\4", at + 1)
    return Seed(data, hot, ZipFs, Opener(CORPUS_KEYS), as_it_is)


def small_zip() -> bytes:
    text = b"the same again " * 30
    methods = {b"a": STORED, b"d/b": DEFLATED, b"d/e/c": BZIP2, b"l": LZMA}
    return archive([Raw(b"d/"), *[Raw(name, text, method) for name, method in methods.items()], Raw(b"p", pfs0({"x": b"1"}))])


def small_nca(encryption: int, **options: Any) -> bytes:
    sections = [
        Section(pfs0({"main": b"main", "main.npdm": b"n" * 40}), FsType.PARTITION, encryption=encryption, block_size=0x40),
        Section(small_romfs(), FsType.ROMFS, encryption=encryption, block_size=0x200, **options),
    ]
    return nca(sections, keys=forged.KEYS, content_type=ContentType.PROGRAM, program_id=1, first_section=0xC00)


def small_romfs() -> bytes:
    return romfs({"a": b"1", "d/b": b"2" * 40, "d/e/c": b"", "d/e/f/g": b"3"}, dirs=["empty"])


@cache
def seeds() -> dict[str, Seed]:
    """Small archives of every kind, and all those that other tools made."""
    found = {
        "pfs0": of_partition(pfs0({"a": b"1", "b.bin": b"22", "empty": b""}), 0x18),
        "hfs0": of_partition(hfs0({"a": b"1", "b.bin": b"22", "empty": b""}), 0x40),
        "romfs": of_romfs(small_romfs()),
        "zip": of_zip(small_zip()),
        "save": of_save(),
        "sd file": of_sd_file(),
        "nca0": of_nca0(),
        "zip in zip": of_zip(archive([Raw(b"z", small_zip(), DEFLATED), Raw(b"y", small_zip())])),
        "xci": of_card(xci({"update": {}, "secure": {"a.bin": b"a", "b.tik": forged.common_ticket()}})),
        "nca ctr": of_nca(small_nca(Encryption.CTR), forged.KEY_SET),
        "nca xts": of_nca(small_nca(Encryption.XTS), forged.KEY_SET),
        "nca plain": of_nca(small_nca(Encryption.NONE), forged.KEY_SET),
        "nca skip": of_nca(small_nca(Encryption.CTR_SKIP_LAYER_HASH), forged.KEY_SET),
        "nca sha256": of_nca(small_nca(Encryption.NONE, hash_type=HashType.SHA256), forged.KEY_SET),
        "nca no hash": of_nca(small_nca(Encryption.NONE, hash_type=HashType.NONE), forged.KEY_SET),
        "nca title key": of_nca(forged.title_key_nca(), KeySet(forged.KEYS, {forged.RIGHTS_ID: forged.WRAPPED_TITLE_KEY})),
    }
    package = nsp({"0.nca": small_nca(Encryption.NONE, hash_type=HashType.NONE)}, [forged.common_ticket()])
    start = package.index(small_romfs())
    hot = [partition_header(package, 0x18), *romfs_tables(package, start), partition_header(package, 0x18, package.index(b"PFS0", 1))]
    found["nsp"] = Seed(package, hot, NspArchive, Opener(forged.KEY_SET), as_it_is)
    for path in sorted(TESTDATA.glob("*/*.*")):
        data = path.read_bytes()
        name = path.relative_to(TESTDATA).as_posix()
        if path.suffix in (".pfs0", ".nsp"):
            found[name] = of_partition(data, 0x18)
        elif path.suffix == ".hfs0":
            found[name] = of_partition(data, 0x40)
        elif path.suffix == ".romfs":
            found[name] = of_romfs(data)
        elif path.suffix == ".xci":
            found[name] = of_card(data)
        elif name.startswith("nca_forged/"):
            found[name] = of_nca(data, CORPUS_KEYS)
    with open_fs(TESTDATA / "nsp" / "tk_g2.nsp", CORPUS_KEYS) as fs:
        for entry in fs.read_dir():
            if entry.name.endswith(".nca"):
                found[f"nsp/tk_g2.nsp/{entry.name}"] = of_nca(fs.read_bytes(entry.name), CORPUS_KEYS)
    return found


SMALL = ("pfs0", "hfs0", "romfs", "nsp", "zip")
