"""Build an NRO from its segments, and give one its assets. Source: Switchbrew wiki, "NSO", "NRO" and "KIP"."""

from __future__ import annotations

from types import EllipsisType
from typing import TYPE_CHECKING, TypeAlias

from oboromi_formats.nro import (
    ASSET_HEADER,
    NRO_HEADER,
    NRO_MAGIC,
    NRO_MAGIC_OFFSET,
    AssetHeader,
    AssetRange,
    NroFlags,
    NroHeader,
    NroRange,
)
from oboromi_fs._decode import encode, error
from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import FormatError
from oboromi_fs.executables.assembling import SourceType, as_storage, module_id_field, refuse
from oboromi_fs.executables.nro import ASSET_NAMES, Nro
from oboromi_fs.executables.segment import Zeros, aligned
from oboromi_fs.metadata.icon import ICON_SIZE, jpeg_size
from oboromi_fs.storage.concat import ConcatStorage

if TYPE_CHECKING:
    from oboromi_fs.executables.nro import AssetName
    from oboromi_fs.protocols import Storage

__all__ = ["build_nro", "with_assets"]

AssetType: TypeAlias = "SourceType | EllipsisType | None"

NACP_SIZE = 0x4000

_WHAT = "NRO"
_FILE_NAMES: dict[AssetName, str] = {"icon": "icon.jpg", "nacp": "control.nacp", "romfs": "romfs"}
_ROMFS_START = b"\x50\0\0\0\0\0\0\0"
_NONE = NroRange()


def build_nro(  # noqa: PLR0913 - The fields of the format, all but the segments by keyword.
    text: SourceType,
    ro: SourceType,
    data: SourceType,
    *,
    bss_size: int = 0,
    module_id: bytes = b"",
    aligned_header: bool = False,
    dso_handle_offset: int = 0,
    api_info: NroRange = _NONE,
    dynstr: NroRange = _NONE,
    dynsym: NroRange = _NONE,
    icon: SourceType | None = None,
    nacp: SourceType | None = None,
    romfs: SourceType | None = None,
    check: bool = True,
) -> Storage:
    """Return an NRO. Its bytes are those of the sources, read when they are asked for.

    Segments follow each other in whole pages of 0x1000 bytes, filled up with zeros.

    Args:
        text: Code. Its first 0x80 bytes make room for the header: 0x10 of them are kept (the first instruction, the offset of MOD0, and
            what libnx puts there), the others must be zeros, or the header of an NRO.
        ro: Read-only data.
        data: Data.
        bss_size: Zeros behind the data in memory, rounded up to whole pages.
        module_id: Build id, at most 32 bytes.
        aligned_header: Flag bit 0.
        dso_handle_offset: See the format.
        api_info: See the format; the same goes for ``dynstr`` and ``dynsym``.
        dynstr: Dynamic string table.
        dynsym: Dynamic symbol table.
        icon: JPEG of 256 x 256 pixels.
        nacp: 0x4000 bytes.
        romfs: Image of a RomFS.
        check: Refuse assets that are not as said.

    Raises:
        FormatError: The header would hide bytes of text, sizes do not fit, or an asset is not as it must be.

    Example:
        >>> nro = build_nro(bytes(0x80), b"", b"", module_id=b"demo")
        >>> nro.size, nro[0x10:0x14].tobytes(), nro[0x40:0x46].tobytes()
        (4096, b'NRO0', b'demo\\x00\\x00')
    """
    parts = [as_storage(part, name) for part, name in ((text, "text"), (ro, "ro"), (data, "data"))]
    start = parts[0][: NRO_HEADER.size].tobytes().ljust(NRO_HEADER.size, b"\0")
    if any(start[NRO_MAGIC_OFFSET:]) and start[NRO_MAGIC_OFFSET : NRO_MAGIC_OFFSET + 4] != NRO_MAGIC:
        problem = "bytes 0x10 to 0x80 are in use, and the header takes their place: link the code with room for it"
        raise error(FormatError, problem, what=f"{_WHAT} text", storage=parts[0], offset=NRO_MAGIC_OFFSET)
    sizes = [aligned(max(parts[0].size, NRO_HEADER.size)), aligned(parts[1].size), aligned(parts[2].size)]
    header = NroHeader(
        entry=int.from_bytes(start[:4], "little"),
        mod0_offset=int.from_bytes(start[4:8], "little"),
        marker=start[8:0x10],
        size=sum(sizes),
        flags=NroFlags.ALIGNED_HEADER if aligned_header else 0,
        text=NroRange(0, sizes[0]),
        ro=NroRange(sizes[0], sizes[1]),
        data=NroRange(sizes[0] + sizes[1], sizes[2]),
        bss_size=aligned(bss_size),
        module_id=module_id_field(module_id, _WHAT),
        dso_handle_offset=dso_handle_offset,
        api_info=api_info,
        dynstr=dynstr,
        dynsym=dynsym,
    )
    pieces: list[Storage] = [MemoryStorage(encode(NRO_HEADER, header), "NRO header")]
    for index, (part, size) in enumerate(zip(parts, sizes, strict=True)):
        inner = part if index else part.window(min(NRO_HEADER.size, part.size), part.size)
        pieces += [inner, Zeros(size - (part.size if index else max(part.size, NRO_HEADER.size)))]
    module = _joined(pieces)
    refuse(Nro(module).problems, _WHAT, parts)
    return with_assets(module, icon=icon, nacp=nacp, romfs=romfs, check=check)


