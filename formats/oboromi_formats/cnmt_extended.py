"""Extended data of packaged content meta: the earlier versions of an update, deltas between versions, and variations of the system.

The data stand between the records of a CNMT and its digest. An update has its header, then one array after the other: histories, delta
histories, deltas, fragment sets, contents of the histories, contents of the deltas (as the records of a CNMT), and fragments. A delta has
its header, fragment sets and fragments. A system update has its header and, in the second form, the numbers of its variations, what they
have, and meta records. Specification: Switchbrew wiki, "CNMT".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from construct import Bytes, Int8ul, Int16ul, Int32ul, Int64ul, Struct

from oboromi_formats.layout import Layout

__all__ = [
    "DELTA_DATA",
    "FIRMWARE_VARIATION",
    "FIRMWARE_VARIATION_ID",
    "FIRMWARE_VARIATION_LEGACY",
    "FRAGMENT",
    "FRAGMENT_SET",
    "HISTORY_CONTENT",
    "LAYOUTS",
    "PATCH_DATA",
    "PATCH_DELTA",
    "PATCH_DELTA_HISTORY",
    "PATCH_HISTORY",
    "SYSTEM_UPDATE_DATA",
    "DeltaDataHeader",
    "FirmwareVariation",
    "FirmwareVariationId",
    "FirmwareVariationLegacy",
    "Fragment",
    "FragmentSet",
    "HistoryContent",
    "PatchDataHeader",
    "PatchDelta",
    "PatchDeltaHistory",
    "PatchHistory",
    "SystemUpdateDataHeader",
    "UpdateType",
]


class UpdateType(IntEnum):
    """``FragmentSet.update_type``."""

    APPLY_AS_DELTA = 0
    OVERWRITE = 1
    CREATE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchDataHeader:
    """How many rows each array has."""

    history_count: int
    delta_history_count: int
    delta_count: int
    fragment_set_count: int
    history_content_count: int
    delta_content_count: int
    reserved: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchHistory:
    """An earlier version of the title. ``digest`` is that of its CNMT."""

    id: int
    version: int
    type: int
    install_type: int = 0
    reserved: int = 0
    digest: bytes
    content_count: int
    reserved_2: bytes = bytes(6)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchDeltaHistory:
    """A delta between two earlier versions; sizes in bytes."""

    source_id: int
    destination_id: int
    source_version: int
    destination_version: int
    download_size: int
    reserved: bytes = bytes(8)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchDelta:
    """A delta that can be applied."""

    source_id: int
    destination_id: int
    source_version: int
    destination_version: int
    fragment_set_count: int
    reserved: bytes = bytes(6)
    content_count: int
    reserved_2: bytes = bytes(6)


@dataclass(frozen=True, slots=True, kw_only=True)
class FragmentSet:
    """What makes one content of another; sizes in bytes, of which the high words are bits 32 to 47."""

    source_content_id: bytes
    destination_content_id: bytes
    source_size_low: int
    source_size_high: int = 0
    destination_size_high: int = 0
    destination_size_low: int
    fragment_count: int
    target_type: int
    update_type: int
    reserved: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryContent:
    """One content of an earlier version."""

    content_id: bytes
    size_low: int
    size_high: int = 0
    attributes: int = 0
    type: int
    id_offset: int = 0


@dataclass(frozen=True, slots=True)
class Fragment:
    """Which content holds a piece of a fragment set, and which piece that is."""

    content_index: int
    fragment_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaDataHeader:
    """What the extended data of a delta begin with."""

    source_id: int
    destination_id: int
    source_version: int
    destination_version: int
    fragment_set_count: int
    reserved: bytes = bytes(6)


@dataclass(frozen=True, slots=True)
class SystemUpdateDataHeader:
    """What the extended data of a system update begin with."""

    version: int
    variation_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareVariationLegacy:
    """A variation of the first form: its number."""

    id: int
    reserved: bytes = bytes(0x1C)


@dataclass(frozen=True, slots=True)
class FirmwareVariationId:
    """The number of a variation of the second form."""

    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareVariation:
    """A variation of the second form, whose numbers stand before all of them. It has metas of its own unless it refers to the base."""

    refer_to_base: int = 0
    reserved: bytes = bytes(3)
    meta_count: int = 0
    reserved_2: bytes = bytes(0x18)


PATCH_DATA = Layout(
    "CNMT patch data header",
    Struct(
        "history_count" / Int32ul,  # 0x00
        "delta_history_count" / Int32ul,  # 0x04
        "delta_count" / Int32ul,  # 0x08
        "fragment_set_count" / Int32ul,  # 0x0C
        "history_content_count" / Int32ul,  # 0x10
        "delta_content_count" / Int32ul,  # 0x14
        "reserved" / Int32ul,  # 0x18
    ),
    PatchDataHeader,
    "Header of the extended data of an update (Switchbrew wiki, CNMT).",
)

PATCH_HISTORY = Layout(
    "CNMT patch history",
    Struct(
        "id" / Int64ul,  # 0x00
        "version" / Int32ul,  # 0x08
        "type" / Int8ul,  # 0x0C: see MetaType
        "install_type" / Int8ul,  # 0x0D: see InstallType
        "reserved" / Int16ul,  # 0x0E
        "digest" / Bytes(0x20),  # 0x10
        "content_count" / Int16ul,  # 0x30
        "reserved_2" / Bytes(6),  # 0x32
    ),
    PatchHistory,
    "An earlier version of a title (Switchbrew wiki, CNMT).",
)

PATCH_DELTA_HISTORY = Layout(
    "CNMT patch delta history",
    Struct(
        "source_id" / Int64ul,  # 0x00
        "destination_id" / Int64ul,  # 0x08
        "source_version" / Int32ul,  # 0x10
        "destination_version" / Int32ul,  # 0x14
        "download_size" / Int64ul,  # 0x18
        "reserved" / Bytes(8),  # 0x20
    ),
    PatchDeltaHistory,
    "A delta between earlier versions (Switchbrew wiki, CNMT).",
)

PATCH_DELTA = Layout(
    "CNMT patch delta header",
    Struct(
        "source_id" / Int64ul,  # 0x00
        "destination_id" / Int64ul,  # 0x08
        "source_version" / Int32ul,  # 0x10
        "destination_version" / Int32ul,  # 0x14
        "fragment_set_count" / Int16ul,  # 0x18
        "reserved" / Bytes(6),  # 0x1A
        "content_count" / Int16ul,  # 0x20
        "reserved_2" / Bytes(6),  # 0x22
    ),
    PatchDelta,
    "A delta of an update (Switchbrew wiki, CNMT).",
)

FRAGMENT_SET = Layout(
    "CNMT fragment set",
    Struct(
        "source_content_id" / Bytes(0x10),  # 0x00
        "destination_content_id" / Bytes(0x10),  # 0x10
        "source_size_low" / Int32ul,  # 0x20
        "source_size_high" / Int16ul,  # 0x24: bits 32..47
        "destination_size_high" / Int16ul,  # 0x26: bits 32..47, before the low word
        "destination_size_low" / Int32ul,  # 0x28
        "fragment_count" / Int16ul,  # 0x2C
        "target_type" / Int8ul,  # 0x2E: see RecordType
        "update_type" / Int8ul,  # 0x2F: see UpdateType
        "reserved" / Int32ul,  # 0x30
    ),
    FragmentSet,
    "What makes one content of another (Switchbrew wiki, CNMT).",
)

HISTORY_CONTENT = Layout(
    "CNMT history content",
    Struct(
        "content_id" / Bytes(0x10),  # 0x00
        "size_low" / Int32ul,  # 0x10
        "size_high" / Int8ul,  # 0x14: bits 32..39
        "attributes" / Int8ul,  # 0x15
        "type" / Int8ul,  # 0x16: see RecordType
        "id_offset" / Int8ul,  # 0x17
    ),
    HistoryContent,
    "One content of an earlier version (Switchbrew wiki, CNMT).",
)

FRAGMENT = Layout(
    "CNMT fragment indicator",
    Struct(
        "content_index" / Int16ul,  # 0x0
        "fragment_index" / Int16ul,  # 0x2
    ),
    Fragment,
    "Where a piece of a fragment set is (Switchbrew wiki, CNMT).",
)

DELTA_DATA = Layout(
    "CNMT delta data header",
    Struct(
        "source_id" / Int64ul,  # 0x00
        "destination_id" / Int64ul,  # 0x08
        "source_version" / Int32ul,  # 0x10
        "destination_version" / Int32ul,  # 0x14
        "fragment_set_count" / Int16ul,  # 0x18
        "reserved" / Bytes(6),  # 0x1A
    ),
    DeltaDataHeader,
    "Header of the extended data of a delta (Switchbrew wiki, CNMT).",
)

SYSTEM_UPDATE_DATA = Layout(
    "CNMT system update data header",
    Struct(
        "version" / Int32ul,  # 0x0: 1 or 2
        "variation_count" / Int32ul,  # 0x4
    ),
    SystemUpdateDataHeader,
    "Header of the extended data of a system update (Switchbrew wiki, CNMT).",
)

FIRMWARE_VARIATION_LEGACY = Layout(
    "CNMT firmware variation (first form)",
    Struct(
        "id" / Int32ul,  # 0x00
        "reserved" / Bytes(0x1C),  # 0x04
    ),
    FirmwareVariationLegacy,
    "A variation of a system update of version 1 (Switchbrew wiki, CNMT).",
)

FIRMWARE_VARIATION_ID = Layout(
    "CNMT firmware variation id",
    Struct(
        "id" / Int32ul,  # 0x0
    ),
    FirmwareVariationId,
    "The number of a variation of a system update of version 2 (Switchbrew wiki, CNMT).",
)

FIRMWARE_VARIATION = Layout(
    "CNMT firmware variation",
    Struct(
        "refer_to_base" / Int8ul,  # 0x00
        "reserved" / Bytes(3),  # 0x01
        "meta_count" / Int32ul,  # 0x04
        "reserved_2" / Bytes(0x18),  # 0x08
    ),
    FirmwareVariation,
    "A variation of a system update of version 2 (Switchbrew wiki, CNMT).",
)

LAYOUTS = (
    PATCH_DATA,
    PATCH_HISTORY,
    PATCH_DELTA_HISTORY,
    PATCH_DELTA,
    FRAGMENT_SET,
    HISTORY_CONTENT,
    FRAGMENT,
    DELTA_DATA,
    SYSTEM_UPDATE_DATA,
    FIRMWARE_VARIATION_LEGACY,
    FIRMWARE_VARIATION_ID,
    FIRMWARE_VARIATION,
)
