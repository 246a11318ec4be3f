"""NRO, a relocatable module: homebrew with its assets, or a dynamic library. Source: Switchbrew wiki, "NSO", "NRO" and "KIP"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from oboromi_formats.nro import ASSET_HEADER, ASSET_MAGIC, NRO_HEADER, NRO_MAGIC, NRO_MAGIC_OFFSET, NroHeader
from oboromi_fs._decode import corrupt, decode, error
from oboromi_fs.errors import NotThisFormatError
from oboromi_fs.executables.segment import NAMES, PAGE, Segment, aligned, layout_problems, memory_image, raw_segment

if TYPE_CHECKING:
    from oboromi_fs.executables.mod0 import Mod0
    from oboromi_fs.executables.segment import SegmentName
    from oboromi_fs.protocols import Storage

__all__ = ["ASSET_NAMES", "Asset", "AssetName", "Nro"]

AssetName: TypeAlias = Literal["icon", "nacp", "romfs"]

ASSET_NAMES: tuple[AssetName, ...] = ("icon", "nacp", "romfs")
_WHAT = "NRO header"
_ASSETS = "NRO asset header"
_FARTHEST = 1 << 63
"""No file is longer; an asset that would end behind this has a damaged offset or size."""


@dataclass(frozen=True, slots=True)
class Asset:
    """Where an asset lies, in bytes from the start of the file."""

    name: AssetName
    offset: int
    size: int


class Nro:
    """An NRO. Opening reads the headers.

    A module with contradictions opens: :attr:`problems` tells them, and whatever meets one raises.

    Args:
        storage: The file. What follows the segments is ignored, unless it is an asset section.

    Attributes:
        raw: The file.
        header: Its header.
        segments: Text (the header is its first 0x80 bytes), ro and data.
        assets: The assets there are, by name; empty for a library, or where the file ends before them.
        problems: What the official loader would refuse, and what is wrong with the assets.

    Raises:
        NotThisFormatError: The magic is absent.
        CorruptError: The header is not there in full.
    """

    def __init__(self, storage: Storage) -> None:
        magic = storage[NRO_MAGIC_OFFSET : NRO_MAGIC_OFFSET + 4].tobytes()
        if magic != NRO_MAGIC:
            problem = f"magic is {magic!r}, not {NRO_MAGIC!r}"
            raise error(NotThisFormatError, problem, what=_WHAT, storage=storage, offset=NRO_MAGIC_OFFSET)
        self.raw = storage
        self.header: NroHeader = decode(NRO_HEADER, storage)
        header = self.header
        parts = zip(NAMES, (header.text, header.ro, header.data), strict=True)
        self.segments: tuple[Segment, ...] = tuple(Segment(name, part.offset, part.size, part.offset, part.size) for name, part in parts)
        self.problems = layout_problems(self.segments, storage.size, contiguous=True)
        if header.size != self.segments[2].memory_end:
            self.problems.append(f"the header says {header.size:#x} bytes, the data end at {self.segments[2].memory_end:#x}")
        if header.bss_size % PAGE:
            self.problems.append(f"bss has {header.bss_size:#x} bytes, not a whole number of pages")
        if not NRO_HEADER.size <= header.size <= storage.size:
            self.problems.append(f"the header says {header.size:#x} bytes, {storage.size:#x} are there")
        self.assets: dict[AssetName, Asset] = self._read_assets()

    def _read_assets(self) -> dict[AssetName, Asset]:
        start = self.header.size
        found: dict[AssetName, Asset] = {}
        if start < NRO_HEADER.size or self.raw[start : start + 4] != ASSET_MAGIC or start + ASSET_HEADER.size > self.raw.size:
            return found
        header = decode(ASSET_HEADER, self.raw, start)
        for name, part in zip(ASSET_NAMES, (header.icon, header.nacp, header.romfs), strict=True):
            end = start + part.offset + part.size
            if not part.size:
                continue
            if end >= _FARTHEST:
                self.problems.append(f"asset {name}: {part.size:#x} bytes at {part.offset:#x} cannot be; left out")
                continue
            if end > self.raw.size:
                self.problems.append(f"asset {name} ends at {end:#x}, the file at {self.raw.size:#x}")
            found[name] = Asset(name, start + part.offset, part.size)
        return found

    def __repr__(self) -> str:
        return f"<Nro {self.build_id[:16]} of {self.header.size:#x} bytes, {len(self.assets)} assets>"

    @property
    def module_id(self) -> bytes:
        """The build id: 32 bytes, zero-padded."""
        return self.header.module_id

    @property
    def build_id(self) -> str:
        """The build id as patches and emulators write it: 64 hexadecimal digits, upper case. Trailing zeros do not count."""
        return self.header.module_id.hex().upper()

    @property
    def bss_size(self) -> int:
        """Zero bytes behind the data, in memory."""
        return self.header.bss_size

    @property
    def image_size(self) -> int:
        """Bytes the module takes in memory, in whole pages."""
        return aligned(self.segments[2].memory_end + self.bss_size)

    def check_size(self) -> None:
        """Check that the file holds what the header says.

        Raises:
            CorruptError: The size is smaller than a header, or larger than the file.
        """
        size = self.header.size
        if not NRO_HEADER.size <= size <= self.raw.size:
            problem = f"{size:#x} bytes, {self.raw.size:#x} are there: the file is cut short or damaged"
            raise corrupt(problem, what=_WHAT, storage=self.raw, offset=0x18, field="size")

    def module(self) -> Storage:
        """Return the module without assets and other trailing bytes.

        Raises:
            CorruptError: The file is shorter.
        """
        self.check_size()
        return self.raw.window(0, self.header.size)

    def segment(self, name: SegmentName) -> Storage:
        """Return one segment: a window on the file.

        Raises:
            CorruptError: It runs over the end of the file.
        """
        return raw_segment(self.raw, self.segments[NAMES.index(name)], _WHAT)

    def image(self) -> Storage:
        """Return the module as it is loaded, up to the end of the data.

        Raises:
            CorruptError: Segments overlap or run over the end of the file.
        """
        return memory_image([(segment, self.segment(segment.name)) for segment in self.segments], self.raw, _WHAT)

    def mod0(self) -> Mod0:
        """Read the module header in the image.

        Raises:
            NotThisFormatError: There is none.
            CorruptError: It would lie outside the image.
        """
        from oboromi_fs.executables.mod0 import Mod0

        return Mod0.read(self.image())

    def asset(self, name: AssetName) -> Storage | None:
        """Return one asset: a window on the file; None where there is none.

        Raises:
            CorruptError: It runs over the end of the file.
        """
        found = self.assets.get(name)
        return None if found is None else self.open_asset(found)

    def open_asset(self, asset: Asset) -> Storage:
        """Return the bytes of one of :attr:`assets`.

        Raises:
            CorruptError: It runs over the end of the file.
        """
        end = asset.offset + asset.size
        if end > self.raw.size:
            problem = f"{asset.name} ends at {end:#x}, the file at {self.raw.size:#x}: it is cut short or damaged"
            at = self.header.size + 8 + 0x10 * ASSET_NAMES.index(asset.name)
            raise corrupt(problem, what=_ASSETS, storage=self.raw, offset=at, field=asset.name)
        return self.raw.window(asset.offset, end)