def with_assets(nro: SourceType, *, icon: AssetType = ..., nacp: AssetType = ..., romfs: AssetType = ..., check: bool = True) -> Storage:
    """Return an NRO with other assets. ``...`` keeps the one it has, None leaves it out.

    Nothing else behind the segments is kept. Without any asset there is no asset section.

    Args:
        nro: The program; not changed.
        icon: JPEG of 256 x 256 pixels.
        nacp: 0x4000 bytes.
        romfs: Image of a RomFS.
        check: Refuse new assets that are not as said.

    Raises:
        NotThisFormatError: ``nro`` is none.
        CorruptError: It is damaged, or an asset that is to be kept is.
        FormatError: An asset is not as it must be.
    """
    program = Nro(as_storage(nro, "nro"))
    module = program.module()
    given: dict[AssetName, AssetType] = {"icon": icon, "nacp": nacp, "romfs": romfs}
    assets: list[Storage] = []
    ranges: list[AssetRange] = []
    end = ASSET_HEADER.size
    for name in ASSET_NAMES:
        source = given[name]
        if isinstance(source, EllipsisType):
            asset = program.asset(name)
        elif source is None:
            asset = None
        else:
            asset = as_storage(source, _FILE_NAMES[name])
            if check:
                _check(name, asset)
        if asset is None or not asset.size:
            ranges.append(AssetRange())
            continue
        ranges.append(AssetRange(end, asset.size))
        assets.append(asset)
        end += asset.size
    if not assets:
        return module
    header = AssetHeader(icon=ranges[0], nacp=ranges[1], romfs=ranges[2])
    return _joined([module, MemoryStorage(encode(ASSET_HEADER, header), "NRO asset header"), *assets])


def _joined(pieces: list[Storage]) -> Storage:
    return ConcatStorage([piece for piece in pieces if piece.size])


def _check(name: AssetName, asset: Storage) -> None:
    """Refuse an asset that the programs that show homebrew would not take."""
    problem = ""
    if name == "nacp" and asset.size != NACP_SIZE:
        problem = f"has {asset.size:#x} bytes, a NACP has {NACP_SIZE:#x}"
    elif name == "romfs" and asset[:8] != _ROMFS_START:
        problem = "is no RomFS image: build one from the folder first"
    elif name == "icon":
        size = _jpeg_size(asset)
        if size is None:
            problem = "is no JPEG"
        elif size != (ICON_SIZE, ICON_SIZE):
            problem = f"has {size[0]} x {size[1]} pixels, an icon has {ICON_SIZE} x {ICON_SIZE}"
    if problem:
        raise error(FormatError, problem, what=f"{_WHAT} asset {_FILE_NAMES[name]}", storage=asset, offset=0)


def _jpeg_size(asset: Storage) -> tuple[int, int] | None:
    """Width and height of a JPEG, in pixels; None where the bytes are none."""
    try:
        return jpeg_size(asset)
    except FormatError:
        return None
