"""What files from SD cards, and save data, say of themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_formats.savedata import SaveType
from oboromi_fs.backends.nax0 import is_nax0
from oboromi_fs.jobs.describe_nca import key_facts

if TYPE_CHECKING:
    from oboromi_fs.backends.savedata import SaveDataFs
    from oboromi_fs.jobs.describe_nca import Description
    from oboromi_fs.opening import Opener
    from oboromi_fs.protocols import Storage

__all__ = ["add_sd_facts", "save_facts"]


def add_sd_facts(node: Description, storage: Storage, name: str, opener: Opener) -> None:
    """Add where a file lies on the SD card that it is from, what it is there, and its key; nothing of any other file.

    Args:
        node: The description of what is in it.
        storage: Its bytes.
        name: Its name.
        opener: What opened it.

    Raises:
        FormatError, MissingKeyError: It does not open.
    """
    if not is_nax0(storage):
        return
    archive = opener.sd_file(storage, name)
    node["sd_card"] = {"path": archive.path, "content": archive.content}
    node["keys"] = [key_facts(f"sd_card_{archive.content}_key", "files of an SD card", opener.keys), *node.get("keys", ())]


def save_facts(fs: SaveDataFs) -> Description:
    """Return whose save data an image is."""
    extra, layout = fs.header.extra, fs.header.layout
    kinds = tuple(SaveType)
    return {
        "kind": "save data",
        "experimental": True,
        "program_id": f"{extra.program_id:016x}",
        "save_type": SaveType(extra.save_type).name.lower() if extra.save_type in kinds else str(extra.save_type),
        "user_id": extra.user_id[::-1].hex() if any(extra.user_id) else None,
        "timestamp": extra.timestamp or None,
        "data_size": extra.data_size,
        "journal_size": extra.journal_size,
        "layout_version": f"{layout.version >> 16}.{layout.version & 0xFFFF}",
        "header_copy": "B" if fs.header.offset else "A",
    }
