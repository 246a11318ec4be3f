from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_formats.nro import NroRange
from oboromi_fs.base import MemoryStorage
from oboromi_fs.builders.nro import build_nro, with_assets
from oboromi_fs.errors import CorruptError, FormatError, NotThisFormatError
from oboromi_fs.executables import Nro, Nso
from oboromi_fs.executables.segment import NAMES, Zeros
from oboromi_fs.file import File
from oboromi_fs.storage.concat import ConcatStorage

if TYPE_CHECKING:
    from oboromi_fs.executables.nro import AssetName

EXE = Path(__file__).parent.parent / "testdata" / "exe"
HEADER = bytes(0x80)
ROMFS = b"\x50".ljust(0x60, b"\0")


def jpeg(width: int, height: int, before: bytes = b"\xff\xe0\0\x04JF", marker: int = 0xC0) -> bytes:
    return b"\xff\xd8" + before + bytes([0xFF, marker, 0, 17, 8]) + height.to_bytes(2, "big") + width.to_bytes(2, "big") + bytes(10)


ICON = jpeg(256, 256)


def asset(program: Nro, name: AssetName) -> bytes | None:
    storage = program.asset(name)
    return None if storage is None else storage[:].tobytes()


@pytest.fixture(scope="module")
def plain() -> bytes:
    return (EXE / "test.nro").read_bytes()


@pytest.fixture(scope="module")
def full() -> bytes:
    return (EXE / "test_assets.nro").read_bytes()


@pytest.mark.parametrize(("name", "aligned_header"), [("test.nro", False), ("test_aligned.nro", True)])
def test_another_tool_s_file_from_its_parts_byte_for_byte(name: str, aligned_header: bool) -> None:
    nso = Nso(File.open(EXE / "test.nso"))
    text, ro, data = (nso.segment(segment) for segment in NAMES)
    nro = build_nro(text, ro, data, bss_size=0x9C40, module_id=nso.module_id, aligned_header=aligned_header)
    assert nro[:] == (EXE / name).read_bytes()


def test_another_tool_s_assets_byte_for_byte(plain: bytes, full: bytes) -> None:
    romfs = File.open(EXE.parent / "romfs" / "tiny.st.romfs")
    nro = with_assets(plain, icon=(EXE / "icon.jpg").read_bytes(), nacp=File.open(EXE / "control.nacp"), romfs=romfs, check=False)
    assert nro[:] == full
    assert nro.place(0xDBFD + 7) == (romfs, 7, "plain")


def test_taken_apart_and_built_again(full: bytes) -> None:
    nro = Nro(MemoryStorage(full))
    text, ro, data = (nro.segment(name) for name in NAMES)
    assets: dict[str, Any] = {name: nro.asset(name) for name in nro.assets}
    assert build_nro(text, ro, data, bss_size=nro.bss_size, module_id=nro.module_id, check=False, **assets)[:] == full


def test_keeping_replacing_and_removing_assets(plain: bytes, full: bytes) -> None:
    assert with_assets(full)[:] == full
    assert with_assets(full, icon=None, nacp=None, romfs=None)[:] == plain
    assert with_assets(plain)[:] == plain
    other = Nro(with_assets(full, icon=ICON, romfs=None))
    assert asset(other, "icon") == ICON
    assert asset(other, "nacp") == (EXE / "control.nacp").read_bytes()
    assert other.asset("romfs") is None
    assert other.assets["nacp"].offset == 0x9038 + len(ICON)
    assert other.raw.size == 0x9038 + len(ICON) + 0x4000


def test_empty_assets_are_none(plain: bytes) -> None:
    assert with_assets(plain, icon=b"", nacp=b"", romfs=b"", check=False)[:] == plain
    assert list(Nro(with_assets(plain, icon=b"", romfs=ROMFS, check=False)).assets) == ["romfs"]


def test_trailing_bytes_make_room_for_assets(plain: bytes) -> None:
    nro = with_assets(plain + b"trailing", romfs=ROMFS)
    assert nro[0x9000:0x9004].tobytes() == b"ASET"
    assert nro.size == 0x9038 + 0x60


@given(
    text=st.binary(max_size=0x1001),
    ro=st.binary(max_size=0x30),
    data=st.binary(max_size=0x30),
    bss_size=st.integers(0, 0x3000),
    module_id=st.binary(max_size=32),
    ranges=st.lists(st.builds(NroRange, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)), min_size=3, max_size=3),
    icon=st.none() | st.binary(max_size=9),
    nacp=st.none() | st.binary(max_size=9),
    romfs=st.none() | st.binary(max_size=9),
)
def test_what_is_built_is_read(  # noqa: PLR0913, PLR0917
    text: bytes,
    ro: bytes,
    data: bytes,
    bss_size: int,
    module_id: bytes,
    ranges: list[NroRange],
    icon: bytes | None,
    nacp: bytes | None,
    romfs: bytes | None,
) -> None:
    code = text[:0x10].ljust(0x80, b"\0") + text[0x10:]
    fields: dict[str, Any] = {"icon": icon, "nacp": nacp, "romfs": romfs}
    nro = Nro(
        build_nro(
            code, ro, data, bss_size=bss_size, module_id=module_id, dso_handle_offset=7, api_info=ranges[0], dynstr=ranges[1],
            dynsym=ranges[2], check=False, **fields,
        )
    )  # fmt: skip
    assert nro.problems == []
    for name, part in zip(NAMES, (code, ro, data), strict=True):
        segment = nro.segment(name)[:].tobytes()
        assert len(segment) % 0x1000 == 0
        assert len(segment) - len(part) < 0x1000
        kept = slice(0x80, None) if name == "text" else slice(None)
        assert segment[kept] == part.ljust(len(segment), b"\0")[kept]
    assert nro.raw[:0x10] == code[:0x10]
    assert nro.bss_size == bss_size + -bss_size % 0x1000
    assert nro.module_id == module_id.ljust(32, b"\0")
    header = nro.header
    assert (header.dso_handle_offset, header.api_info, header.dynstr, header.dynsym) == (7, *ranges)
    assert {name: asset(nro, name) for name in nro.assets} == {name: part for name, part in fields.items() if part}


