"""Patches of executables: IPS, IPS32 and pchtxt, as values and applied to a storage.

The names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs._lazy import loading

if TYPE_CHECKING:
    from oboromi_fs.patches.applying import Application, PatchedStorage, apply_patch, clip
    from oboromi_fs.patches.buildids import Dialect, build_id_of, build_problem, name_problem, same_build, shown, stem
    from oboromi_fs.patches.ips import encode_ips, fits_ips, is_ips, parse_ips
    from oboromi_fs.patches.making import make_records
    from oboromi_fs.patches.modules import Module, compressed_again, module_of, patched_module
    from oboromi_fs.patches.pchtxt import PchtxtDialect, encode_pchtxt, parse_pchtxt, tell_differences
    from oboromi_fs.patches.values import MAX_RECORD, MAX_RECORDS, MAX_REMARKS, MAX_TOTAL, Patch, PatchFormat, Record, Remark, Remarks

__all__ = [
    "MAX_RECORD",
    "MAX_RECORDS",
    "MAX_REMARKS",
    "MAX_TOTAL",
    "Application",
    "Dialect",
    "Module",
    "Patch",
    "PatchFormat",
    "PatchedStorage",
    "PchtxtDialect",
    "Record",
    "Remark",
    "Remarks",
    "apply_patch",
    "build_id_of",
    "build_problem",
    "clip",
    "compressed_again",
    "encode_ips",
    "encode_pchtxt",
    "fits_ips",
    "is_ips",
    "make_records",
    "module_of",
    "name_problem",
    "parse_ips",
    "parse_pchtxt",
    "patched_module",
    "same_build",
    "shown",
    "stem",
    "tell_differences",
]

_HOMES = {
    **dict.fromkeys(("Application", "PatchedStorage", "apply_patch", "clip"), "applying"),
    **dict.fromkeys(("Dialect", "build_id_of", "build_problem", "name_problem", "same_build", "shown", "stem"), "buildids"),
    **dict.fromkeys(("encode_ips", "fits_ips", "is_ips", "parse_ips"), "ips"),
    "make_records": "making",
    **dict.fromkeys(("Module", "compressed_again", "module_of", "patched_module"), "modules"),
    **dict.fromkeys(("PchtxtDialect", "encode_pchtxt", "parse_pchtxt", "tell_differences"), "pchtxt"),
    **dict.fromkeys(
        ("MAX_RECORD", "MAX_RECORDS", "MAX_REMARKS", "MAX_TOTAL", "Patch", "PatchFormat", "Record", "Remark", "Remarks"), "values"
    ),
}

__getattr__, __dir__ = loading(__name__, _HOMES)
