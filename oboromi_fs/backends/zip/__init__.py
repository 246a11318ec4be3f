"""ZIP and PK3: the archive as a file system, and its directory."""

from __future__ import annotations

from oboromi_fs.backends.zip.archive import ZipFs, method_name
from oboromi_fs.backends.zip.directory import ZipEntry, ends_like_zip, looks_like_zip

__all__ = ["ZipEntry", "ZipFs", "ends_like_zip", "looks_like_zip", "method_name"]
