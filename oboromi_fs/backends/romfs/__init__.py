"""RomFS images: the tables, and the file system they make."""

from __future__ import annotations

from oboromi_fs.backends.romfs.archive import MAX_PATH, RomFs

__all__ = ["MAX_PATH", "RomFs"]
