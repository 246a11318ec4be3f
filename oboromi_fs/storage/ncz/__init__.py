"""Compressed NCAs: what stands in an NCZ, and the NCA it is read as."""

from __future__ import annotations

from oboromi_fs.storage.ncz.clear import clear_section
from oboromi_fs.storage.ncz.header import NczHeader, is_ncz, read_ncz_header
from oboromi_fs.storage.ncz.image import NczStorage

__all__ = ["NczHeader", "NczStorage", "clear_section", "is_ncz", "read_ncz_header"]
