"""Reading one record of a CNMT after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oboromi_fs._decode import corrupt
from oboromi_fs.metadata.forms import fields_from_layout

if TYPE_CHECKING:
    from oboromi_formats.layout import Layout
    from oboromi_fs.errors import CorruptError
    from oboromi_fs.protocols import Storage

__all__ = ["WHAT", "Cursor"]

WHAT = "CNMT extended data"


class Cursor:
    """Takes one record after the other, none of them outside the data.

    Args:
        data: The extended data.
        storage: Where they come from, for error messages.
        offset: Where in it.
    """

    def __init__(self, data: bytes, storage: Storage, offset: int) -> None:
        self.data, self.storage, self.offset, self.at = data, storage, offset, 0

    def fields(self, cls: type[Any], layout: Layout[Any], replaced: tuple[str, ...] = ()) -> tuple[dict[str, Any], Any]:
        """The fields of the next record that a class has, and the layout's value."""
        piece = self.data[self.at : self.at + layout.size]
        found, raw, unknown = fields_from_layout(cls, layout, piece, self.storage, self.offset + self.at, replaced)
        self.at += layout.size
        return (found | {"unknown": unknown} if unknown else found), raw

    def need(self, *arrays: tuple[int, Layout[Any]]) -> None:
        """Check that so many records are there before any is read.

        Raises:
            CorruptError: They are not.
        """
        size = sum(count * layout.size for count, layout in arrays)
        if self.at + size > len(self.data):
            counts = ", ".join(f"{count} of {layout.name}" for count, layout in arrays if count)
            problem = f"{counts} need {size:#x} bytes, {len(self.data) - self.at:#x} are left"
            raise corrupt(problem, what=WHAT, storage=self.storage, offset=self.offset + self.at)

    def rest(self) -> bytes:
        """What stands behind the last record."""
        return self.data[self.at :]

    def wrong(self, problem: str) -> CorruptError:
        """The error for counts that contradict each other."""
        return corrupt(problem, what=WHAT, storage=self.storage, offset=self.offset)
