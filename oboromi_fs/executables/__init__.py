"""Executables as typed values over a storage: NSO, NRO, KIP, the INI1 bundle of KIPs, and the MOD0 header in a loaded image.

The names load on first use: a caller who only lists a directory pays for none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs._lazy import loading

if TYPE_CHECKING:
    from oboromi_fs.executables.ini import Ini
    from oboromi_fs.executables.kip import Kip
    from oboromi_fs.executables.mod0 import Mod0
    from oboromi_fs.executables.nro import Asset, Nro
    from oboromi_fs.executables.nso import Nso
    from oboromi_fs.executables.segment import Segment, SegmentName

__all__ = ["Asset", "Ini", "Kip", "Mod0", "Nro", "Nso", "Segment", "SegmentName"]

_HOMES = {
    "Asset": "nro",
    "Ini": "ini",
    "Kip": "kip",
    "Mod0": "mod0",
    "Nro": "nro",
    "Nso": "nso",
    "Segment": "segment",
    "SegmentName": "segment",
}

__getattr__, __dir__ = loading(__name__, _HOMES)
