"""Programs ready to be mapped: load order, offsets, patched segments, and modules that no loader would take."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from oboromi_formats.npdm import AddressSpace
from oboromi_fs import EntryNotFoundError, FormatError, MemoryFs, NspArchive, OboromiFsError, RomFs
from oboromi_fs._forge import npdm, nso
from oboromi_fs.builders.nso import build_nso
from oboromi_fs.builders.pfs0 import build_pfs0
from oboromi_fs.executables import Nso
from oboromi_fs.titles import LoadedProgram, load_program, open_title
from tests.building import KEYS
from tests.titles import forging

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from oboromi_fs.protocols import Storage


def loaded(files: Mapping[str, bytes | Storage]) -> LoadedProgram:
    return load_program(MemoryFs(files))


def test_modules_in_load_order_whatever_the_order_of_the_files() -> None:
    names = ["sdk", "subsdk1", "main", "unknown", "subsdk0", "rtld"]
    program = loaded({name: forging.module(number, bytes([number]) * 20) for number, name in enumerate(names)})
    assert [each.name for each in program.modules] == ["rtld", "main", "subsdk0", "subsdk1", "sdk"]
    # 0x1800 of text, 0x89 or so of ro, 0x40 of data and 0x123 of bss: two pages, one, one.
    assert [each.offset for each in program.modules] == [0, 0x4000, 0x8000, 0xC000, 0x10000]
    assert (program.size, program.entry) == (0x14000, 0)
    main = program.module("main")
    assert [(each.name, each.offset, each.size, each.memory_size, each.permissions) for each in main.segments] == [
        ("text", 0x4000, 0x1800, 0x2000, "r-x"),
        ("ro", 0x6000, 0x91, 0x1000, "r--"),
        ("data", 0x7000, 0x40, 0x1000, "rw-"),
    ]
    assert (main.bss_offset, main.bss_size, main.size) == (0x7040, 0x123, 0x4000)
    assert (main.build_id, main.path(), main.mod0()) == (f"{'02' * 20:0<64}", "main.nss", None)
    zeros = loaded({"main": forging.module(1, forging.BUILD, bss=0x2345)}).module("main")
    assert (zeros.segment("data").memory_size, zeros.bss_offset, zeros.size) == (0x3000, 0x3040, 0x6000)
    with pytest.raises(EntryNotFoundError, match="there are rtld, main"):
        program.module("subsdk9")


def test_segments_are_decompressed_and_read_only() -> None:
    program = loaded({"main": forging.module(1, forging.BUILD)})
    text = program.module("main").segment("text")
    assert Nso(_storage(forging.module(1, forging.BUILD))).segments[0].compressed
    assert text.data == forging.code(1)
    array = text.array()
    assert (array.shape, array.dtype.name, array.flags.writeable) == ((0x1800,), "uint8", False)
    assert np.shares_memory(array, text.array())


def test_plain_segments_are_views_of_the_file(tmp_path: Path) -> None:
    """No byte is copied of what is stored as it is."""
    plain = build_nso(b"T" * 0x2000, b"R" * 0x10, b"D" * 0x10, compress=False)
    (tmp_path / "exefs.nsp").write_bytes(build_pfs0(MemoryFs({"main": plain[:].tobytes()}))[:])
    archive = NspArchive(tmp_path / "exefs.nsp")
    whole = np.frombuffer(archive.raw[:], dtype=np.uint8)
    for segment in load_program(archive).module("main").segments:
        assert np.shares_memory(segment.array(), whole)


def test_an_image_is_what_lies_in_memory() -> None:
    program = loaded({"main": forging.module(1, forging.BUILD, bss=0x2345), "sdk": forging.module(7, b"\x07" * 20)})
    memory = bytearray(b"\xcc" * program.size)
    assert program.image().readinto_at(0, memory) == program.size == 0xA000
    expected = bytearray(program.size)
    for module in program.modules:
        for segment in module.segments:
            expected[segment.offset : segment.offset + segment.size] = segment.data
        assert module.image()[:] == expected[module.offset : module.offset + module.size]
    assert memory == expected
    assert program.image()[0x6000:0x6008] == program.module("sdk").segment("text").data[:8]
    assert program.problems() == ("there is no main.npdm",)


def test_threads_share_a_program(tmp_path: Path) -> None:
    """Segments and a RomFS that mods compose over an update: whoever reads first, all read the same."""
    with open_title(forging.pile(tmp_path), keys=KEYS) as title:
        expected = {path: title.read_bytes(f"romfs/{path}") for path in ("a.bin", "data/b.txt", "same.bin")}
    with open_title(tmp_path, keys=KEYS) as title, ThreadPoolExecutor(8) as pool:
        program = title.load_program()
        assert program.romfs is not None
        romfs = RomFs(program.romfs)

        def read(number: int) -> tuple[bytes, dict[str, bytes]]:
            found = {path: romfs.read_bytes(path) for path in (list(expected) if number % 2 else list(expected)[::-1])}
            return bytes(program.module("main").segment("text").data), dict(sorted(found.items()))

        results = list(pool.map(read, range(40)))
    assert results == [results[0]] * 40
    assert results[0][1] == expected


def test_what_the_npdm_says() -> None:
    program = loaded({"main": forging.module(1, forging.BUILD), "main.npdm": npdm(forging.ID, "moon", flags=0x07, stack_size=0x42000)})
    assert (program.program_id, program.name, program.is_64_bit, program.address_space_bits) == (forging.ID, "moon", True, 39)
    assert program.main_thread == (44, 0, 0x42000)
    assert program.syscalls == frozenset(range(1, 48))
    assert program.problems() == ()
    assert program.npdm is not None
    assert program.npdm.address_space is AddressSpace.BITS_39
    narrow = loaded({"main": forging.module(1, forging.BUILD), "main.npdm": npdm(1, flags=0x00)})
    assert (narrow.is_64_bit, narrow.address_space_bits) == (False, 32)
    bare = load_program(MemoryFs({"main": forging.module(1, forging.BUILD)}), program_id=7)
    assert bare.syscalls is None
    assert (bare.program_id, bare.main_thread, bare.name, bare.address_space_bits) == (7, None, "", 39)


def test_a_title_s_program_is_updated_and_patched(tmp_path: Path) -> None:
    with open_title(forging.pile(tmp_path), keys=KEYS) as title:
        program = title.load_program()
        assert [each.name for each in program.modules] == ["rtld", "main", "subsdk0", "sdk"]
        expected = bytearray(forging.code(22))
        expected[0x10:0x14] = b"\xde\xad\xbe\xef"
        assert program.module("main").segment("text").data == bytes(expected)
        assert program.module("main").segment("ro").data == Nso(_storage(forging.EXEFS_2["main"])).segment("ro")[:]
        assert program.module("subsdk0").path() == "mod.nss"
        assert program.romfs is not None
        assert program.romfs[:] == title.romfs_image()[:]
        assert (program.program_id, program.name) == (forging.ID, "moon")


def _storage(data: bytes) -> Storage:
    return MemoryFs({"x": data}).storage("x")


def edited(offset: int, *words: int) -> bytes:
    """A module with words of its header replaced."""
    image = bytearray(nso(ro=b"R" * 0x10))
    for number, word in enumerate(words):
        image[offset + 4 * number : offset + 4 * number + 4] = word.to_bytes(4, "little")
    return bytes(image)


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        (edited(0x24, 0), "ro at 0x0 in memory overlaps what ends at 0x8"),
        (edited(0x34, 0x1000), "data at 0x1000 in memory overlaps what ends at 0x1010"),
        (edited(0x14, 0x1000), "text lies at 0x1000 in memory, not at 0x0"),
        (edited(0x24, 0x1234), "not at the start of a page"),
        (edited(0x38, 0x7FFFFFF0), "data ends at"),
        (edited(0x3C, 0x7FFFFFF0), "in memory, 0x20000000 are the most"),
        (edited(0x3C, 0xFFFFFFFF), "modules up to sdk take 0x100007000 bytes in memory, 0x20000000 are the most"),
        (b"NSO0", "the last"),
        (b"", "magic is"),
        (b"MZ" * 0x100, "magic is b'MZMZ'"),
    ],
)
def test_a_module_that_cannot_be_loaded_is_named(image: bytes, problem: str) -> None:
    with pytest.raises(FormatError, match=problem) as caught:
        loaded({"main": forging.module(1, forging.BUILD), "sdk": image})
    if image[:4] != b"NSO0" or len(image) > 4:
        assert "module sdk" in str(caught.value)


def test_what_a_console_would_refuse() -> None:
    odd = npdm(forging.ID, stack_size=0x123)
    program = loaded({"rtld": forging.module(1, forging.BUILD), "main.npdm": odd})
    assert program.problems() == ("there is no main", "main.npdm: main_thread_stack_size is 0x123: a multiple of 0x1000 is needed")


def test_nothing_to_run() -> None:
    with pytest.raises(EntryNotFoundError, match="no module to run"):
        loaded({"main.npdm": npdm(1), "readme": b""})
    with pytest.raises(FormatError, match="META"):
        loaded({"main": forging.module(1, forging.BUILD), "main.npdm": b"not one" * 0x20})


def test_damaged_segments_raise_where_they_are_read() -> None:
    image = bytearray(forging.module(1, forging.BUILD))
    image[0x60] -= 8  # The compressed size of text.
    program = loaded({"main": bytes(image)})
    with pytest.raises(OboromiFsError, match="NSO text segment"):
        _ = program.module("main").segment("text").data
    assert len(program.module("main").segment("data").data) == 0x40
