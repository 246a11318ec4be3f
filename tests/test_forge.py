"""The forge's partitions, RomFS, metadata, programs and game cards, against worked examples and other tools' archives."""

from __future__ import annotations

import io
from hashlib import sha256
from struct import pack, unpack_from
from typing import TYPE_CHECKING, Any

import pytest
from Crypto.Cipher import AES
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs import _forge
from oboromi_fs._forge.keys import generate_key
from oboromi_fs._forge.romfs import bucket_count, name_hash

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NONE = 0xFFFFFFFF


class OnlyWrite:
    """A stream that can neither seek nor tell."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes | bytearray | memoryview, /) -> None:
        self.data += data


# ---- readers that know nothing of the forge ----


def read_partition(data: bytes, at: int = 0) -> tuple[bytes, dict[bytes, tuple[int, int, bytes]]]:
    """Header, and name -> (absolute offset, size, the entry's bytes)."""
    width = {b"PFS0": 0x18, b"HFS0": 0x40}[data[at : at + 4]]
    count, table_size = unpack_from("<II", data, at + 4)
    table = at + 0x10 + width * count
    start = table + table_size
    files = {}
    for row in range(at + 0x10, table, width):
        offset, size, name = unpack_from("<QQI", data, row)
        files[data[table + name : data.index(b"\0", table + name)]] = (start + offset, size, data[row : row + width])
    return data[at:start], files


def contents(data: bytes, at: int = 0) -> dict[bytes, bytes]:
    return {name: data[start : start + size] for name, (start, size, _) in read_partition(data, at)[1].items()}


def walk_romfs(image: bytes) -> tuple[dict[bytes, bytes], list[bytes]]:
    """Files and directories of a RomFS, by its chains alone."""
    field = unpack_from("<10Q", image)
    directory_table, file_table, start = field[3], field[7], field[9]
    found: dict[bytes, bytes] = {}
    folders: list[bytes] = []
    pending = [(0, b"")]
    while pending:
        at, path = pending.pop()
        _, _, child, leaf, _, _ = unpack_from("<6I", image, directory_table + at)
        while leaf != NONE:
            _, after, offset, size, _, length = unpack_from("<2I2Q2I", image, file_table + leaf)
            name = image[file_table + leaf + 0x20 :][:length]
            found[path + name] = image[start + offset : start + offset + size]
            leaf = after
        while child != NONE:
            _, after, _, _, _, length = unpack_from("<6I", image, directory_table + child)
            name = image[directory_table + child + 0x18 :][:length]
            folders.append(path + name)
            pending.append((child, path + name + b"/"))
            child = after
    return found, folders


def look_up_romfs(image: bytes, path: bytes) -> bytes | None:
    """Contents of a file of a RomFS, by its hash tables alone."""
    field = unpack_from("<10Q", image)
    tables = {"dir": (field[1], field[2], field[3], 0x18), "file": (field[5], field[6], field[7], 0x20)}
    parent, parts = 0, path.split(b"/")
    for depth, name in enumerate(parts):
        heads, size, table, fixed = tables["file" if depth == len(parts) - 1 else "dir"]
        value = parent ^ 123456789
        for byte in name:
            value = ((value >> 5) | (value << 27)) & NONE
            value ^= byte
        (at,) = unpack_from("<I", image, heads + 4 * (value % (size // 4)))
        while at != NONE:
            chain, length = unpack_from("<II", image, table + at + fixed - 8)
            if unpack_from("<I", image, table + at)[0] == parent and image[table + at + fixed :][:length] == name:
                break
            at = chain
        else:
            return None
        if fixed == 0x20:
            offset, length = unpack_from("<QQ", image, table + at + 8)
            return image[field[9] + offset : field[9] + offset + length]
        parent = at
    return None


# ---- PFS0 ----


def test_pfs0_worked_example() -> None:
    made = _forge.pfs0({"main": b"M" * 5, "main.npdm": b"N" * 3})
    assert made[:0x10] == bytes.fromhex("50465330 02000000 20000000 00000000")
    assert made[0x10:0x28] == bytes.fromhex("0000000000000000 0500000000000000 00000000 00000000")
    assert made[0x28:0x40] == bytes.fromhex("0500000000000000 0300000000000000 05000000 00000000")
    assert made[0x40:] == b"main\0main.npdm\0" + bytes(17) + b"MMMMMNNN"
    assert len(made) == 104


def test_pfs0_padding_rules_differ_with_one_entry() -> None:
    assert unpack_from("<I", _forge.pfs0({"abcde": b""}), 8) == (0x18,)
    assert unpack_from("<I", _forge.pfs0({"abcde": b""}, padding="table"), 8) == (0x20,)


def test_pfs0_is_what_other_tools_write(testdata: Path) -> None:
    samples = sorted((testdata / "pfs0").iterdir())
    assert len(samples) == 7
    for sample in samples:
        files = contents(sample.read_bytes())
        made = _forge.pfs0(files, padding="table" if ".st." in sample.name else "header")
        assert made == sample.read_bytes(), sample.name


def test_partition_names_may_be_text_bytes_or_pairs() -> None:
    assert _forge.pfs0({"é\udcff": b"x"}) == _forge.pfs0({b"\xc3\xa9\xff": b"x"}) == _forge.pfs0([("é\udcff", b"x")])


def test_partitions_stream_what_they_return(tmp_path: Path) -> None:
    source = tmp_path / "a.bin"
    source.write_bytes(b"A" * 0x300)
    out = OnlyWrite()
    assert _forge.write_pfs0(out, [("a", source), ("b", _forge.fill(5, 0x42))]) == len(out.data)
    assert out.data == _forge.pfs0({"a": b"A" * 0x300, "b": b"BBBBB"})
    target = tmp_path / "h"
    assert _forge.write_hfs0(target, [("a", source), ("b", _forge.noise(0x201))]) == target.stat().st_size
    assert target.read_bytes() == _forge.hfs0({"a": b"A" * 0x300, "b": b"".join(_forge.noise(0x201).chunks())})


# ---- HFS0 ----


def test_hfs0_worked_example() -> None:
    made = _forge.hfs0({"a.nca": b"A" * 0x300, "b.tik": b"B" * 0x40})
    header = made[:0x200]
    assert unpack_from("<4sII", header) == (b"HFS0", 2, 0x170)
    assert header[0x10:0x30] == pack("<QQIIQ", 0, 0x300, 0, 0x200, 0)
    assert header[0x30:0x50].hex() == "32beecb58a128af8248504600bd203dcc676adf41045300485655e6b8780a01d"
    assert header[0x50:0x70] == pack("<QQIIQ", 0x300, 0x40, 6, 0x40, 0)
    assert header[0x70:0x90].hex() == "c422e7070cb1cb455b5de9afee0d975e303d0239c72030cd7414ab5c382d3ae8"
    assert sha256(header).hexdigest() == "5a122457671ed15a3a9197436a8335d7cffd13f10d7e852bff424c1f3d4d65bd"
    assert sha256(header + b"\1").hexdigest() == "74ea6a1a9dc14ef56813d6fb873003c4617651bc1b94e397200d8497af0236ea"
    assert made[0x200:] == b"A" * 0x300 + b"B" * 0x40


def test_hfs0_is_what_other_tools_write(testdata: Path) -> None:
    samples = sorted((testdata / "hfs0").iterdir())
    assert len(samples) == 4
    for sample in samples:
        data = sample.read_bytes()
        assert _forge.hfs0(contents(data), alignment=0x200 if ".hb." in sample.name else 1) == data, sample.name


def test_hfs0_hashes_as_much_as_asked() -> None:
    files = {"a": bytes(0x1000), "b": bytes(0x1000), "c": b"c"}
    rows = [row for _, _, row in read_partition(_forge.hfs0(files, hashed_size=[0x800, 0, 0x800]))[1].values()]
    assert [unpack_from("<I", row, 0x14)[0] for row in rows] == [0x800, 0, 1]
    assert [row[0x20:] for row in rows] == [sha256(bytes(0x800)).digest(), bytes(32), sha256(b"c").digest()]


# ---- XCI ----


@pytest.mark.parametrize(("name", "choice"), [("std", {"hashed_size": 0x200}), ("logo_fullhash", {}), ("multi", {"hashed_size": 0x200})])
def test_xci_is_what_another_tool_writes(testdata: Path, name: str, choice: Any) -> None:
    data = (testdata / "xci" / f"{name}.xci").read_bytes()
    partitions: dict[str, dict[str, bytes]] = {}
    for partition, (start, _, _) in read_partition(data, 0xF000)[1].items():
        partitions[partition.decode()] = {inner.decode(): content for inner, content in contents(data, start).items()}
    made = _forge.xci(partitions, alignment=0x200, **choice)
    assert made[0xF000:] == data[0xF000:]
    assert made[0x140:0x160] == data[0x140:0x160]
    for start, stop in ((0x100, 0x10D), (0x118, 0x120), (0x130, 0x140), (0x180, 0x190)):
        assert made[start:stop] == data[start:stop]


CARD = {"update": {"u.nca": b"u" * 0x123}, "normal": dict[str, bytes](), "secure": {f"{n:032x}.nca": bytes(n) for n in range(20)}}


def test_xci_header_and_hashes() -> None:
    keys = _forge.made_up_keys()
    made = _forge.xci(CARD, keys=keys)
    root, files = read_partition(made, 0xF000)
    assert made[0x100:0x104] == b"HEAD"
    assert made[0x10D] == 0xFA
    assert unpack_from("<QQ", made, 0x130) == (0xF000, len(root)) == (0xF000, 0x200)
    assert made[0x140:0x160] == sha256(root).digest()
    assert unpack_from("<I", made, 0x118) == (len(made) // 0x200 - 1,)
    assert unpack_from("<I", made, 0x104) == unpack_from("<I", made, 0x18C) == (files[b"secure"][0] // 0x200,)
    assert set(made[0x200:0xF000]) == {0xFF}
    for start, size, row in files.values():
        header = read_partition(made, start)[0]
        assert size % 0x200 == 0
        assert unpack_from("<IQ", row, 0x14) == (len(header), 0)
        assert row[0x20:] == sha256(header).digest()
    assert len(read_partition(made, files[b"secure"][0])[0]) == 0x800  # So the hash covers more than 0x200 bytes.
    info = AES.new(keys["xci_header_key"], AES.MODE_CBC, made[0x120:0x130][::-1]).decrypt(made[0x190:0x200])
    assert info[:0x0C] == bytes.fromhex("0100000000000000 1100a100")
    assert info[0x24] == 0
    assert _forge.xci(CARD)[0x190:0x200] == info


def test_xci_flavours() -> None:
    plain = _forge.xci(CARD)
    full = _forge.xci(CARD, key_area=True)
    assert full[0x1000:] == plain
    assert sha256(full[:0x200]).digest() == plain[0x160:0x180]
    padded = _forge.xci(CARD, trimmed=False, capacity=0x20000)
    assert padded == plain.ljust(0x20000, b"\xff")
    china = _forge.xci(CARD, compatibility=1)
    assert china[0x140:0x160] == sha256(china[0xF000:0xF200] + b"\1").digest()
    assert china[0x1B4] == 1
    out = OnlyWrite()
    assert _forge.write_xci(out, CARD) == len(plain)
    assert out.data == plain


# ---- RomFS ----


def test_romfs_worked_example() -> None:
    made = _forge.romfs({"/a.txt": b"hi", "/b/c.bin": bytes(range(17)), "/b/d": b""})
    assert len(made) == 0x2F0
    assert sha256(made).hexdigest() == "b801cc5c0accd54decc1a3c48b7ac7767f9c05fab6eda9c934db896b64f62f2c"
    assert unpack_from("<10Q", made) == (0x50, 0x230, 0xC, 0x23C, 0x34, 0x270, 0xC, 0x27C, 0x74, 0x200)


def test_romfs_without_anything() -> None:
    assert len(_forge.romfs({})) == 0x230


def test_romfs_is_what_another_tool_writes(testdata: Path) -> None:
    samples = sorted((testdata / "romfs").glob("*.st.romfs"))
    assert len(samples) == 9
    for sample in samples:
        data = sample.read_bytes()
        files, dirs = walk_romfs(data)
        assert _forge.romfs(dict(reversed(files.items())), dirs) == data, sample.name


@pytest.mark.parametrize(
    ("parent", "name", "expected"),
    [(0, b"", 0x075BCD15), (0, b"a", 0xA83ADE09), (0, b"data", 0x04595017), (0x18, b"c.bin", 0xFD3CB6EE), (0, b"\xc3\xa9", 0x5D41D65C)],
)
def test_romfs_hash(parent: int, name: bytes, expected: int) -> None:
    assert name_hash(parent, name) == expected


def test_romfs_bucket_counts() -> None:
    expected = {
        0: 3,
        3: 3,
        4: 5,
        6: 7,
        9: 9,
        10: 11,
        17: 17,
        18: 19,
        19: 19,
        20: 23,
        24: 29,
        30: 31,
        77: 79,
        200: 211,
        289: 293,
        1000: 1007,
    }
    assert {entries: bucket_count(entries) for entries in expected} == expected


NAMES = st.binary(min_size=1, max_size=6).filter(lambda name: b"/" not in name)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(b"/".join)


@given(st.dictionaries(PATHS, st.binary(max_size=40), max_size=40), st.lists(PATHS, max_size=10))
def test_romfs_is_found_by_chains_and_by_hash(files: dict[bytes, bytes], dirs: list[bytes]) -> None:
    image = _forge.romfs(files, dirs)
    found, folders = walk_romfs(image)
    assert found == files
    assert set(dirs) <= set(folders)
    assert len(folders) == len(set(folders))
    for path, content in files.items():
        assert look_up_romfs(image, path) == content
    assert look_up_romfs(image, b"\0 no such") is None


def test_romfs_streams_what_it_returns(tmp_path: Path) -> None:
    source = tmp_path / "b"
    source.write_bytes(b"bbb")

    def chunks() -> Iterator[bytes]:
        yield b"c" * 10
        yield b"d" * 7

    entries: list[tuple[str | bytes, int, Any]] = [
        ("z", 4, bytearray(b"zzzz")),
        ("dir/c", 17, chunks()),
        (b"/b", 3, source),
        ("big", 1 << 21, _forge.fill(1 << 21, 7)),
    ]
    out = OnlyWrite()
    assert _forge.write_romfs(out, entries, ["empty"]) == len(out.data)
    files = {"dir/c": b"c" * 10 + b"d" * 7, "b": b"bbb", "z": b"zzzz", "big": b"\7" * (1 << 21)}
    assert out.data == _forge.romfs(files, ["empty"])


def test_wrong_sizes_are_noticed() -> None:
    with pytest.raises(ValueError, match="gave 3 bytes, 4 were announced"):
        _forge.write_romfs(io.BytesIO(), [("a", 4, b"abc")])
    with pytest.raises(ValueError, match="gave 1 bytes, 2 were announced"):
        _forge.pfs0({"a": _forge.Generated(2, lambda: [b"x"])})


# ---- keys ----


def test_key_derivation_worked_example() -> None:
    sources = {"aes_kek_generation_source": b"\x22" * 16, "aes_key_generation_source": b"\x33" * 16}
    assert generate_key(b"\x11" * 16, b"\x44" * 16, sources).hex() == "eaef26b072e5af8e2326d2d0d5680ddd"
    wrapped = {"titlekek_04": bytes.fromhex("b4f3c07ef9fc64dd59dae126d1b5dd12")}
    assert _forge.encrypt_title_key(bytes(range(16)), 5, wrapped).hex() == "c25e57127978c8b05378b376b45ad518"


def test_made_up_keys(tmp_path: Path) -> None:
    keys = _forge.made_up_keys()
    assert keys == _forge.made_up_keys("demo")
    assert keys["header_key"] != _forge.made_up_keys("other")["header_key"]
    assert {name: len(value) for name, value in keys.items() if len(value) != 16} == {"header_key": 32, "header_key_source": 32}
    for name in ("key_area_key_application_00", "key_area_key_ocean_1f", "key_area_key_system_0a", "titlekek_1f", "master_key_1f"):
        assert name in keys
    assert len(set(keys.values())) == len(keys)
    title_kek = AES.new(keys["master_key_07"], AES.MODE_ECB).decrypt(keys["titlekek_source"])
    assert keys["titlekek_07"] == title_kek
    path = tmp_path / "prod.keys"
    _forge.write_keys(path, {"b_01": b"\xab" * 2, "a": b"\0"})
    assert path.read_bytes() == b"a = 00\nb_01 = abab\n"


# ---- metadata and programs ----


def test_ticket_and_certificate_are_what_another_tool_writes(testdata: Path) -> None:
    files = contents((testdata / "nsp" / "tk_g2.nsp").read_bytes())
    rights = _forge.rights_id(0x0100ABCDEF000000, 2)
    stem = rights.hex().encode()
    assert stem == b"0100abcdef0000000000000000000002"
    ticket = _forge.ticket(rights, bytes.fromhex("987419dc0f2b60b64424dd4f920f5ae5"), 2)
    assert ticket == files[stem + b".tik"]
    made, sample = _forge.certificate(), files[stem + b".cert"]
    assert len(made) == len(sample) == 0x700
    for start, stop in ((0, 4), (0x204, 0x2C4), (0x3C8, 0x404), (0x504, 0x5C4), (0x6C8, 0x700)):
        assert made[start:stop] == sample[start:stop], hex(start)


def test_cnmt() -> None:
    record = _forge.ContentRecord(bytes(range(32)), 0x12_3456_789A, 3, 1, 2)
    made = _forge.cnmt(0x0100FEEDFACE0000, [record], version=0x10000, digest=b"\xdd" * 32)
    assert made[:0x20] == bytes.fromhex("0000cefaedfe0001 00000100 80 00 1000 0100 0000 00000000 00000000 00000000")
    assert made[0x20:0x30] == bytes.fromhex("0008cefaedfe0001 00000000 00000000")
    assert made[0x30:0x68] == bytes(range(32)) + bytes(range(16)) + bytes.fromhex("9a785634 12 02 03 01")
    assert made[0x68:] == b"\xdd" * 32
    patch = _forge.cnmt(0x0100FEEDFACE0800, [], meta_type=0x81, required_version=7, extended_data=b"more")
    assert patch[0x0C:0x10] == bytes.fromhex("81001800")
    assert patch[0x20:] == bytes.fromhex("0000cefaedfe0001 07000000 04000000") + bytes(8) + b"more" + bytes(32)
    addon = _forge.cnmt(0x0100FEEDFACE1001, [], meta_type=0x82, required_version=9)
    assert addon[0x20:] == bytes.fromhex("0000cefaedfe0001 09000000 00000000") + bytes(32)
    assert _forge.cnmt_name(0x0100FEEDFACE1001, 0x82) == "AddOnContent_0100feedface1001.cnmt"


def test_nacp() -> None:
    made = _forge.nacp("Hazy Moon 朧", "Nobody", "1.2.3", title_id=0x0100FEEDFACE0000, languages=(0, 2), user_account=1, save_size=0x400000)
    assert len(made) == 0x4000
    for language in range(16):
        text, publisher = ("Hazy Moon 朧".encode(), b"Nobody") if language in (0, 2) else (b"", b"")
        assert made[0x300 * language : 0x300 * language + 0x200] == text.ljust(0x200, b"\0")
        assert made[0x300 * language + 0x200 : 0x300 * language + 0x300] == publisher.ljust(0x100, b"\0")
    assert made[0x3025] == 1
    assert unpack_from("<I", made, 0x302C) == (0b101,)
    assert made[0x3060:0x3070] == b"1.2.3".ljust(16, b"\0")
    assert unpack_from("<4Q", made, 0x3070) == (0x0100FEEDFACE1000, 0x0100FEEDFACE0000, 0x400000, 0x100000)


def test_npdm_is_what_another_tool_writes(testdata: Path) -> None:
    sample = (testdata / "exe" / "main_0100abcdef000000.npdm").read_bytes()
    words = unpack_from("<11I", sample, 0x3E0)
    made = _forge.npdm(
        0x0100ABCDEF000000,
        "fakeapp",
        flags=3,
        permissions=0x4000000000000001,
        hosted=["fake:*"],
        services=["acc:u0", "fsp-srv", "hid", "sm:", "vi:u"],
        capabilities=words,
    )
    assert made == sample
    assert _forge.npdm(1)[:4] == b"META"


def test_nso_segments_and_hashes() -> None:
    made = _forge.nso(b"T" * 0x1001, b"R" * 3, b"D" * 5, bss_size=0x20, module_id=b"id")
    assert unpack_from("<4sIII", made) == (b"NSO0", 0, 0, 0x38)
    expected = [(b"T" * 0x1001, 0, 0x100), (b"R" * 3, 0x2000, 1), (b"D" * 5, 0x3000, 0x20)]
    for index, (segment, memory, extra) in enumerate(expected):
        at, where, size, other = unpack_from("<4I", made, 0x10 + 0x10 * index)
        assert made[at : at + size] == segment
        assert (where, other) == (memory, extra)
        assert unpack_from("<I", made, 0x60 + 4 * index) == (len(segment),)
        assert made[0xA0 + 0x20 * index : 0xC0 + 0x20 * index] == sha256(segment).digest()
    assert made[0x40:0x60] == b"id".ljust(32, b"\0")
    assert len(made) == 0x101 + 0x1001 + 3 + 5
