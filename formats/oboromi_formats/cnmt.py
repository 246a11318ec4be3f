"""Packaged content meta (CNMT): which contents make up one version of a title.

Header, extended header of the title's type, content records, meta records, extended data, and a digest of 0x20 bytes. The records begin
``extended_header_size`` bytes behind the header, whatever the type's nominal size. Specification: Switchbrew wiki, "CNMT".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any

from construct import Bytes, Int8ul, Int16ul, Int32ul, Int64ul, Struct

from oboromi_formats.layout import Layout

__all__ = [
    "ADD_ON_CONTENT_EXTENDED",
    "ADD_ON_CONTENT_EXTENDED_LEGACY",
    "APPLICATION_EXTENDED",
    "CNMT_HEADER",
    "CONTENT_RECORD",
    "DATA_PATCH_EXTENDED",
    "DELTA_EXTENDED",
    "DIGEST_SIZE",
    "EXTENDED_HEADERS",
    "LAYOUTS",
    "META_RECORD",
    "PATCH_EXTENDED",
    "SYSTEM_UPDATE_EXTENDED",
    "AddOnContentExtended",
    "ApplicationExtended",
    "CnmtHeader",
    "ContentRecord",
    "DataPatchExtended",
    "DeltaExtended",
    "InstallType",
    "MetaAttributes",
    "MetaRecord",
    "MetaType",
    "PatchExtended",
    "RecordType",
    "SystemUpdateExtended",
]

DIGEST_SIZE = 0x20
"""Bytes of the digest that ends the file."""


class MetaType(IntEnum):
    """``CnmtHeader.type`` and ``MetaRecord.type``."""

    SYSTEM_PROGRAM = 0x01
    SYSTEM_DATA = 0x02
    SYSTEM_UPDATE = 0x03
    BOOT_IMAGE_PACKAGE = 0x04
    BOOT_IMAGE_PACKAGE_SAFE = 0x05
    APPLICATION = 0x80
    PATCH = 0x81
    ADD_ON_CONTENT = 0x82
    DELTA = 0x83
    DATA_PATCH = 0x84


class RecordType(IntEnum):
    """``ContentRecord.type``."""

    META = 0
    PROGRAM = 1
    DATA = 2
    CONTROL = 3
    HTML_DOCUMENT = 4
    LEGAL_INFORMATION = 5
    DELTA_FRAGMENT = 6


class InstallType(IntEnum):
    """``CnmtHeader.install_type``."""

    FULL = 0
    FRAGMENT_ONLY = 1
    UNKNOWN = 7


class MetaAttributes(IntFlag):
    """Bits of ``CnmtHeader.attributes``."""

    INCLUDES_EXFAT_DRIVER = 1
    REBOOTLESS = 2
    COMPACTED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class CnmtHeader:
    """What the file begins with. ``content_count`` and ``meta_count`` are numbers of records, sizes in bytes."""

    title_id: int
    version: int
    type: int
    platform: int = 0
    extended_header_size: int
    content_count: int
    meta_count: int = 0
    attributes: int = 0
    storage_id: int = 0
    install_type: int = InstallType.FULL
    committed: int = 0
    required_download_system_version: int = 0
    reserved: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationExtended:
    """Extended header of an application."""

    patch_id: int
    required_system_version: int = 0
    required_application_version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchExtended:
    """Extended header of an update."""

    application_id: int
    required_system_version: int = 0
    extended_data_size: int = 0
    reserved: bytes = bytes(8)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddOnContentExtended:
    """Extended header of add-on content. ``data_patch_id`` is 0 where the older, shorter form was read."""

    application_id: int
    required_application_version: int = 0
    accessibilities: int = 0
    reserved: bytes = bytes(3)
    data_patch_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaExtended:
    """Extended header of a delta."""

    application_id: int
    extended_data_size: int = 0
    reserved: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemUpdateExtended:
    """Extended header of a system update."""

    extended_data_size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPatchExtended:
    """Extended header of an update to add-on content."""

    data_id: int
    application_id: int
    required_application_version: int = 0
    extended_data_size: int = 0
    reserved: bytes = bytes(8)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentRecord:
    """One content archive. ``content_id`` is the stem of its file name, the first half of ``hash``."""

    hash: bytes
    content_id: bytes
    size_low: int
    size_high: int = 0
    attributes: int = 0
    type: int
    id_offset: int = 0

    @property
    def size(self) -> int:
        """Bytes of the archive: 40 bits in two fields."""
        return self.size_high << 32 | self.size_low


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaRecord:
    """Another title that belongs to this one; used by system updates."""

    id: int
    version: int
    type: int
    attributes: int = 0
    reserved: int = 0


CNMT_HEADER = Layout(
    "CNMT header",
    Struct(
        "title_id" / Int64ul,  # 0x00
        "version" / Int32ul,  # 0x08
        "type" / Int8ul,  # 0x0C: see MetaType
        "platform" / Int8ul,  # 0x0D: 0 since 17.0.0, reserved before
        "extended_header_size" / Int16ul,  # 0x0E
        "content_count" / Int16ul,  # 0x10
        "meta_count" / Int16ul,  # 0x12
        "attributes" / Int8ul,  # 0x14: see MetaAttributes
        "storage_id" / Int8ul,  # 0x15
        "install_type" / Int8ul,  # 0x16: see InstallType
        "committed" / Int8ul,  # 0x17
        "required_download_system_version" / Int32ul,  # 0x18
        "reserved" / Int32ul,  # 0x1C
    ),
    CnmtHeader,
    "Header of packaged content meta (Switchbrew wiki, CNMT).",
)

APPLICATION_EXTENDED = Layout(
    "CNMT application header",
    Struct(
        "patch_id" / Int64ul,  # 0x00
        "required_system_version" / Int32ul,  # 0x08
        "required_application_version" / Int32ul,  # 0x0C: since 9.0.0
    ),
    ApplicationExtended,
    "Extended header of an application (Switchbrew wiki, CNMT).",
)

PATCH_EXTENDED = Layout(
    "CNMT patch header",
    Struct(
        "application_id" / Int64ul,  # 0x00
        "required_system_version" / Int32ul,  # 0x08
        "extended_data_size" / Int32ul,  # 0x0C
        "reserved" / Bytes(8),  # 0x10
    ),
    PatchExtended,
    "Extended header of an update (Switchbrew wiki, CNMT).",
)

ADD_ON_CONTENT_EXTENDED = Layout(
    "CNMT add-on content header",
    Struct(
        "application_id" / Int64ul,  # 0x00
        "required_application_version" / Int32ul,  # 0x08
        "accessibilities" / Int8ul,  # 0x0C
        "reserved" / Bytes(3),  # 0x0D
        "data_patch_id" / Int64ul,  # 0x10
    ),
    AddOnContentExtended,
    "Extended header of add-on content since 15.0.0 (Switchbrew wiki, CNMT).",
)

ADD_ON_CONTENT_EXTENDED_LEGACY = Layout(
    "CNMT add-on content header (legacy)",
    Struct(
        "application_id" / Int64ul,  # 0x00
        "required_application_version" / Int32ul,  # 0x08
        "accessibilities" / Int8ul,  # 0x0C
        "reserved" / Bytes(3),  # 0x0D
    ),
    AddOnContentExtended,
    "Extended header of add-on content before 15.0.0 (Switchbrew wiki, CNMT).",
)

DELTA_EXTENDED = Layout(
    "CNMT delta header",
    Struct(
        "application_id" / Int64ul,  # 0x00
        "extended_data_size" / Int32ul,  # 0x08
        "reserved" / Int32ul,  # 0x0C
    ),
    DeltaExtended,
    "Extended header of a delta (Switchbrew wiki, CNMT).",
)

SYSTEM_UPDATE_EXTENDED = Layout(
    "CNMT system update header",
    Struct(
        "extended_data_size" / Int32ul,  # 0x00
    ),
    SystemUpdateExtended,
    "Extended header of a system update (Switchbrew wiki, CNMT).",
)

DATA_PATCH_EXTENDED = Layout(
    "CNMT data patch header",
    Struct(
        "data_id" / Int64ul,  # 0x00
        "application_id" / Int64ul,  # 0x08
        "required_application_version" / Int32ul,  # 0x10
        "extended_data_size" / Int32ul,  # 0x14
        "reserved" / Bytes(8),  # 0x18
    ),
    DataPatchExtended,
    "Extended header of an update to add-on content (Switchbrew wiki, CNMT).",
)

CONTENT_RECORD = Layout(
    "CNMT content record",
    Struct(
        "hash" / Bytes(0x20),  # 0x00: SHA-256 of the archive
        "content_id" / Bytes(0x10),  # 0x20
        "size_low" / Int32ul,  # 0x30
        "size_high" / Int8ul,  # 0x34: bits 32..39; the byte behind is not part of the size
        "attributes" / Int8ul,  # 0x35
        "type" / Int8ul,  # 0x36: see RecordType
        "id_offset" / Int8ul,  # 0x37: the program id is the title id plus this
    ),
    ContentRecord,
    "One content archive of a title (Switchbrew wiki, CNMT).",
)

META_RECORD = Layout(
    "CNMT meta record",
    Struct(
        "id" / Int64ul,  # 0x00
        "version" / Int32ul,  # 0x08
        "type" / Int8ul,  # 0x0C: see MetaType
        "attributes" / Int8ul,  # 0x0D
        "reserved" / Int16ul,  # 0x0E
    ),
    MetaRecord,
    "One title of a system update (Switchbrew wiki, CNMT).",
)

EXTENDED_HEADERS: dict[int, tuple[Layout[Any], ...]] = {
    MetaType.APPLICATION: (APPLICATION_EXTENDED,),
    MetaType.PATCH: (PATCH_EXTENDED,),
    MetaType.ADD_ON_CONTENT: (ADD_ON_CONTENT_EXTENDED, ADD_ON_CONTENT_EXTENDED_LEGACY),
    MetaType.DELTA: (DELTA_EXTENDED,),
    MetaType.SYSTEM_UPDATE: (SYSTEM_UPDATE_EXTENDED,),
    MetaType.DATA_PATCH: (DATA_PATCH_EXTENDED,),
}
"""Type -> the forms its extended header has had, the largest first: the one to read is the first that ``extended_header_size`` holds."""

LAYOUTS = (
    CNMT_HEADER,
    APPLICATION_EXTENDED,
    PATCH_EXTENDED,
    ADD_ON_CONTENT_EXTENDED,
    ADD_ON_CONTENT_EXTENDED_LEGACY,
    DELTA_EXTENDED,
    SYSTEM_UPDATE_EXTENDED,
    DATA_PATCH_EXTENDED,
    CONTENT_RECORD,
    META_RECORD,
)