def test_the_header_must_not_hide_code(plain: bytes) -> None:
    with pytest.raises(FormatError, match=r"NRO text of text at 0x10: bytes 0x10 to 0x80 are in use, and the header takes their place"):
        build_nro(b"\1" * 0x80, b"", b"")
    with pytest.raises(FormatError, match="are in use"):
        build_nro(bytes(0x7F) + b"\1", b"", b"")
    assert build_nro(plain[:0x1000], b"", b"").size == 0x1000
    assert build_nro(b"\1" * 0x10, b"", b"")[:0x10] == b"\1" * 0x10


def test_without_any_code_there_is_still_a_header() -> None:
    nro = Nro(build_nro(b"", b"", b""))
    assert [segment.size for segment in nro.segments] == [0x1000, 0, 0]
    assert nro.raw.size == 0x1000
    assert nro.problems == []


def test_what_does_not_fit() -> None:
    with pytest.raises(FormatError, match="NRO, field module_id: 33 bytes, 32 are the most"):
        build_nro(HEADER, b"", b"", module_id=bytes(33))
    with pytest.raises(FormatError, match="NRO header"):
        build_nro(HEADER, b"", b"", bss_size=1 << 32)
    with pytest.raises(FormatError, match="NRO header"):
        build_nro(HEADER, b"", b"", bss_size=-0x2000)
    with pytest.raises(FormatError, match=r"NRO of text at 0x0: ro has 0x80000000 bytes, 0x7fffffff are the most"):
        build_nro(HEADER, Zeros(0x80000000), b"")
    with pytest.raises(FormatError, match="NRO header"):
        build_nro(HEADER, Zeros(0xFFFFFFFF), b"")


@pytest.mark.parametrize(
    "icon",
    [
        ICON,
        jpeg(256, 256, marker=0xC2),
        jpeg(256, 256, b"\xff\xff\xff\xe0\0\x02\xff\x01\xff\xd0\xff\xc4\0\x03\0\xff\xdb\0\x02"),
    ],
)
def test_icons(plain: bytes, icon: bytes) -> None:
    assert asset(Nro(with_assets(plain, icon=icon)), "icon") == icon


@pytest.mark.parametrize(
    ("assets", "message"),
    [
        ({"icon": b"\x89PNG"}, "NRO asset icon.jpg of icon.jpg at 0x0: is no JPEG"),
        ({"icon": b""}, "is no JPEG"),
        ({"icon": b"\xff\xd8"}, "is no JPEG"),
        ({"icon": ICON[:12]}, "is no JPEG"),
        ({"icon": b"\xff\xd8\xff\xe0\xff\xff"}, "is no JPEG"),
        ({"icon": b"\xff\xd8" + b"\xff\xe0\0\0" * 9}, "is no JPEG"),
        ({"icon": b"\xff\xd8" + b"\xff" * 99}, "is no JPEG"),
        ({"icon": jpeg(256, 255)}, "has 256 x 255 pixels, an icon has 256 x 256"),
        ({"icon": jpeg(1024, 256)}, "has 1024 x 256 pixels"),
        ({"nacp": bytes(0x3FFF)}, "NRO asset control.nacp of control.nacp at 0x0: has 0x3fff bytes, a NACP has 0x4000"),
        ({"romfs": b"PFS0" + bytes(0x60)}, "NRO asset romfs of romfs at 0x0: is no RomFS image: build one from the folder first"),
    ],
)
def test_assets_that_are_not_as_said(plain: bytes, assets: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        with_assets(plain, **assets)
    with pytest.raises(FormatError, match=message):
        build_nro(HEADER, b"", b"", **assets)
    with_assets(plain, check=False, **assets)


def test_the_message_names_the_host_file(tmp_path: Path, plain: bytes) -> None:
    (tmp_path / "my.jpg").write_bytes(b"GIF89a")
    with pytest.raises(FormatError, match=r"of .*my\.jpg at 0x0: is no JPEG"):
        with_assets(plain, icon=File.open(tmp_path / "my.jpg"))


def test_damaged_originals(full: bytes) -> None:
    with pytest.raises(NotThisFormatError):
        with_assets(b"no such thing", icon=ICON)
    with pytest.raises(CorruptError, match="field size: 0x9000 bytes, 0x8fff are there"):
        with_assets(full[:0x8FFF], icon=ICON)
    with pytest.raises(CorruptError, match="romfs ends at"):
        with_assets(full[:-1], icon=ICON)
    assert list(Nro(with_assets(full[:-1], romfs=None)).assets) == ["icon", "nacp"]


def test_a_large_romfs_is_not_read(plain: bytes) -> None:
    romfs = ConcatStorage([MemoryStorage(ROMFS), Zeros(1 << 34)])
    tracemalloc.start()
    nro = with_assets(plain, romfs=romfs)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert nro.size == 0x9038 + romfs.size
    assert nro[0x9038:0x903A].tobytes() == b"\x50\0"
    assert peak < 1 << 18
    assert Nro(nro).assets["romfs"].size == romfs.size
