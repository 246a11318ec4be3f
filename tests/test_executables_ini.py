from __future__ import annotations

from pathlib import Path

import pytest

from oboromi_formats.ini import INI_HEADER, IniHeader
from oboromi_fs._decode import encode
from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import CorruptError, NotThisFormatError
from oboromi_fs.executables import Ini


@pytest.fixture(scope="module")
def real() -> bytes:
    return (Path(__file__).parent.parent / "testdata" / "exe" / "test.kip").read_bytes()


def ini(*kips: bytes, magic: bytes = b"INI1", size: int | None = None, count: int | None = None) -> MemoryStorage:
    body = b"".join(kips)
    header = IniHeader(magic, 0x10 + len(body) if size is None else size, len(kips) if count is None else count)
    return MemoryStorage(encode(INI_HEADER, header) + body, "ini1.bin")


def test_programs_one_behind_the_other(real: bytes) -> None:
    other = real[:4] + b"second\0\0\0\0\0\0" + real[16:]
    bundle = Ini(MemoryStorage(ini(real, other, real)[:].tobytes() + b"trailing"))
    assert [kip.name for kip in bundle.kips] == ["fakekip", "second", "fakekip"]
    assert [kip.raw.place(0).offset for kip in bundle.kips] == [0x10, 0x122C, 0x2448]
    assert [kip.raw[:].tobytes() for kip in bundle.kips] == [real, other, real]
    assert bundle.header.size == 0x10 + 3 * 0x121C
    assert repr(bundle) == "<Ini of 3 programs, 0x3664 bytes>"


def test_none_and_the_most(real: bytes) -> None:
    assert Ini(ini()).kips == ()
    assert len(Ini(ini(*[real] * 80)).kips) == 80
    with pytest.raises(CorruptError, match=r"INI header of ini1\.bin at 0x8, field kip_count: 81 programs, 80 are the most"):
        Ini(ini(*[real] * 81))


def test_not_a_bundle(real: bytes) -> None:
    with pytest.raises(NotThisFormatError, match=r"magic is b'KIP1', not b'INI1'"):
        Ini(MemoryStorage(real))


def test_hostile_sizes(real: bytes) -> None:
    for size in (0, 0xF, 0x122D, 0xFFFFFFFF):
        with pytest.raises(CorruptError, match=f"field size: a bundle of {size:#x} bytes, 0x122c are there"):
            Ini(ini(real, size=size))
    with pytest.raises(CorruptError, match=r"INI of ini1.bin at 0x10: program 0 of 1 ends at 0x122c, the bundle at 0x122b"):
        Ini(ini(real, size=0x122B))
    with pytest.raises(CorruptError, match=r"INI of ini1.bin at 0x122c: program 1 of 2 is no KIP: magic is b'', not b'KIP1'"):
        Ini(ini(real, count=2))
    with pytest.raises(CorruptError, match=r"program 1 of 2 is no KIP: magic is b'junk'"):
        Ini(ini(real, b"junk"))
    huge = real[:0x68] + b"\xff" * 4 + real[0x6C:]
    with pytest.raises(CorruptError, match=r"program 0 of 2 ends at 0x10000122b, the bundle at 0x2448"):
        Ini(ini(huge, real))


def test_a_program_does_not_go_on_behind_the_bundle(real: bytes) -> None:
    with pytest.raises(CorruptError, match=r"KIP header of ini1\.bin at 0x122c: needs 0x100 bytes, the last 0x80 are missing"):
        Ini(ini(real, real, size=0x122C + 0x80))


def test_truncated_anywhere(real: bytes) -> None:
    whole = ini(real, real)[:].tobytes()
    for length in range(0, len(whole), 61):
        with pytest.raises((CorruptError, NotThisFormatError)):
            Ini(MemoryStorage(whole[:length]))
