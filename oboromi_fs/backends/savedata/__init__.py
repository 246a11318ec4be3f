"""Save data images (DISF), read-only and experimental. Source: Switchbrew wiki, "Savegames"."""

from __future__ import annotations

from oboromi_fs.backends.savedata.archive import SaveDataFs
from oboromi_fs.backends.savedata.header import SaveHeader, copy_is_sound, is_save_data

__all__ = ["SaveDataFs", "SaveHeader", "copy_is_sound", "is_save_data"]
