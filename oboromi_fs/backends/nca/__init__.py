"""NCA, the content archive: an encrypted header and up to four sections. Source: Switchbrew wiki, "NCA".

As a file system an NCA has one file a section, named by its use (``exefs romfs logo data``): the image of a PFS0 or RomFS, decrypted as it
is read. :func:`oboromi_fs.open_fs` goes on into them.
"""

from __future__ import annotations

from oboromi_fs.backends.nca.archive import Nca
from oboromi_fs.backends.nca.header import HEADER_SIZE, is_nca, read_header
from oboromi_fs.backends.nca.metahash import has_metadata_hashes, metadata_tree
from oboromi_fs.backends.nca.rebuilt import rebuilt_nca
from oboromi_fs.backends.nca.runs import CryptRun, crypt_runs
from oboromi_fs.backends.nca.section import NcaSection

__all__ = [
    "HEADER_SIZE",
    "CryptRun",
    "Nca",
    "NcaSection",
    "crypt_runs",
    "has_metadata_hashes",
    "is_nca",
    "metadata_tree",
    "read_header",
    "rebuilt_nca",
]
