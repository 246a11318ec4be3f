"""Patches of modules, by the requirement lines: formats, offsets, what acts on what, and what damage does."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oboromi_fs import MemoryFs, MemoryStorage
from oboromi_fs.builders.nso import build_nso
from oboromi_fs.errors import CorruptError, OboromiFsError
from oboromi_fs.executables import Nso
from oboromi_fs.jobs.patching import PatchFile, make_patch, plan_patches, read_patch
from oboromi_fs.mods import PROFILES, Game, load
from oboromi_fs.patches.applying import apply_patch
from oboromi_fs.patches.buildids import build_problem, name_problem
from oboromi_fs.patches.ips import encode_ips, parse_ips
from oboromi_fs.patches.pchtxt import encode_pchtxt, parse_pchtxt
from oboromi_fs.patches.values import Patch, Record
from tests.mods.trees import UPPER, installed, tree

if TYPE_CHECKING:
    from oboromi_fs.patches.buildids import Dialect
    from oboromi_fs.patches.pchtxt import PchtxtDialect
    from oboromi_fs.protocols import Storage

EXE = Path(__file__).parent.parent.parent / "testdata" / "exe"
BUILD = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
NAME = BUILD.hex().upper()
TEXT, RO, DATA = bytes(range(256)) * 0x10, b"ro" * 0x100, b"data" * 0x40


def module(*, compress: bool = True) -> Storage:
    return build_nso(TEXT, RO, DATA, module_id=BUILD, module_name=b"a name\0", bss_size=0x1000, compress=compress)


def patched(*patches: bytes, name: str = f"{NAME}.ips", compress: bool = True) -> Storage:
    plan = plan_patches(module(), [PatchFile(name, MemoryStorage(patch)) for patch in patches])
    assert not plan.refused
    return plan.storage(compress=compress)


def test_E21_ips_and_ips32_write_runs_and_literals_and_are_clipped_at_the_end() -> None:
    end = 0x100 + 0x2000 + len(DATA)  # bss is no part of the file.
    literal, run, over = bytes.fromhex("000110 0002 4142"), bytes.fromhex("000120 0000 0003 7a"), (end - 1).to_bytes(3, "big") + b"\0\x02XY"
    classic = b"PATCH" + literal + run + over + b"EOF"
    wide = b"IPS32\0" + literal + b"\0" + run + b"\0" + over + b"EEOF"
    for patch in (classic, wide):
        nso = Nso(patched(patch))
        text = bytearray(TEXT)
        text[0x10:0x12], text[0x20:0x23] = b"AB", b"zzz"
        assert nso.segment("text")[:] == text
        assert nso.segment("ro")[:] == RO
        assert nso.segment("data")[:] == DATA[:-1] + b"X"


def test_E22_offset_0x110_is_byte_0x10_of_the_text_and_the_header_is_protected() -> None:
    nso = Nso(patched(encode_ips([Record(0, b"x" * 0x10F), Record(0x110, b"!")])))
    assert nso.segment("text")[:0x12] == b"x" * 0xF + TEXT[0xF:0x10] + b"!" + TEXT[0x11:0x12]
    assert nso.module_id == BUILD.ljust(32, b"\0")
    assert nso.module_name == "a name"
    assert nso.bss_size == 0x1000


@pytest.mark.parametrize("compress", [True, False])
def test_E23_patches_act_on_decompressed_bytes_and_the_later_wins(*, compress: bool) -> None:
    result = patched(encode_ips([Record(0x110, b"one one")]), encode_ips([Record(0x114, b"TWO")]), compress=compress)
    nso = Nso(result)
    assert nso.problems == []
    assert nso.segment("text")[:] == TEXT[:0x10] + b"one TWO" + TEXT[0x17:]
    assert nso.segments[0].compressed == compress
    assert [nso.hash_matches(segment.name) for segment in nso.segments] == [True, True, True]
    assert nso.header.hashes[0] == hashlib.sha256(nso.segment("text")[:]).digest() != Nso(module()).header.hashes[0]
    assert nso.header.hashes[1:] == Nso(module()).header.hashes[1:]


def test_E24_pchtxt_is_read_with_its_words_and_values() -> None:
    text = (
        "@nsobid-00112233445566778899aabbccddeeff\r\n@little-endian\r\n@flag print_values\r\n@flag offset_shift 256\r\n// title\r\n"
        '@enabled\r\n00000010 4142 // two\r\n00000020 "a\\"\\n"\r\n# said\r\n@disabled\r\n00000030 FF\r\n@flag offset_shift 0x200\r\n'
        "@enabled\r\n00000000 43\r\n@stop\r\n00000001 44\r\n"
    )
    nso = Nso(patched(text.encode(), name="1.0.2 fixes.pchtxt"))
    want = bytearray(TEXT)
    want[0x10:0x12], want[0x20:0x24], want[0x100] = b"AB", b'a"\n\0', ord("C")
    assert nso.segment("text")[:] == want


@pytest.mark.parametrize("damage", [-1, 5, 12, 0])
def test_E25_a_damaged_patch_changes_nothing_and_is_told(damage: int) -> None:
    good = encode_ips([Record(0x110, b"good"), Record(0x120, b"more")])
    bad = good[:damage] if damage else good.replace(b"\0\4good", b"\xff\xffgood")
    with pytest.raises(CorruptError, match="the ips"):
        plan_patches(module(), [PatchFile(f"sets/{NAME}.ips", MemoryStorage(good)), PatchFile("the ips", MemoryStorage(bad))])


@pytest.mark.fuzz
@given(st.binary(max_size=60), st.integers(0, 400), st.integers(0, 255), st.integers(0, 400))
def test_E25_hostile_patches_raise_nothing_else(tail: bytes, at: int, byte: int, cut: int) -> None:
    records = [Record(0x110, b"some bytes"), Record(0x45454F40, b"z", 40), Record(0x2000, b"tail")]
    seeds = encode_ips(records[::2]), encode_ips(records), encode_pchtxt(NAME, records, title="title", shift=0x100).encode()
    target = module()
    image = Nso(target).uncompressed()
    for seed in seeds:
        damaged = bytearray(seed)
        damaged[at % len(seed)] = byte
        for data in (bytes(damaged), seed[: cut % len(seed)] + tail, seed[: cut % len(seed)]):
            for dialect in ("neutral", "atmosphere", "yuzu", "ryujinx"):
                try:
                    plan = plan_patches(target, [PatchFile("p", MemoryStorage(data))], dialect=dialect)
                except OboromiFsError:
                    continue
                after = plan.storage(compress=False)
                assert after.size == image.size
                assert after[0x10:0xA0] == image[0x10:0xA0]


@given(st.lists(st.tuples(st.integers(0, 0x3FFF), st.binary(min_size=1, max_size=40)), max_size=6), st.sampled_from([None, True]))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_E23_a_patch_that_is_made_gives_the_new_version_of_a_real_module(edits: list[tuple[int, bytes]], wide: bool | None) -> None:
    old = MemoryStorage((EXE / "test.nso").read_bytes())
    parts = [bytearray(Nso(old).segment(name)[:]) for name in ("text", "ro", "data")]
    for at, data in edits:
        part = parts[at % 3]
        start = at % max(len(part), 1)
        part[start : start + len(data)] = data[: len(part) - start]
    header = Nso(old).header
    new = build_nso(
        *map(bytes, parts),
        module_id=header.module_id,
        bss_size=header.bss_size,
        offsets=[segment.memory_offset for segment in Nso(old).segments],
        compress=False,
    )
    made = make_patch(old, new, ips32=wide)
    result = Nso(plan_patches(old, [PatchFile(f"{made.build_id}.ips", made.storage)]).storage())
    assert [bytes(result.segment(segment.name)[:]) for segment in result.segments] == list(map(bytes, parts))
    assert all(result.hash_matches(segment.name) for segment in result.segments)
    assert [segment.compressed for segment in result.segments] == [segment.compressed for segment in Nso(old).segments]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (NAME, ("", "", "", "")),
        (NAME + "00" * 16, ("", "", "", "")),
        (NAME.lower(), ("", "", "", "lower-case")),
        (NAME[:-2], ("not for",) * 4),
        (NAME + "01", ("not for",) * 4),
        (NAME + "0", ("", "", "", "")),
        ("0x" + NAME, ("no build id",) * 4),
    ],
)
def test_E19_build_ids_compare_as_bytes_and_zeros_may_be_left_out(text: str, problems: tuple[str, ...]) -> None:
    for dialect, problem in zip(("neutral", "atmosphere", "yuzu", "ryujinx"), problems, strict=True):
        found = build_problem(text, BUILD, dialect)  # type: ignore[arg-type]  # A str.
        assert problem in found
        assert bool(found) == bool(problem)


def test_E20_atmosphere_wants_hex_of_an_even_length_and_nothing_else_before_ips() -> None:
    names = [f"{NAME}.ips", f"{NAME}0.ips", f"{NAME}.IPS", f"{NAME}.v2.ips", "fix.ips", f"{NAME}.pchtxt"]
    assert [bool(name_problem(name, "atmosphere")) for name in names] == [False, True, True, True, True, True]
    assert [bool(name_problem(name, "neutral")) for name in names] == [False, False, False, False, True, False]


def test_E24_the_worked_example_is_one_patch_in_all_three_forms() -> None:
    records = (Record(0x110, bytes.fromhex("1f2003d51f2003d5")), Record(0x120, b"a\n\0"), Record(0x200, b"\xc0"))
    text = encode_pchtxt(NAME, records, shift=0x100).encode()
    assert read_patch(MemoryStorage(text), "a").records == parse_pchtxt(text).records == records
    for wide in (True, False):
        assert parse_ips(MemoryStorage(encode_ips(records, ips32=wide))).records == records


TOOLS: tuple[Dialect, ...] = ("neutral", "atmosphere", "yuzu", "ryujinx")


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        # In a target of 16 bytes whose first 4 are a header. None: the whole patch is dropped.
        (Record(16, b"x"), {"neutral": b"", "atmosphere": None, "yuzu": None, "ryujinx": b""}),
        (Record(14, b"abcd"), {"neutral": b"ab", "atmosphere": b"ab", "yuzu": None, "ryujinx": b"ab"}),
        (Record(14, b"z", 9), {"neutral": b"zz", "atmosphere": b"zz", "yuzu": b"zz", "ryujinx": b"zz"}),
        (Record(2, b"abcd"), {"neutral": b"cd", "atmosphere": b"cd", "yuzu": b"cd", "ryujinx": b""}),
        (Record(0, b"abcd"), {"neutral": b"", "atmosphere": b"", "yuzu": b"", "ryujinx": b""}),
    ],
)
def test_E21_E22_what_does_not_fit_in_each_tool(record: Record, expected: dict[Dialect, bytes | None]) -> None:
    good = Record(8, b"!")
    for dialect in TOOLS:
        found = apply_patch(Patch("IPS", (good, record)), 16, protected=4, dialect=dialect)
        wanted = expected[dialect]
        assert found.dropped == (wanted is None)
        assert found.remarks != ()
        assert b"".join(each.part(each.offset, each.end) for each in found.records) == (b"" if wanted is None else b"!" + wanted)


EXAMPLE = r"""@nsobid-00112233445566778899AABBCCDDEEFF // id
#demo
@flag offset_shift 0x100 // text addresses
// nop two
@enabled
00000010 1F2003D51F2003D5 // tail comment

