"""Program metadata (NPDM): how a program is started, and what it may do.

A META header names an ACID, which is signed and says what may be asked for, and an ACI0, which asks. Each names three tables: file
access (FAC in the ACID, FAH in the ACI0), services (SAC) and kernel capabilities (KAC). A service is a control byte and a name of
``(control & 7) + 1`` bytes. A kernel capability is a word of 32 bits whose number of trailing ones says which it is. Specification:
Switchbrew wiki, "NPDM".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag

from construct import Bytes, Int8ul, Int32ul, Int64ul, Struct

from oboromi_formats.layout import Layout

__all__ = [
    "ACI0_HEADER",
    "ACI0_MAGIC",
    "ACID_HEADER",
    "ACID_MAGIC",
    "FILE_ACCESS_CONTROL",
    "FILE_ACCESS_HEADER",
    "LAYOUTS",
    "META_HEADER",
    "META_MAGIC",
    "SERVICE_HOST",
    "SERVICE_LENGTH",
    "SIGNED_FROM",
    "Aci0Header",
    "AcidFlags",
    "AcidHeader",
    "AddressSpace",
    "CapabilityKind",
    "FileAccessControl",
    "FileAccessHeader",
    "FsPermissions",
    "MemoryPool",
    "MemoryRegion",
    "MetaFlags",
    "MetaHeader",
    "ProgramType",
    "SaveDataAccess",
    "Syscall",
]

META_MAGIC = b"META"
ACID_MAGIC = b"ACID"
ACI0_MAGIC = b"ACI0"

SIGNED_FROM = 0x100
"""Where in the ACID the signed bytes begin: behind the signature."""

SERVICE_HOST = 0x80
"""Bit of a service's control byte: the program may host the service, not only use it."""

SERVICE_LENGTH = 0x07
"""Bits of a service's control byte: the length of its name, less one."""


class MetaFlags(IntFlag):
    """Bits of ``MetaHeader.flags``; bits 1 to 3 are an :class:`AddressSpace`."""

    IS_64_BIT = 0x01
    OPTIMIZE_MEMORY_ALLOCATION = 0x10
    DISABLE_DEVICE_ADDRESS_SPACE_MERGE = 0x20
    ENABLE_ALIAS_REGION_EXTRA_SIZE = 0x40
    PREVENT_CODE_READS = 0x80


class AddressSpace(IntEnum):
    """Bits 1 to 3 of ``MetaHeader.flags``."""

    BITS_32 = 0
    BITS_36 = 1
    BITS_32_NO_RESERVED = 2
    BITS_39 = 3


class AcidFlags(IntFlag):
    """Bits of ``AcidHeader.flags``; bits 2 to 5 are a :class:`MemoryPool`."""

    PRODUCTION = 0x01
    UNQUALIFIED_APPROVAL = 0x02
    LOAD_BROWSER_MODULE = 0x80


class MemoryPool(IntEnum):
    """Bits 2 to 5 of ``AcidHeader.flags``: where the program's memory comes from."""

    APPLICATION = 0
    APPLET = 1
    SYSTEM = 2
    NON_SECURE_SYSTEM = 3


class FsPermissions(IntFlag):
    """Bits of ``permissions`` in the file access tables."""

    APPLICATION_INFO = 1 << 0
    BOOT_MODE_CONTROL = 1 << 1
    CALIBRATION = 1 << 2
    SYSTEM_SAVE_DATA = 1 << 3
    GAME_CARD = 1 << 4
    SAVE_DATA_BACK_UP = 1 << 5
    SAVE_DATA_MANAGEMENT = 1 << 6
    BIS_ALL_RAW = 1 << 7
    GAME_CARD_RAW = 1 << 8
    GAME_CARD_PRIVATE = 1 << 9
    SET_TIME = 1 << 10
    CONTENT_MANAGER = 1 << 11
    IMAGE_MANAGER = 1 << 12
    CREATE_SAVE_DATA = 1 << 13
    SYSTEM_SAVE_DATA_MANAGEMENT = 1 << 14
    BIS_FILE_SYSTEM = 1 << 15
    SYSTEM_UPDATE = 1 << 16
    SAVE_DATA_META = 1 << 17
    DEVICE_SAVE_DATA = 1 << 18
    SETTINGS_CONTROL = 1 << 19
    SYSTEM_DATA = 1 << 20
    SD_CARD = 1 << 21
    HOST = 1 << 22
    FILL_BIS = 1 << 23
    CORRUPT_SAVE_DATA = 1 << 24
    SAVE_DATA_FOR_DEBUG = 1 << 25
    FORMAT_SD_CARD = 1 << 26
    GET_RIGHTS_ID = 1 << 27
    REGISTER_EXTERNAL_KEY = 1 << 28
    REGISTER_UPDATE_PARTITION = 1 << 29
    SAVE_DATA_TRANSFER = 1 << 30
    DEVICE_DETECTION = 1 << 31
    ACCESS_FAILURE_RESOLUTION = 1 << 32
    SAVE_DATA_TRANSFER_VERSION2 = 1 << 33
    REGISTER_PROGRAM_INDEX_MAP_INFO = 1 << 34
    CREATE_OWN_SAVE_DATA = 1 << 35
    DEBUG = 1 << 62
    FULL_PERMISSION = 1 << 63


