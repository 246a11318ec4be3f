"""The forge's NCAs and the demo game, against worked examples, other tools' archives and a reader that knows nothing of the forge."""

from __future__ import annotations

import hashlib
import tracemalloc
from hashlib import sha256
from itertools import product
from pathlib import Path
from struct import pack, unpack_from
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pytest
from Crypto.Cipher import AES

from oboromi_fs import _forge
from oboromi_fs._forge import ContentType, Encryption, FsType, HashType, Section
from oboromi_fs._forge.aes import encrypt_ctr, encrypt_xts
from oboromi_fs._forge.nca_section import hash_layers
from oboromi_fs.cli.demogame import demo_game

if TYPE_CHECKING:
    from collections.abc import Mapping

AREAS = ("application", "ocean", "system")

# ---- a reader that knows nothing of the forge ----


def ecb(key: bytes, data: bytes) -> bytes:
    return AES.new(key, AES.MODE_ECB).decrypt(data)


def xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")


def read_xts(key: bytes, data: bytes, unit: int) -> bytes:
    out = []
    for start in range(0, len(data), 0x200):
        tweak = int.from_bytes(AES.new(key[16:], AES.MODE_ECB).encrypt((unit + start // 0x200).to_bytes(16, "big")), "little")
        mask = b""
        for _ in range(32):
            mask += tweak.to_bytes(16, "little")
            tweak = (tweak << 1 ^ (0x87 if tweak >> 127 else 0)) & (1 << 128) - 1
        out.append(xor(ecb(key[:16], xor(data[start : start + 0x200], mask)), mask))
    return b"".join(out)


def read_ctr(key: bytes, upper: bytes, data: bytes, offset: int) -> bytes:
    blocks = b"".join(upper + pack(">Q", offset // 16 + index) for index in range(-(-len(data) // 16)))
    return xor(data, AES.new(key, AES.MODE_ECB).encrypt(blocks)[: len(data)])


class Part(NamedTuple):
    """A section as it was read: number, place, FS header, section before encryption and the image in it, verified."""

    slot: int
    start: int
    fs_header: bytes
    plain: bytes
    image: bytes


class Parsed(NamedTuple):
    header: bytes
    key_area: bytes
    parts: dict[int, Part]


def verified(fs_header: bytes, plain: bytes) -> bytes:
    """The image of a section, when every hash above it holds."""
    kind, data = fs_header[3], fs_header[8:0x100]
    new = hashlib.sha3_256 if kind in (5, 6) else sha256
    if kind in (2, 5):
        block, _, table_at, table_size, at, size = unpack_from("<IIQQQQ", data, 0x20)
        table, image = plain[table_at : table_at + table_size], plain[at : at + size]
        assert new(table).digest() == data[:0x20]
        assert table == b"".join(new(image[start : start + block]).digest() for start in range(0, size, block))
        return image
    if kind in (3, 6):
        assert data[:0x10] == b"IVFC" + pack("<III", 0x20000, 0x20, 7)
        expected = data[0xC0:0xE0]
        for level in range(6):
            at, size, exponent, _ = unpack_from("<QQII", data, 0x10 + 0x18 * level)
            image, block = plain[at : at + size], 1 << exponent
            digests = b"".join(new(image[start : start + block].ljust(block, b"\0")).digest() for start in range(0, size, block))
            assert expected.rstrip(b"\0") == digests.rstrip(b"\0"), level
            expected = image
        return expected
    return plain


def read_nca(
    data: bytes, keys: Mapping[str, bytes], title_key: bytes | None = None, xts_base: str = "absolute", *, plain_header: bool = False
) -> Parsed:
    header = data[:0xC00] if plain_header else read_xts(keys["header_key"], data[:0xC00], 0)
    if header[0x200:0x204] == b"NCA2":
        parts = [data[start : start + 0x200] for start in range(0x400, 0xC00, 0x200)]
        header = header[:0x400] + b"".join(read_xts(keys["header_key"], part, 0) if any(part) else part for part in parts)
    revision = max(header[0x206], header[0x220], 1) - 1
    area = ecb(keys[f"key_area_key_{AREAS[header[0x207]]}_{revision:02x}"], header[0x300:0x400])
    found = {}
    for slot in range(4):
        first, last, sectors = unpack_from("<III", header, 0x240 + 0x10 * slot)
        fs_header = header[0x400 + 0x200 * slot :][:0x200]
        if not last:
            assert not any(fs_header)
            continue
        assert sectors == 1
        assert sha256(fs_header).digest() == header[0x280 + 0x20 * slot :][:0x20]
        stored = data[first * 0x200 : last * 0x200]
        kind, key = fs_header[4], title_key or area[0x20:0x30]
        if kind == 2:
            plain = read_xts(area[:0x20], stored, first if xts_base == "absolute" else 0)
        elif kind == 3:
            plain = read_ctr(key, fs_header[0x140:0x148][::-1], stored, first * 0x200)
        elif kind == 5:
            split = unpack_from("<Q", fs_header, 0x40 if fs_header[3] in (2, 5) else 0x90)[0]
            plain = stored[:split] + read_ctr(key, fs_header[0x140:0x148][::-1], stored[split:], first * 0x200 + split)
        else:
            plain = stored
        found[slot] = Part(slot, first * 0x200, fs_header, plain, verified(fs_header, plain))
    return Parsed(header, area, found)


def read_pfs0(data: bytes) -> dict[str, bytes]:
    count, table_size = unpack_from("<II", data, 4)
    table = 0x10 + 0x18 * count
    rows = [unpack_from("<QQI", data, 0x10 + 0x18 * index) for index in range(count)]
    names = [data[table + name :].split(b"\0", 1)[0].decode() for _, _, name in rows]
    return {name: data[table + table_size + at :][:size] for name, (at, size, _) in zip(names, rows, strict=True)}


def read_hfs0(data: bytes, at: int) -> dict[str, bytes]:
    count, table_size = unpack_from("<II", data, at + 4)
    table = at + 0x10 + 0x40 * count
    rows = [unpack_from("<QQI", data, at + 0x10 + 0x40 * index) for index in range(count)]
    names = [data[table + name :].split(b"\0", 1)[0].decode() for _, _, name in rows]
    return {name: data[table + table_size + start :][:size] for name, (start, size, _) in zip(names, rows, strict=True)}


def key_file(path: Path) -> dict[str, bytes]:
    lines = (line.split("=") for line in path.read_text("ascii").splitlines())
    return {name.strip(): bytes.fromhex(value) for name, value in lines}


# ---- worked examples ----


def test_xts_worked_example() -> None:
    made = encrypt_xts(bytes(range(32)), 0, bytes(0x600))
    assert made[:0x20].hex() == "f071a2b402c105ea37024133e24d6ef6212e8cc0175e1b6b32657d54f159daf6"
    assert made[0x200:0x220].hex() == "5356d1682bfb99a26a6a1ec795538ddf7a64abaf73308dc0269fe595d1752d87"
    assert made[0x400:0x420].hex() == "4a1f462e6e156d3b23d5e95a87feaaa46999d1f3f50fcae24cd6dabe22911227"
    assert encrypt_xts(bytes(range(32)), 2, bytes(0x200)) == made[0x400:]
    assert read_xts(bytes(range(32)), made, 0) == bytes(0x600)


def test_ctr_worked_example() -> None:
    made = encrypt_ctr(bytes(range(16)), bytes.fromhex("0000000200000000"), 0x5800, bytes(16))
    assert made.hex() == "849fac17425ba4b817f69d7a12a5f5fb"
    key = bytes(range(16))
    expected = AES.new(key, AES.MODE_ECB).encrypt(bytes.fromhex("00000102 00000003 0000000000012345"))
    section = Section(bytes(0x123460 - 0x4000), FsType.PARTITION, HashType.NONE, generation=3, secure_value=0x102)
    whole = _forge.nca([section], **options(key_area=bytes(32) + key))
    assert whole[0x123450:0x123460] == expected


def test_sha256_layers_worked_example() -> None:
    data = bytes(range(0x30))
    before, header, _ = hash_layers(Section(data, FsType.PARTITION, block_size=0x20))
    table = sha256(data[:0x20]).digest() + sha256(data[0x20:]).digest()
    assert (table[:4].hex(), table[0x20:0x24].hex()) == ("630dcd29", "36db1adc")
    assert before == table.ljust(0x200, b"\0")
    assert (header[:4].hex(), header[0x1C:0x20].hex()) == ("d5c0b501", "a6c82412")
    assert header[0x20:] == bytes.fromhex("20000000 02000000") + pack("<4Q", 0, 0x40, 0x200, 0x30)


def test_integrity_layers_worked_example() -> None:
    before, header, _ = hash_layers(Section(bytes(range(0x50)), FsType.ROMFS, block_size=0x40, whole_blocks=True))
    rows = [unpack_from("<QQII", header, 0x10 + 0x18 * level) for level in range(6)]
    assert rows == [*((0x40 * level, 0x40, 6, 0) for level in range(5)), (0x140, 0x50, 6, 0)]
    assert [before[at : at + 0x20].hex() for at in (0, 0x40, 0x80, 0xC0)] == [
        "e5c31dab5dda0d1d3bea451f9aa35926d8989ef79fa16f99f08c397f9226dcc1",
        "6c008b9f62af0ddf3fe66fdb5eff1d2f1c74b32cdb368a11a13407c8b160336e",
        "8cb8cd2e82e151308838ad74ab0d96c9e35b07afb09c78ff5ce506c7f38066b8",
        "88e28d807a4dd8be7eb341b5929e047d34e00b549fc552afde42a4333961e264",
    ]
    assert (before[0x100:0x104].hex(), before[0x13C:].hex()) == ("fdeab9ac", "bf8e6065")
    assert header[0xC0:].hex() == "e2ed6191454c7e1538625e54bffe19254b9e414326830f21a8fd121511e73b7e"
    exact = hash_layers(Section(bytes(range(0x50)), FsType.ROMFS, block_size=0x40))
    assert exact.before == before
    assert [unpack_from("<QQ", exact.hash_data, 0x10 + 0x18 * level)[1] for level in range(6)] == [0x20, 0x20, 0x20, 0x20, 0x40, 0x50]


def test_image_that_six_levels_cannot_hold() -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        hash_layers(Section(bytes(0x2000), FsType.ROMFS, block_size=0x40))
    with pytest.raises(ValueError, match="cannot hold"):
        hash_layers(Section(b"", FsType.ROMFS))


# ---- what other tools wrote ----


def forged_again(data: bytes, keys: Mapping[str, bytes], title_key: bytes | None, xts_base: Literal["absolute", "section"]) -> bytes:
    """Forge an NCA from what is in another."""
    parsed = read_nca(data, keys, title_key, xts_base)
    header, sections = parsed.header, list[Section | None]()
    for slot in range(4):
        if slot not in parsed.parts:
            sections.append(None)
            continue
        part = parsed.parts[slot]
        fs_type, hash_type, encryption = part.fs_header[2:5]
        generation, secure_value = unpack_from("<II", part.fs_header, 0x140)
        block_size = unpack_from("<I", part.fs_header, 0x28)[0] if hash_type == 2 else 0x4000
        sections.append(Section(part.image, fs_type, hash_type, encryption, generation, secure_value, block_size, whole_blocks=True))
    while sections[-1] is None:
        sections.pop()
    return _forge.nca(
        sections,
        keys=keys,
        content_type=header[0x205],
        program_id=unpack_from("<Q", header, 0x210)[0],
        key_generation=max(header[0x206], header[0x220]),
        rights_id=header[0x230:0x240],
        title_key=title_key,
        key_area=b"" if title_key else parsed.key_area[:0x40],  # That tool stores the unused slots as zeros without encrypting them.
        magic=header[0x200:0x204],
        signatures=header[:0x200],
        first_section=min(part.start for part in parsed.parts.values()),
        xts_base=xts_base,
    )


@pytest.mark.parametrize("name", ["addon_std", "names", "noromfs", "plain", "std_g1", "std_g5", "tk_g2"])
def test_ncas_are_what_another_tool_writes(testdata: Path, name: str) -> None:
    keys = key_file(testdata / "keys" / "prod.keys")
    title_keys = key_file(testdata / "keys" / "title.keys")
    files = read_pfs0((testdata / "nsp" / f"{name}.nsp").read_bytes())
    ncas = {inner: data for inner, data in files.items() if inner.endswith(".nca")}
    assert len(ncas) >= 2
    for inner, data in ncas.items():
        header = read_xts(keys["header_key"], data[:0x400], 0)
        rights = header[0x230:0x240]
        title_key = ecb(keys[f"titlekek_{max(header[0x206], header[0x220]) - 1:02x}"], title_keys[rights.hex()]) if any(rights) else None
        made = forged_again(data, keys, title_key, "section")
        assert made == data
        assert _forge.nca_name(made, header[0x205]) == inner


@pytest.mark.parametrize("name", ["ctr", "gen0", "nca2", "xts"])
def test_unusual_ncas_are_what_another_tool_writes(testdata: Path, name: str) -> None:
    data = (testdata / "nca_forged" / f"{name}.nca").read_bytes()
    assert forged_again(data, key_file(testdata / "keys" / "prod.keys"), None, "section") == data


def test_cnmt_is_what_another_tool_writes(testdata: Path) -> None:
    keys = key_file(testdata / "keys" / "prod.keys")
    files = read_pfs0((testdata / "nsp" / "std_g1.nsp").read_bytes())
    meta = next(data for name, data in files.items() if name.endswith(".cnmt.nca"))
    ((name, sample),) = read_pfs0(read_nca(meta, keys).parts[0].image).items()
    by_type = {read_nca(data, keys).header[0x205]: data for data in files.values() if data is not meta}
    rows = [sample[start : start + 0x38] for start in range(0x30, 0x30 + 4 * 0x38, 0x38)]
    listed = {row[0x20:0x30].hex(): row[0x36] for row in rows}
    records = [_forge.ContentRecord.of(files[f"{stem}.nca"], kind) for stem, kind in listed.items()]
    assert name == _forge.cnmt_name(0x0100ABCDEF000000)
    assert _forge.cnmt(0x0100ABCDEF000000, records, version=unpack_from("<I", sample, 8)[0], digest=sample[-0x20:]) == sample
    assert len(by_type) == 3


# ---- every combination, read back ----

KEYS = _forge.made_up_keys()
IMAGES = [_forge.pfs0({"main": bytes(range(256)) * 30, "main.npdm": b"N"}), _forge.romfs({"a/b": b"b" * 0x9001, "c": b""})]


def options(**changes: Any) -> Any:
    return {"keys": KEYS, "content_type": ContentType.PROGRAM, "program_id": 0x0100FEEDFACE0000, "key_generation": 5} | changes


HASHES = (HashType.NONE, HashType.SHA256, HashType.INTEGRITY, HashType.SHA3, HashType.INTEGRITY_SHA3)
CIPHERS = (Encryption.NONE, Encryption.XTS, Encryption.CTR, Encryption.CTR_SKIP_LAYER_HASH)


@pytest.mark.parametrize(("hash_type", "encryption"), [pair for pair in product(HASHES, CIPHERS) if pair != (1, 5)])
@pytest.mark.parametrize("order", ["ascending", "descending"])
@pytest.mark.parametrize("pad", [False, True])
def test_sections_read_back(hash_type: HashType, encryption: Encryption, order: Literal["ascending", "descending"], *, pad: bool) -> None:
    sections = [
        Section(image, fs_type, hash_type, encryption, generation=0x1020304, secure_value=slot + 1, whole_blocks=pad)
        for slot, (image, fs_type) in enumerate(zip(IMAGES, (FsType.PARTITION, FsType.ROMFS), strict=True))
    ]
    made = _forge.nca([sections[0], None, sections[1]], **options(section_order=order))
    parsed = read_nca(made, KEYS)
    assert sorted(parsed.parts) == [0, 2]
    assert (parsed.parts[0].start < parsed.parts[2].start) == (order == "ascending")
    assert min(part.start for part in parsed.parts.values()) == 0x4000
    for slot, image in zip((0, 2), IMAGES, strict=True):
        part = parsed.parts[slot]
        assert part.fs_header[:5] == bytes([2, 0, part.fs_header[2], hash_type, encryption])
        assert part.image[: len(image)] == image
        if encryption != Encryption.NONE:
            assert image not in made
    assert unpack_from("<Q", parsed.header, 0x208) == (len(made),)


@pytest.mark.parametrize(
    ("generation", "old", "new", "index"), [(0, 0, 0, 0), (1, 1, 0, 1), (2, 2, 0, 2), (3, 2, 3, 0), (0x20, 2, 0x20, 1)]
)
def test_key_generations(generation: int, old: int, new: int, index: int) -> None:
    made = _forge.nca([Section(IMAGES[0], FsType.PARTITION)], **options(key_generation=generation, key_index=index))
    parsed = read_nca(made, KEYS)
    assert (parsed.header[0x206], parsed.header[0x220], parsed.header[0x207]) == (old, new, index)
    assert parsed.parts[0].image == IMAGES[0]
    assert not any(parsed.key_area[0x30:0x40])


def test_header_fields() -> None:
    made = _forge.nca(
        [Section(IMAGES[1], FsType.ROMFS)],
        **options(content_type=ContentType.DATA, distribution=1, content_index=7, sdk_version=0x0F010203, signatures=b"\4" * 0x200),
    )
    header = read_nca(made, KEYS).header
    assert header[:0x200] == b"\4" * 0x200
    assert header[0x200:0x208] == b"NCA3\1\4\2\0"
    assert header[0x210:0x220] == bytes.fromhex("0000cefaedfe0001 07000000 0302010f")
    assert not any(header[0x221:0x240])


def test_title_key() -> None:
    key = bytes(range(16))
    made = _forge.nca([Section(IMAGES[1], FsType.ROMFS)], **options(rights_id=_forge.rights_id(0x0100FEEDFACE0000, 5), title_key=key))
    parsed = read_nca(made, KEYS, key)
    assert parsed.header[0x230:0x240].hex() == "0100feedface00000000000000000005"
    assert parsed.header[0x300:0x400] == bytes(0x100)
    assert parsed.parts[0].image == IMAGES[1]


def test_flavours_of_header_and_units() -> None:
    section = Section(IMAGES[1], FsType.ROMFS, encryption=Encryption.XTS)
    made = _forge.nca([None, section], **options(magic=b"NCA2", xts_base="section"))
    assert read_nca(made, KEYS, xts_base="section").parts[1].image == IMAGES[1]
    assert made[0x400:0x600] == bytes(0x200)
    with pytest.raises(AssertionError):
        read_nca(made, KEYS)
    plain = _forge.nca([section], **options(header_encrypted=False))
    assert plain[0x200:0x204] == b"NCA3"
    assert read_nca(plain, KEYS, plain_header=True).parts[0].image == IMAGES[1]
    bare = _forge.nca([Section(IMAGES[0], FsType.PARTITION)], **options(header_encrypted=False, key_index=0xFF, key_area=b"K" * 0x100))
    assert bare[0x300:0x400] == b"K" * 0x100


def test_edits() -> None:
    section = Section(IMAGES[0], FsType.PARTITION, edits={0: b"\3", 0x100: b"PATCH"})
    header = read_nca(_forge.nca([section], **options(header_edits={0x240: pack("<I", 0x20), 0x3F0: b"spoilt"})), KEYS).header
    assert header[0x400:0x402] == b"\3\0"
    assert header[0x500:0x505] == b"PATCH"
    assert header[0x280:0x2A0] == sha256(header[0x400:0x600]).digest()
    assert header[0x3F0:0x3F6] == b"spoilt"


def test_nca_without_sections() -> None:
    assert len(_forge.nca([], **options())) == 0xC00


# ---- streaming ----


def test_write_nca_writes_what_nca_returns(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(b"".join(_forge.noise(0x30_0123).chunks()))
    for encryption, hash_type in product(CIPHERS, (HashType.SHA256, HashType.INTEGRITY)):
        target = tmp_path / "out"
        written = _forge.write_nca(target, [Section(image, FsType.ROMFS, hash_type, encryption)], **options())
        whole = _forge.nca([Section(image.read_bytes(), FsType.ROMFS, hash_type, encryption)], **options())
        assert target.read_bytes() == whole
        assert written == (sha256(whole).hexdigest()[:32] + ".nca", sha256(whole).digest(), len(whole))
        assert _forge.ContentRecord.of(written, 1) == _forge.ContentRecord.of(whole, 1)
        assert read_nca(whole, KEYS).parts[0].image[:0x30_0123] == image.read_bytes()


def test_memory_does_not_grow_with_the_image(tmp_path: Path) -> None:
    target, size = tmp_path / "out", 48 << 20
    tracemalloc.start()
    try:
        written = _forge.write_nca(target, [Section(_forge.fill(size, 1), FsType.ROMFS)], **options())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert target.stat().st_size == written.size > size
    assert peak < 16 << 20


# ---- NSP and the demo ----


def test_nsp(tmp_path: Path) -> None:
    ticket = _forge.ticket(_forge.rights_id(0x0100FEEDFACE0000, 11), bytes(16), 11)
    made = _forge.nsp({"a.nca": b"a", "b.nca": b"b"}, [ticket])
    stem = "0100feedface0000000000000000000b"
    assert read_pfs0(made) == {"a.nca": b"a", "b.nca": b"b", f"{stem}.tik": ticket, f"{stem}.cert": _forge.certificate()}
    assert _forge.write_nsp(tmp_path / "x.nsp", [("a.nca", b"a"), ("b.nca", b"b")], [ticket]) == len(made)
    assert (tmp_path / "x.nsp").read_bytes() == made


def test_demo_game(tmp_path: Path) -> None:
    game = demo_game(tmp_path)
    keys = key_file(Path(game.keys))
    download = read_pfs0(Path(game.nsp).read_bytes())
    ticket = next(data for name, data in download.items() if name.endswith(".tik"))
    title_key = ecb(keys["titlekek_04"], ticket[0x180:0x190])
    card = read_hfs0(Path(game.xci).read_bytes(), 0xF000)
    assert list(card) == ["update", "normal", "logo", "secure"]
    secure = read_hfs0(card["secure"], 0)
    assert len(download) == 4
    assert len(secure) == 3
    for files, distribution in ((download, 0), (secure, 1)):
        ncas = [(name, data) for name, data in files.items() if name.endswith(".nca")]
        titled = [data for _, data in ncas if any(read_xts(keys["header_key"], data[:0x400], 0)[0x230:0x240])]
        assert len(titled) == (distribution == 0)
        parsed = {name: read_nca(data, keys, title_key if data in titled else None) for name, data in ncas}
        kinds = {nca.header[0x205]: name for name, nca in parsed.items()}
        assert {nca.header[0x204] for nca in parsed.values()} == {distribution}
        program, control, meta = (parsed[kinds[kind]] for kind in (ContentType.PROGRAM, ContentType.CONTROL, ContentType.META))
        assert read_pfs0(program.parts[0].image) == game.exefs
        assert program.parts[1].image == _forge.romfs(game.romfs)
        assert read_pfs0(program.parts[2].image) == game.logo
        assert program.parts[2].start < program.parts[1].start < program.parts[0].start
        assert control.parts[0].image == _forge.romfs(game.control)
        ((name, cnmt),) = read_pfs0(meta.parts[0].image).items()
        assert name == "Application_0100feedface0000.cnmt"
        assert kinds[ContentType.META].endswith(".cnmt.nca")
        for row, kind, number in ((cnmt[0x30:0x68], ContentType.PROGRAM, 1), (cnmt[0x68:0xA0], ContentType.CONTROL, 3)):
            assert row[:0x20] == sha256(files[kinds[kind]]).digest()
            assert row[0x20:0x30].hex() == kinds[kind].removesuffix(".nca")
            assert (int.from_bytes(row[0x30:0x35], "little"), row[0x36]) == (len(files[kinds[kind]]), number)
        for inner, data in ncas:
            assert sha256(data).hexdigest()[:32] == inner[:32]


def test_demo_files_are_what_they_look_like(tmp_path: Path) -> None:
    game = demo_game(tmp_path)
    starts = {".png": b"\x89PNG\r\n\x1a\n", ".wav": b"RIFF", ".json": b"{", ".gif": b"GIF89a", ".dat": b"\xff\xd8\xff\xe0"}
    named = {**game.romfs, **game.logo, "icon.dat": game.control["icon_AmericanEnglish.dat"]}
    for name, data in named.items():
        assert data.startswith(starts.get("." + name.rpartition(".")[2], b"")), name
    assert len(game.romfs) >= 20
    assert b"" in game.romfs.values()
    assert any(not name.isascii() for name in game.romfs)
