"""Metadata of titles as values, and as TOML and JSON: CNMT, NACP, NPDM, tickets and certificates, both ways and without loss.

Each class reads a file (``read``), writes it (``to_bytes``) and becomes plain values (``to_dict``) and back (``from_dict``). Bytes that no
field speaks for are kept, so that every file that can be read comes back as it was; and what is left out of a table has a default, so that
a few keys make a file.

The names load on first use: who needs one class pays for no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs._lazy import loading

if TYPE_CHECKING:
    from oboromi_fs.metadata.certificates import Certificate, CertificateChain
    from oboromi_fs.metadata.cnmt import Cnmt
    from oboromi_fs.metadata.icon import check_icon, icons, jpeg_size
    from oboromi_fs.metadata.nacp import Nacp
    from oboromi_fs.metadata.npdm import Npdm
    from oboromi_fs.metadata.text import Metadata, dumps_json, dumps_toml, from_dict, loads_json, loads_toml
    from oboromi_fs.metadata.ticket import TicketFile
    from oboromi_fs.metadata.titles import ApplicationTitle

__all__ = [
    "ApplicationTitle",
    "Certificate",
    "CertificateChain",
    "Cnmt",
    "Metadata",
    "Nacp",
    "Npdm",
    "TicketFile",
    "check_icon",
    "dumps_json",
    "dumps_toml",
    "from_dict",
    "icons",
    "jpeg_size",
    "loads_json",
    "loads_toml",
]

_HOMES = {
    "ApplicationTitle": "titles",
    "Certificate": "certificates",
    "CertificateChain": "certificates",
    "Cnmt": "cnmt",
    "Metadata": "text",
    "Nacp": "nacp",
    "Npdm": "npdm",
    "TicketFile": "ticket",
    "check_icon": "icon",
    "icons": "icon",
    "dumps_json": "text",
    "dumps_toml": "text",
    "from_dict": "text",
    "jpeg_size": "icon",
    "loads_json": "text",
    "loads_toml": "text",
}

__getattr__, __dir__ = loading(__name__, _HOMES)