00000020 "a\n"
@flag offset_shift 0
00000200 C0
// off
@disabled
00000000 FFFFFFFF
@stop
@enabled
00000000 EEEEEEEE
"""


@pytest.mark.parametrize(
    ("dialect", "build", "offsets"),
    [
        ("reference", NAME, [0x110, 0x120, 0x200]),
        ("neutral", NAME, [0x110, 0x120, 0x200]),
        ("atmosphere", NAME, [0x110, 0x120, 0x200]),
        ("yuzu", f"{NAME} // id", [0x110]),
        ("ryujinx", f"{NAME} // id", [0x110]),
    ],
)
def test_E24_the_worked_example_as_each_tool_reads_it(dialect: PchtxtDialect, build: str, offsets: list[int]) -> None:
    patch = parse_pchtxt(EXAMPLE.encode(), dialect)
    assert patch.build_id == build
    assert [record.offset for record in patch.records] == offsets
    assert patch.records[0].data == bytes.fromhex("1f2003d51f2003d5")


def test_E24_the_worked_example_written_as_ips() -> None:
    records = parse_pchtxt(EXAMPLE.encode()).records
    wide = "4950533332 00000110 0008 1f2003d51f2003d5 00000120 0003 610a00 00000200 0001 c0 45454f46"
    classic = "5041544348 000110 0008 1f2003d51f2003d5 000120 0003 610a00 000200 0001 c0 454f46"
    assert len(bytes.fromhex(wide)) == 39
    assert encode_ips(records, ips32=True) == bytes.fromhex(wide)
    assert encode_ips(records) == bytes.fromhex(classic)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # Offset and bytes in the neutral reading, that of yuzu, and that of Ryujinx.
        ('00000000 "a\\qb"', ([(0, b"aqb\0")], [(0, b"aqb")], [(0, b"a?b\0")])),
        ('00000000 "a/b"', ([(0, b"a/b\0")], [(0, b"a/b")], [])),
        ("00000000 01/02", ([(0, b"\1")], [(0, b"\1")], [(0, b"\1")])),
        ("00000002 02\n00000000 01", ([(2, b"\2"), (0, b"\1")], [(0, b"\1"), (2, b"\2")], [(0, b"\1"), (2, b"\2")])),
        ("00000000 01\n\n00000001 02", ([(0, b"\1"), (1, b"\2")], [(0, b"\1")], [(0, b"\1")])),
        ("00000000 01\n# a\n00000001 02", ([(0, b"\1"), (1, b"\2")], [(0, b"\1")], [(0, b"\1"), (1, b"\2")])),
        ("00000000 01\n@stop\n00000001 02", ([(0, b"\1")], [(0, b"\1")], [(0, b"\1")])),
        ("@disabled\n00000000 01", ([], [], [])),
        ("@flag offset_shift 16\n00000000 01", ([(16, b"\1")], [(16, b"\1")], [(16, b"\1")])),
        ("@little-endian\n00000000 01", ([(0, b"\1")], [(0, b"\1")], [(0, b"\1")])),
    ],
)
def test_E24_lines_that_tools_read_in_ways_of_their_own(lines: str, expected: tuple[list[tuple[int, bytes]], ...]) -> None:
    text = f"@nsobid-{NAME}\n@enabled\n{lines}".encode()
    dialects: tuple[PchtxtDialect, ...] = ("neutral", "yuzu", "ryujinx")
    found = [[(record.offset, record.data) for record in parse_pchtxt(text, dialect).records] for dialect in dialects]
    assert found == list(expected)


@pytest.mark.parametrize("name", PROFILES)
def test_E23_sets_stack_and_the_later_wins_where_both_write(name: str) -> None:
    where = {"atmosphere": "atmosphere/exefs_patches/{}", "ryujinx": "mods/exefs_patches/{}", "yuzu": f"load/{UPPER}/{{}}/exefs"}
    place = where.get(name, "{}/exefs")
    main = build_nso(TEXT, RO, DATA, module_id=BUILD, compress=True)
    one, two = encode_ips([Record(0x110, b"one one")]), encode_ips([Record(0x114, b"TWO")])
    root = tree({f"{place.format('a')}/{NAME}.ips": one, f"{place.format('b')}/{NAME}.ips": two})
    found = load(root, installed(name, root), Game(exefs=MemoryFs({"main": main})))
    assert Nso(found.union.storage("exefs/main")).segment("text")[0x10:0x17].tobytes() == b"one TWO"


@pytest.mark.parametrize(
    ("stem", "loads"),
    [
        (NAME, ("atmosphere", "yuzu", "ryujinx", "plain")),
        (NAME + "0000", ("atmosphere", "yuzu", "ryujinx", "plain")),
        (NAME + "0", ("yuzu", "ryujinx", "plain")),
        (NAME.lower(), ("atmosphere", "plain")),
        (NAME[:-2], ()),
    ],
)
@pytest.mark.parametrize("name", PROFILES)
def test_E19_E20_names_that_find_their_module(stem: str, loads: tuple[str, ...], name: str) -> None:
    where = {"atmosphere": "atmosphere/exefs_patches/set", "ryujinx": "mods/exefs_patches/set", "yuzu": f"load/{UPPER}/set/exefs"}
    main = build_nso(TEXT, RO, DATA, module_id=BUILD, compress=True)
    root = tree({f"{where.get(name, 'set/exefs')}/{stem}.ips": encode_ips([Record(0x110, b"found")])})
    found = load(root, installed(name, root), Game(exefs=MemoryFs({"main": main})))
    text = Nso(found.union.storage("exefs/main")).segment("text")[0x10:0x15].tobytes()
    assert text == (b"found" if name in loads else TEXT[0x10:0x15])
    assert bool(found.notices) == (name not in loads)
