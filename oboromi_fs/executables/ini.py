"""INI1, a bundle of KIPs. Source: Switchbrew wiki, "NSO", "NRO" and "KIP"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_formats.ini import INI_HEADER, INI_MAGIC, INI_MAX_KIPS, IniHeader
from oboromi_fs._decode import corrupt, decode, error
from oboromi_fs.errors import NotThisFormatError
from oboromi_fs.executables.kip import Kip

if TYPE_CHECKING:
    from oboromi_fs.protocols import Storage

__all__ = ["Ini"]

_WHAT = "INI header"


class Ini:
    """A bundle of kernel programs. Opening reads its header and theirs.

    Args:
        storage: The bundle; what follows its own size is ignored.

    Attributes:
        raw: The bundle.
        header: Its header.
        kips: The programs, in order, each over its own part of the bundle.

    Raises:
        NotThisFormatError: The magic is absent.
        CorruptError: The header names more than there is, or a program is none or runs over the end.
    """

    def __init__(self, storage: Storage) -> None:
        magic = storage[:4].tobytes()
        if magic != INI_MAGIC:
            raise error(NotThisFormatError, f"magic is {magic!r}, not {INI_MAGIC!r}", what=_WHAT, storage=storage, offset=0)
        self.raw = storage
        self.header: IniHeader = decode(INI_HEADER, storage)
        size, count = self.header.size, self.header.kip_count
        if not INI_HEADER.size <= size <= storage.size:
            problem = f"a bundle of {size:#x} bytes, {storage.size:#x} are there"
            raise corrupt(problem, what=_WHAT, storage=storage, offset=4, field="size")
        if count > INI_MAX_KIPS:
            raise corrupt(f"{count} programs, {INI_MAX_KIPS} are the most", what=_WHAT, storage=storage, offset=8, field="kip_count")
        kips: list[Kip] = []
        at = INI_HEADER.size
        for index in range(count):
            try:
                kip = Kip(storage.window(at, size))
            except NotThisFormatError as wrong:
                problem = f"program {index} of {count} is no KIP: {wrong.problem}"
                raise corrupt(problem, what="INI", storage=storage, offset=at) from wrong
            if at + kip.size > size:
                problem = f"program {index} of {count} ends at {at + kip.size:#x}, the bundle at {size:#x}"
                raise corrupt(problem, what="INI", storage=storage, offset=at)
            kips.append(Kip(storage.window(at, at + kip.size)))
            at += kip.size
        self.kips: tuple[Kip, ...] = tuple(kips)

    def __repr__(self) -> str:
        return f"<Ini of {len(self.kips)} programs, {self.header.size:#x} bytes>"