class SaveDataAccess(IntEnum):
    """What the ACI0 asks for with another program's save data."""

    READ = 1
    WRITE = 2
    READ_WRITE = 3


class CapabilityKind(IntEnum):
    """Number of trailing ones of a kernel capability."""

    THREAD_INFO = 3
    SYSCALLS = 4
    MAP_RANGE = 6
    MAP_IO_PAGE = 7
    MAP_REGION = 10
    INTERRUPTS = 11
    PROGRAM_TYPE = 13
    KERNEL_VERSION = 14
    HANDLE_TABLE = 15
    DEBUG = 16
    PADDING = 32


class ProgramType(IntEnum):
    """What a ``PROGRAM_TYPE`` capability says, in bits 14 to 16."""

    SYSTEM = 0
    APPLICATION = 1
    APPLET = 2


class MemoryRegion(IntEnum):
    """What a ``MAP_REGION`` capability maps: three times 6 bits, each with a read-only bit behind it, from bit 11 on."""

    NONE = 0
    KERNEL_TRACE_BUFFER = 1
    ON_MEMORY_BOOT_IMAGE = 2
    DTB = 3


class Syscall(IntEnum):
    """What the bits of ``SYSCALLS`` capabilities stand for: bit 5 is call 0 of the group in bits 29 to 31, of 24 calls each."""

    SET_HEAP_SIZE = 0x01
    SET_MEMORY_PERMISSION = 0x02
    SET_MEMORY_ATTRIBUTE = 0x03
    MAP_MEMORY = 0x04
    UNMAP_MEMORY = 0x05
    QUERY_MEMORY = 0x06
    EXIT_PROCESS = 0x07
    CREATE_THREAD = 0x08
    START_THREAD = 0x09
    EXIT_THREAD = 0x0A
    SLEEP_THREAD = 0x0B
    GET_THREAD_PRIORITY = 0x0C
    SET_THREAD_PRIORITY = 0x0D
    GET_THREAD_CORE_MASK = 0x0E
    SET_THREAD_CORE_MASK = 0x0F
    GET_CURRENT_PROCESSOR_NUMBER = 0x10
    SIGNAL_EVENT = 0x11
    CLEAR_EVENT = 0x12
    MAP_SHARED_MEMORY = 0x13
    UNMAP_SHARED_MEMORY = 0x14
    CREATE_TRANSFER_MEMORY = 0x15
    CLOSE_HANDLE = 0x16
    RESET_SIGNAL = 0x17
    WAIT_SYNCHRONIZATION = 0x18
    CANCEL_SYNCHRONIZATION = 0x19
    ARBITRATE_LOCK = 0x1A
    ARBITRATE_UNLOCK = 0x1B
    WAIT_PROCESS_WIDE_KEY_ATOMIC = 0x1C
    SIGNAL_PROCESS_WIDE_KEY = 0x1D
    GET_SYSTEM_TICK = 0x1E
    CONNECT_TO_NAMED_PORT = 0x1F
    SEND_SYNC_REQUEST_LIGHT = 0x20
    SEND_SYNC_REQUEST = 0x21
    SEND_SYNC_REQUEST_WITH_USER_BUFFER = 0x22
    SEND_ASYNC_REQUEST_WITH_USER_BUFFER = 0x23
    GET_PROCESS_ID = 0x24
    GET_THREAD_ID = 0x25
    BREAK = 0x26
    OUTPUT_DEBUG_STRING = 0x27
    RETURN_FROM_EXCEPTION = 0x28
    GET_INFO = 0x29
    FLUSH_ENTIRE_DATA_CACHE = 0x2A
    FLUSH_DATA_CACHE = 0x2B
    MAP_PHYSICAL_MEMORY = 0x2C
    UNMAP_PHYSICAL_MEMORY = 0x2D
    GET_DEBUG_FUTURE_THREAD_INFO = 0x2E
    GET_LAST_THREAD_INFO = 0x2F
    GET_RESOURCE_LIMIT_LIMIT_VALUE = 0x30
    GET_RESOURCE_LIMIT_CURRENT_VALUE = 0x31
    SET_THREAD_ACTIVITY = 0x32
    GET_THREAD_CONTEXT3 = 0x33
    WAIT_FOR_ADDRESS = 0x34
    SIGNAL_TO_ADDRESS = 0x35
    SYNCHRONIZE_PREEMPTION_STATE = 0x36
    GET_RESOURCE_LIMIT_PEAK_VALUE = 0x37
    CREATE_IO_POOL = 0x39
    CREATE_IO_REGION = 0x3A
    KERNEL_DEBUG = 0x3C
    CHANGE_KERNEL_TRACE_STATE = 0x3D
    CREATE_SESSION = 0x40
    ACCEPT_SESSION = 0x41
    REPLY_AND_RECEIVE_LIGHT = 0x42
    REPLY_AND_RECEIVE = 0x43
    REPLY_AND_RECEIVE_WITH_USER_BUFFER = 0x44
    CREATE_EVENT = 0x45
    MAP_IO_REGION = 0x46
    UNMAP_IO_REGION = 0x47
    MAP_PHYSICAL_MEMORY_UNSAFE = 0x48
    UNMAP_PHYSICAL_MEMORY_UNSAFE = 0x49
    SET_UNSAFE_LIMIT = 0x4A
    CREATE_CODE_MEMORY = 0x4B
    CONTROL_CODE_MEMORY = 0x4C
    SLEEP_SYSTEM = 0x4D
    READ_WRITE_REGISTER = 0x4E
    SET_PROCESS_ACTIVITY = 0x4F
    CREATE_SHARED_MEMORY = 0x50
    MAP_TRANSFER_MEMORY = 0x51
    UNMAP_TRANSFER_MEMORY = 0x52
    CREATE_INTERRUPT_EVENT = 0x53
    QUERY_PHYSICAL_ADDRESS = 0x54
    QUERY_IO_MAPPING = 0x55
    CREATE_DEVICE_ADDRESS_SPACE = 0x56
    ATTACH_DEVICE_ADDRESS_SPACE = 0x57
    DETACH_DEVICE_ADDRESS_SPACE = 0x58
    MAP_DEVICE_ADDRESS_SPACE_BY_FORCE = 0x59
    MAP_DEVICE_ADDRESS_SPACE_ALIGNED = 0x5A
    MAP_DEVICE_ADDRESS_SPACE = 0x5B
    UNMAP_DEVICE_ADDRESS_SPACE = 0x5C
    INVALIDATE_PROCESS_DATA_CACHE = 0x5D
    STORE_PROCESS_DATA_CACHE = 0x5E
    FLUSH_PROCESS_DATA_CACHE = 0x5F
    DEBUG_ACTIVE_PROCESS = 0x60
    BREAK_DEBUG_PROCESS = 0x61
    TERMINATE_DEBUG_PROCESS = 0x62
    GET_DEBUG_EVENT = 0x63
    CONTINUE_DEBUG_EVENT = 0x64
    GET_PROCESS_LIST = 0x65
    GET_THREAD_LIST = 0x66
    GET_DEBUG_THREAD_CONTEXT = 0x67
    SET_DEBUG_THREAD_CONTEXT = 0x68
    QUERY_DEBUG_PROCESS_MEMORY = 0x69
    READ_DEBUG_PROCESS_MEMORY = 0x6A
    WRITE_DEBUG_PROCESS_MEMORY = 0x6B
    SET_HARDWARE_BREAK_POINT = 0x6C
    GET_DEBUG_THREAD_PARAM = 0x6D
    GET_SYSTEM_INFO = 0x6F
    CREATE_PORT = 0x70
    MANAGE_NAMED_PORT = 0x71
    CONNECT_TO_PORT = 0x72
    SET_PROCESS_MEMORY_PERMISSION = 0x73
    MAP_PROCESS_MEMORY = 0x74
    UNMAP_PROCESS_MEMORY = 0x75
    QUERY_PROCESS_MEMORY = 0x76
    MAP_PROCESS_CODE_MEMORY = 0x77
    UNMAP_PROCESS_CODE_MEMORY = 0x78
    CREATE_PROCESS = 0x79
    START_PROCESS = 0x7A
    TERMINATE_PROCESS = 0x7B
    GET_PROCESS_INFO = 0x7C
    CREATE_RESOURCE_LIMIT = 0x7D
    SET_RESOURCE_LIMIT_LIMIT_VALUE = 0x7E
    CALL_SECURE_MONITOR = 0x7F
    MAP_INSECURE_PHYSICAL_MEMORY = 0x90
    UNMAP_INSECURE_PHYSICAL_MEMORY = 0x91


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaHeader:
    """What the file begins with. Offsets count from its start; sizes in bytes."""

    magic: bytes = META_MAGIC
    signature_key_generation: int = 0
    reserved_8: int = 0
    flags: int
    reserved_d: int = 0
    main_thread_priority: int
    main_thread_core: int
    reserved_10: int = 0
    system_resource_size: int = 0
    version: int = 0
    main_thread_stack_size: int
    name: bytes
    product_code: bytes = bytes(0x10)
    reserved_40: bytes = bytes(0x30)
    aci0_offset: int
    aci0_size: int
    acid_offset: int
    acid_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AcidHeader:
    """What the ACID begins with. Offsets count from its start; ``signed_size`` bytes behind the signature are signed."""

    signature: bytes = bytes(0x100)
    modulus: bytes = bytes(0x100)
    magic: bytes = ACID_MAGIC
    signed_size: int
    version: int = 0
    flags: int = 0
    program_id_min: int
    program_id_max: int
    fac_offset: int
    fac_size: int
    sac_offset: int
    sac_size: int
    kac_offset: int
    kac_size: int
    reserved_238: bytes = bytes(8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aci0Header:
    """What the ACI0 begins with. Offsets count from its start."""

    magic: bytes = ACI0_MAGIC
    reserved_4: bytes = bytes(12)
    program_id: int
    reserved_18: bytes = bytes(8)
    fah_offset: int
    fah_size: int
    sac_offset: int
    sac_size: int
    kac_offset: int
    kac_size: int
    reserved_38: bytes = bytes(8)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAccessControl:
    """What the FAC begins with; ids of content owners, then of save data owners follow, 8 bytes each."""

    version: int = 1
    content_owner_id_count: int = 0
    save_data_owner_id_count: int = 0
    reserved_3: int = 0
    permissions: int = 0
    content_owner_id_min: int = 0
    content_owner_id_max: int = 0
    save_data_owner_id_min: int = 0
    save_data_owner_id_max: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAccessHeader:
    """What the FAH begins with; offsets count from its start.

    The content owners are a count of 4 bytes and ids. The save data owners are a count of 4 bytes, a byte of :class:`SaveDataAccess` each,
    padding to 4 bytes, and ids.
    """

    version: int = 1
    reserved_1: bytes = bytes(3)
    permissions: int = 0
    content_owners_offset: int = 0x1C
    content_owners_size: int = 0
    save_data_owners_offset: int = 0x1C
    save_data_owners_size: int = 0


META_HEADER = Layout(
    "NPDM META header",
    Struct(
        "magic" / Bytes(4),  # 0x00: "META"
        "signature_key_generation" / Int32ul,  # 0x04: of the ACID's signature
        "reserved_8" / Int32ul,  # 0x08
        "flags" / Int8ul,  # 0x0C: see MetaFlags and AddressSpace
        "reserved_d" / Int8ul,  # 0x0D
        "main_thread_priority" / Int8ul,  # 0x0E: 0 to 63
        "main_thread_core" / Int8ul,  # 0x0F
        "reserved_10" / Int32ul,  # 0x10
        "system_resource_size" / Int32ul,  # 0x14: a multiple of 0x200000, at most 0x1FE00000
        "version" / Int32ul,  # 0x18
        "main_thread_stack_size" / Int32ul,  # 0x1C: a multiple of 0x1000
        "name" / Bytes(0x10),  # 0x20: NUL-padded text
        "product_code" / Bytes(0x10),  # 0x30: NUL-padded text
        "reserved_40" / Bytes(0x30),  # 0x40
        "aci0_offset" / Int32ul,  # 0x70
        "aci0_size" / Int32ul,  # 0x74
        "acid_offset" / Int32ul,  # 0x78
        "acid_size" / Int32ul,  # 0x7C
    ),
    MetaHeader,
    "Header of program metadata (Switchbrew wiki, NPDM).",
)

ACID_HEADER = Layout(
    "NPDM ACID header",
    Struct(
        "signature" / Bytes(0x100),  # 0x000: RSA-2048 over signed_size bytes from 0x100 on
        "modulus" / Bytes(0x100),  # 0x100: of the key that signs the NCA
        "magic" / Bytes(4),  # 0x200: "ACID"
        "signed_size" / Int32ul,  # 0x204
        "version" / Int32ul,  # 0x208
        "flags" / Int32ul,  # 0x20C: see AcidFlags and MemoryPool
        "program_id_min" / Int64ul,  # 0x210
        "program_id_max" / Int64ul,  # 0x218
        "fac_offset" / Int32ul,  # 0x220
        "fac_size" / Int32ul,  # 0x224
        "sac_offset" / Int32ul,  # 0x228
        "sac_size" / Int32ul,  # 0x22C
        "kac_offset" / Int32ul,  # 0x230
        "kac_size" / Int32ul,  # 0x234
        "reserved_238" / Bytes(8),  # 0x238
    ),
    AcidHeader,
    "Header of the access control descriptor (Switchbrew wiki, NPDM).",
)

ACI0_HEADER = Layout(
    "NPDM ACI0 header",
    Struct(
        "magic" / Bytes(4),  # 0x00: "ACI0"
        "reserved_4" / Bytes(12),  # 0x04
        "program_id" / Int64ul,  # 0x10
        "reserved_18" / Bytes(8),  # 0x18
        "fah_offset" / Int32ul,  # 0x20
        "fah_size" / Int32ul,  # 0x24
        "sac_offset" / Int32ul,  # 0x28
        "sac_size" / Int32ul,  # 0x2C
        "kac_offset" / Int32ul,  # 0x30
        "kac_size" / Int32ul,  # 0x34
        "reserved_38" / Bytes(8),  # 0x38
    ),
    Aci0Header,
    "Header of the access control information (Switchbrew wiki, NPDM).",
)

FILE_ACCESS_CONTROL = Layout(
    "NPDM file access control",
    Struct(
        "version" / Int8ul,  # 0x00
        "content_owner_id_count" / Int8ul,  # 0x01
        "save_data_owner_id_count" / Int8ul,  # 0x02
        "reserved_3" / Int8ul,  # 0x03
        "permissions" / Int64ul,  # 0x04: see FsPermissions
        "content_owner_id_min" / Int64ul,  # 0x0C
        "content_owner_id_max" / Int64ul,  # 0x14
        "save_data_owner_id_min" / Int64ul,  # 0x1C
        "save_data_owner_id_max" / Int64ul,  # 0x24
    ),
    FileAccessControl,
    "Fixed part of the ACID's file access table, FAC (Switchbrew wiki, NPDM).",
)

FILE_ACCESS_HEADER = Layout(
    "NPDM file access header",
    Struct(
        "version" / Int8ul,  # 0x00
        "reserved_1" / Bytes(3),  # 0x01
        "permissions" / Int64ul,  # 0x04: see FsPermissions
        "content_owners_offset" / Int32ul,  # 0x0C
        "content_owners_size" / Int32ul,  # 0x10
        "save_data_owners_offset" / Int32ul,  # 0x14
        "save_data_owners_size" / Int32ul,  # 0x18
    ),
    FileAccessHeader,
    "Fixed part of the ACI0's file access table, FAH (Switchbrew wiki, NPDM).",
)

LAYOUTS = (META_HEADER, ACID_HEADER, ACI0_HEADER, FILE_ACCESS_CONTROL, FILE_ACCESS_HEADER)
