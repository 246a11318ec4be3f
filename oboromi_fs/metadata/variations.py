"""Variations of a system update: what its CNMT says besides the titles it names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oboromi_formats import cnmt_extended as layouts
from oboromi_formats.cnmt import META_RECORD
from oboromi_fs.errors import FormatError
from oboromi_fs.metadata.cursor import WHAT
from oboromi_fs.metadata.forms import layout_bytes, part
from oboromi_fs.metadata.kinds import Hex, Number, Switch
from oboromi_fs.metadata.records import MetaReference, Records
from oboromi_fs.metadata.residue import Residue, ResidueKind

if TYPE_CHECKING:
    from oboromi_fs.metadata.cursor import Cursor

__all__ = ["SystemUpdateData", "Variation"]

_LEGACY, _CURRENT = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """A variation of a system update.

    Attributes:
        refer_to_base: Whether it is made of the metas of the update itself; None in the first form, which does not say.
        meta_count: How many metas it has; if it does not refer to the base, so many of :attr:`SystemUpdateData.metas` are its own.
    """

    id: int = part(Number(32, digits=8))
    refer_to_base: bool | int | None = part(Switch(), None, hide=True)
    meta_count: int = part(Number(32), 0)
    unknown: Residue = part(ResidueKind(0x20), (), hide=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemUpdateData:
    """What a system update says of its variations.

    Attributes:
        version: 1 or 2, the form.
        metas: Of all variations that have their own, one after the other; none in the first form.
    """

    version: int = part(Number(32), _CURRENT)
    variations: tuple[Variation, ...] = part(Records(Variation), ())
    metas: tuple[MetaReference, ...] = part(Records(MetaReference), ())
    trailing: bytes = part(Hex(), b"", hide=True)

    @classmethod
    def read(cls, cursor: Cursor) -> SystemUpdateData:
        """Read the data of a system update.

        Raises:
            CorruptError: The form is unknown, or records run over the end.
        """
        found, raw = cursor.fields(cls, layouts.SYSTEM_UPDATE_DATA, ("variation_count",))
        count = raw.variation_count
        if raw.version == _LEGACY:
            cursor.need((count, layouts.FIRMWARE_VARIATION_LEGACY))
            rows = [Variation(**cursor.fields(Variation, layouts.FIRMWARE_VARIATION_LEGACY)[0]) for _ in range(count)]
            return cls(**found, variations=tuple(rows), trailing=cursor.rest())
        if raw.version != _CURRENT:
            raise cursor.wrong(f"a system update's data of version {raw.version}: 1 and 2 are known")
        cursor.need((count, layouts.FIRMWARE_VARIATION_ID), (count, layouts.FIRMWARE_VARIATION))
        ids = [cursor.fields(Variation, layouts.FIRMWARE_VARIATION_ID)[1].id for _ in range(count)]
        variations = [Variation(id=number, **cursor.fields(Variation, layouts.FIRMWARE_VARIATION)[0]) for number in ids]
        own = sum(each.meta_count for each in variations if not each.refer_to_base)
        cursor.need((own, META_RECORD))
        metas = [MetaReference(**cursor.fields(MetaReference, META_RECORD)[0]) for _ in range(own)]
        return cls(**found, variations=tuple(variations), metas=tuple(metas), trailing=cursor.rest())

    def to_bytes(self) -> bytes:
        """Return the data.

        Raises:
            FormatError: A value does not fit its field, or there are not as many metas as the variations say.
        """
        header = layout_bytes(layouts.SYSTEM_UPDATE_DATA, self, (), variation_count=len(self.variations))
        if self.version == _LEGACY:
            rows = [layout_bytes(layouts.FIRMWARE_VARIATION_LEGACY, each, each.unknown) for each in self.variations]
            return b"".join((header, *rows, self.trailing))
        own = sum(each.meta_count for each in self.variations if not each.refer_to_base)
        if own != len(self.metas):
            raise FormatError(f"{len(self.metas)} of them, the variations say {own}", what=WHAT, field="metas")
        ids = b"".join(layout_bytes(layouts.FIRMWARE_VARIATION_ID, each) for each in self.variations)
        rows = [
            layout_bytes(layouts.FIRMWARE_VARIATION, each, each.unknown, refer_to_base=int(each.refer_to_base or 0))
            for each in self.variations
        ]
        return b"".join((header, ids, *rows, *(each.to_bytes() for each in self.metas), self.trailing))
