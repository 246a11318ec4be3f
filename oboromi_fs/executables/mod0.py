"""MOD0, the header that a module has in memory: where its dynamic section, its zeros and its unwind tables are.

Source: Switchbrew wiki, "NSO" (MOD0).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oboromi_formats.nso import MOD0, MOD0_MAGIC
from oboromi_fs._decode import corrupt, decode, error
from oboromi_fs.errors import NotThisFormatError

if TYPE_CHECKING:
    from oboromi_fs.protocols import Storage

__all__ = ["Mod0"]

_WHAT = "MOD0 header"
_LIBNX_MAGIC = b"LNY"


@dataclass(frozen=True, slots=True)
class Mod0:
    """A MOD0 header. All offsets count from the start of the loaded image, in bytes, and may lie outside it: the header may lie.

    ``offset`` is that of the header itself; ``libnx`` says whether the fields of libnx follow it.
    """

    offset: int
    dynamic: int
    bss_start: int
    bss_end: int
    eh_frame_hdr_start: int
    eh_frame_hdr_end: int
    module_object: int
    libnx: bool = False

    @classmethod
    def read(cls, image: Storage) -> Mod0:
        """Read the header of a loaded image (an NSO's or NRO's, without file header and zeros behind the data).

        Raises:
            NotThisFormatError: There is no MOD0 where the image says.
            CorruptError: It would lie outside the image.
        """
        if image.size < 8:
            raise corrupt(f"an image of {image.size:#x} bytes has no word at 4", what=_WHAT, storage=image, offset=0)
        offset = int.from_bytes(image[4:8], "little")
        if offset + MOD0.size > image.size:
            problem = f"lies at {offset:#x}, outside the image of {image.size:#x} bytes"
            raise corrupt(problem, what=_WHAT, storage=image, offset=4, field="mod0_offset")
        header = decode(MOD0, image, offset)
        if header.magic != MOD0_MAGIC:
            raise error(NotThisFormatError, f"magic is {header.magic!r}, not {MOD0_MAGIC!r}", what=_WHAT, storage=image, offset=offset)
        return cls(
            offset,
            offset + header.dynamic,
            offset + header.bss_start,
            offset + header.bss_end,
            offset + header.eh_frame_hdr_start,
            offset + header.eh_frame_hdr_end,
            offset + header.module_object,
            libnx=image[offset + MOD0.size : offset + MOD0.size + 3] == _LIBNX_MAGIC,
        )
