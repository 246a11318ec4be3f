"""Small made-up archives, and huge ones where a benchmark needs them: what tests, benchmarks and the demo read.

Nothing here comes from a real title and no key is real. The forge knows the formats by itself, through :mod:`struct`, so that it can judge
the code that reads them. What it writes is right to the byte unless the caller asks for something else.

A file's contents are a *source*: bytes, a path object of a host file, or :class:`Generated` bytes that are made while they are written.
Functions called ``write_…`` stream to a path or a binary stream in bounded memory; their namesakes return bytes.
"""

from __future__ import annotations

from oboromi_fs._forge.keys import encrypt_title_key, made_up_bytes, made_up_keys, write_keys
from oboromi_fs._forge.metadata import ContentRecord, certificate, cnmt, cnmt_name, nacp, ticket
from oboromi_fs._forge.nca import nca, write_nca
from oboromi_fs._forge.nca_section import Encryption, FsType, HashType, Section
from oboromi_fs._forge.packages import ContentType, Written, nca_name, nsp, rights_id, write_nsp, write_xci, xci
from oboromi_fs._forge.partitions import hfs0, pfs0, write_hfs0, write_pfs0
from oboromi_fs._forge.programs import npdm, nso
from oboromi_fs._forge.romfs import romfs, write_romfs
from oboromi_fs._forge.sources import Generated, fill, noise

__all__ = [
    "ContentRecord",
    "ContentType",
    "Encryption",
    "FsType",
    "Generated",
    "HashType",
    "Section",
    "Written",
    "certificate",
    "cnmt",
    "cnmt_name",
    "encrypt_title_key",
    "fill",
    "hfs0",
    "made_up_bytes",
    "made_up_keys",
    "nacp",
    "nca",
    "nca_name",
    "noise",
    "npdm",
    "nso",
    "nsp",
    "pfs0",
    "rights_id",
    "romfs",
    "ticket",
    "write_hfs0",
    "write_keys",
    "write_nca",
    "write_nsp",
    "write_pfs0",
    "write_romfs",
    "write_xci",
    "xci",
]
