from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from oboromi_formats.npdm import (
    ACID_HEADER,
    META_HEADER,
    AcidFlags,
    AddressSpace,
    FsPermissions,
    MemoryPool,
    MetaFlags,
    ProgramType,
    SaveDataAccess,
)
from oboromi_fs._decode import decode_bytes
from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import CorruptError, FormatError, NotThisFormatError
from oboromi_fs.metadata.access import FileAccessControl, FileAccessHeader, SaveDataOwner
from oboromi_fs.metadata.capabilities import (
    Debug,
    HandleTable,
    Interrupts,
    KernelVersion,
    MapIoPage,
    MapRange,
    ProgramKind,
    RawCapability,
    Syscalls,
    ThreadInfo,
)
from oboromi_fs.metadata.descriptors import Aci0, Acid
from oboromi_fs.metadata.npdm import Npdm
from oboromi_fs.metadata.services import Service
from oboromi_fs.metadata.text import dumps_json, dumps_toml, loads_json, loads_toml

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ["main_0100abcdef000000", "main_0100abcdef000800", "main_owners"]
SERVICES = (Service("fake:*", host=True), *map(Service, ("acc:u0", "fsp-srv", "hid", "sm:", "vi:u")))
CAPABILITIES = (
    ThreadInfo(lowest_priority=59, highest_priority=28, min_core=0, max_core=2),
    Syscalls(calls=(0x01, 0x04, 0x08, 0x21, 0x29)),
    MapRange(address=0x80060000, size=0x10000, read_only=False, static=False),
    MapIoPage(address=0x70000000),
    Interrupts(numbers=(10, 0x3FF)),
    ProgramKind(type=ProgramType.APPLICATION),
    KernelVersion(major=6, minor=0),
    HandleTable(size=512),
    Debug(allow_debug=True, force_debug_prod=False, force_debug=False),
)
PERMISSIONS = FsPermissions.APPLICATION_INFO | FsPermissions.DEBUG


def expected(program_id: int, owner: int | None = None) -> Npdm:
    """Every field of the three files."""
    return Npdm(
        name="fakeapp",
        product_code="",
        version=0,
        signature_key_generation=0,
        flags=MetaFlags.IS_64_BIT,
        address_space=AddressSpace.BITS_36,
        main_thread_priority=44,
        main_thread_core=0,
        main_thread_stack_size=0x100000,
        system_resource_size=0,
        acid=Acid(
            signature=bytes(0x100),
            modulus=bytes(0x100),
            version=0,
            flags=AcidFlags.PRODUCTION,
            memory_pool=MemoryPool.APPLICATION,
            program_id_min=program_id,
            program_id_max=program_id,
            file_access=FileAccessControl(
                version=1,
                permissions=PERMISSIONS,
                content_owner_ids=(),
                save_data_owner_ids=(),
                content_owner_id_min=0,
                content_owner_id_max=0,
                save_data_owner_id_min=0,
                save_data_owner_id_max=0,
                size=None,
                unknown=(),
            ),
            services=SERVICES,
            kernel_capabilities=CAPABILITIES,
            file_access_offset=None,
            services_offset=None,
            kernel_capabilities_offset=None,
            size=None,
            signed_size=None,
            unknown=(),
        ),
        aci0=Aci0(
            program_id=program_id,
            file_access=FileAccessHeader(
                version=1,
                permissions=PERMISSIONS,
                content_owner_ids=() if owner is None else (owner,),
                save_data_owners=() if owner is None else (SaveDataOwner(owner, SaveDataAccess.READ),),
                content_owners_offset=None,
                content_owners_size=None,
                save_data_owners_offset=None,
                save_data_owners_size=None,
                size=None,
                unknown=(),
            ),
            services=SERVICES,
            kernel_capabilities=CAPABILITIES,
            file_access_offset=None,
            services_offset=None,
            kernel_capabilities_offset=None,
            size=None,
            unknown=(),
        ),
        acid_offset=None,
        aci0_offset=None,
        file_size=None,
        unknown=(),
        gaps=(),
    )


EXPECTED = {
    "main_0100abcdef000000": expected(0x0100ABCDEF000000),
    "main_0100abcdef000800": expected(0x0100ABCDEF000800),
    "main_owners": expected(0x0100ABCDEF000000, 0x0100ABCDEF000000),
}


def through_texts(npdm: Npdm) -> Npdm:
    """What both texts say, which must be the same."""
    value = loads_toml(dumps_toml(npdm), Npdm)
    assert loads_json(dumps_json(npdm), Npdm) == value
    return value


def comes_back(data: bytes) -> Npdm:
    """Check that a file comes back as it was, from its value and from texts."""
    npdm = Npdm.read(data)
    assert npdm.to_bytes() == data
    again = through_texts(npdm)
    assert again == npdm
    assert again.to_bytes() == data
    return npdm


@pytest.fixture(params=NAMES)
def sample(testdata: Path, request: pytest.FixtureRequest) -> tuple[str, bytes]:
    return request.param, (testdata / "exe" / f"{request.param}.npdm").read_bytes()


@pytest.fixture
def owners(testdata: Path) -> bytearray:
    return bytearray((testdata / "exe" / "main_owners.npdm").read_bytes())


def test_every_field_of_an_npdm_of_another_tool(sample: tuple[str, bytes]) -> None:
    name, data = sample
    npdm = comes_back(data)
    assert npdm == EXPECTED[name]
    assert EXPECTED[name].to_bytes() == data
    assert Npdm.read(MemoryStorage(data)) == npdm


def test_plain_values(owners: bytearray) -> None:
    table = Npdm.read(owners).to_dict()
    capabilities = table.pop("kernel_capabilities")
    assert table == {
        "format": "NPDM",
        "program_id": "0x0100abcdef000000",
        "name": "fakeapp",
        "product_code": "",
        "version": 0,
        "signature_key_generation": 0,
        "flags": ["Is64Bit"],
        "address_space": "36Bit",
        "main_thread_priority": 44,
        "main_thread_core": 0,
        "main_thread_stack_size": "0x100000",
        "system_resource_size": "0x0",
        "permissions": ["ApplicationInfo", "Debug"],
        "services": [{"name": "fake:*", "host": True}, "acc:u0", "fsp-srv", "hid", "sm:", "vi:u"],
        "acid": {"version": 0, "flags": ["Production"], "memory_pool": "Application"},
        "aci0": {
            "file_access": {
                "content_owner_ids": ["0x0100abcdef000000"],
                "save_data_owners": [{"id": "0x0100abcdef000000", "access": "Read"}],
            }
        },
    }
    assert capabilities == [
        {"kind": "ThreadInfo", "lowest_priority": 59, "highest_priority": 28, "min_core": 0, "max_core": 2},
        {"kind": "Syscalls", "calls": ["SetHeapSize", "MapMemory", "CreateThread", "SendSyncRequest", "GetInfo"]},
        {"kind": "MapRange", "address": "0x80060000", "size": "0x10000", "read_only": False, "static": False},
        {"kind": "MapIoPage", "address": "0x70000000"},
        {"kind": "Interrupts", "numbers": [10]},
        {"kind": "ProgramType", "type": "Application"},
        {"kind": "KernelVersion", "major": 6, "minor": 0},
        {"kind": "HandleTable", "size": 512},
        {"kind": "Debug", "allow_debug": True, "force_debug_prod": False, "force_debug": False},
    ]


def test_halves_that_differ_have_their_own_tables(owners: bytearray) -> None:
    owners[0x350 + 0x44] = 0x02  # A permission only the ACI0 has.
    owners[0x350 + 0x80] = 0x05  # "fake:*" is used, not hosted.
    owners[0x350 + 0xB0 + 36 : 0x350 + 0xB0 + 40] = b"\xff" * 4
    table: dict[str, Any] = comes_back(bytes(owners)).to_dict()
    assert not {"services", "permissions", "kernel_capabilities"} & set(table)
    assert table["acid"]["services"][0] == {"name": "fake:*", "host": True}
    assert table["aci0"]["services"][0] == "fake:*"
    assert table["acid"]["file_access"]["permissions"] == ["ApplicationInfo", "Debug"]
    assert table["aci0"]["file_access"]["permissions"] == ["BootModeControl", "Debug"]
    assert table["aci0"]["kernel_capabilities"][-2] == {"kind": "Padding"}


@pytest.mark.parametrize(
    ("offset", "written", "key", "plain"),
    [
        (0x04, b"\x01\x02", "signature_key_generation", 0x201),
        (
            0x0C,
            b"\xff",
            "flags",
            [
                "Is64Bit",
                "OptimizeMemoryAllocation",
                "DisableDeviceAddressSpaceMerge",
                "EnableAliasRegionExtraSize",
                "PreventCodeReads",
            ],
        ),
        (0x0C, b"\x0a", "address_space", 5),
        (0x0C, b"\x04", "address_space", "32BitNoReserved"),
        (0x0C, b"\x00", "address_space", "32Bit"),
        (0x0C, b"\x06", "address_space", "39Bit"),
        (0x0E, b"\x3f", "main_thread_priority", 63),
        (0x0F, b"\x03", "main_thread_core", 3),
        (0x14, b"\x00\x00\xe0\x1f", "system_resource_size", "0x1fe00000"),
        (0x18, b"\x07", "version", 7),
        (0x1C, b"\x00\x00\x01\x00", "main_thread_stack_size", "0x10000"),
        (0x20, b"0123456789abcdef", "name", "0123456789abcdef"),
        (0x30, b"LA-H-AAAAA", "product_code", "LA-H-AAAAA"),
        (0x08, b"\x01\x02", "unknown", {"0x0008": "0102"}),
        (0x0D, b"\x01", "unknown", {"0x000d": "01"}),
        (0x10, b"\x01", "unknown", {"0x0010": "01"}),
        (0x6F, b"\x01", "unknown", {"0x006f": "01"}),
        (0x34C, b"gap!", "gaps", {"0x034c": "67617021"}),
    ],
)
def test_a_field_of_the_meta_header(owners: bytearray, offset: int, written: bytes, key: str, plain: Any) -> None:
    owners[offset : offset + len(written)] = written
    assert comes_back(bytes(owners)).to_dict()[key] == plain


@pytest.mark.parametrize(
    ("offset", "written", "key", "plain"),
    [
        (0x000, b"\x5a" * 0x100, "signature", "5a" * 0x100),
        (0x100, b"\xa5" * 0x100, "modulus", "a5" * 0x100),
        (0x204, b"\x00\x00", "signed_size", "0x0"),
        (0x208, b"\x01", "version", 1),
        (0x20C, b"\x83\x01", "flags", ["Production", "UnqualifiedApproval", "LoadBrowserModule", "0x100"]),
        (0x20C, b"\x04", "memory_pool", "Applet"),
        (0x20C, b"\x3c", "memory_pool", 15),
        (0x210, bytes(8), "program_id_min", "0x0000000000000000"),
        (0x218, b"\xff" * 8, "program_id_max", "0xffffffffffffffff"),
        (0x238, b"\x01", "unknown", {"0x0238": "01"}),
    ],
)
def test_a_field_of_the_acid(owners: bytearray, offset: int, written: bytes, key: str, plain: Any) -> None:
    owners[0x80 + offset : 0x80 + offset + len(written)] = written
    table: dict[str, Any] = comes_back(bytes(owners)).to_dict()
    assert table["acid"][key] == plain


@pytest.mark.parametrize(("offset", "key"), [(0x04, "0x0004"), (0x18, "0x0018"), (0x38, "0x0038")])
def test_reserved_bytes_of_the_aci0(owners: bytearray, offset: int, key: str) -> None:
    owners[0x350 + offset] = 0x77
    table: dict[str, Any] = comes_back(bytes(owners)).to_dict()
    assert table["aci0"]["unknown"] == {key: "77"}


def test_reserved_bytes_of_the_file_access_tables(owners: bytearray) -> None:
    owners[0x2C0 + 3] = 0x11
    owners[0x390 + 1] = 0x22
    table: dict[str, Any] = comes_back(bytes(owners)).to_dict()
    assert table["acid"]["file_access"]["unknown"] == {"0x0003": "11"}
    assert table["aci0"]["file_access"]["unknown"] == {"0x0001": "22"}


def test_bytes_between_owners_and_their_ids_are_kept(owners: bytearray) -> None:
    owners[0x350 + 0x40 + 0x28 + 5] = 0x33
    assert comes_back(bytes(owners)).gaps == ((0x3BD, b"\x33"),)


def small(fac: bytes = b"", sac: bytes = b"", kac: bytes = b"") -> bytes:
    """A file whose ACID has tables of the given bytes, one right behind the other, and whose ACI0 has none."""
    offsets = 0x240, 0x240 + len(fac), 0x240 + len(fac) + len(sac)
    size = offsets[2] + len(kac)
    header = b"".join(
        (
            bytes(0x200) + b"ACID" + (size - 0x100).to_bytes(4, "little") + bytes(0x18),
            *(value.to_bytes(4, "little") for pair in zip(offsets, map(len, (fac, sac, kac)), strict=True) for value in pair),
            bytes(8),
        )
    )
    aci0 = b"ACI0" + bytes(0x3C)
    meta = b"META" + bytes(0x6C) + b"".join(value.to_bytes(4, "little") for value in (0x80 + size, 0x40, 0x80, size))
    return meta + header + fac + sac + kac + aci0


def test_tables_that_do_not_stand_where_usual() -> None:
    sac = b"\x02abc\x80d"
    npdm = comes_back(small(fac=b"\x01" + bytes(0x2B), sac=sac, kac=b"\xff" * 4))
    assert npdm.acid.services_offset == 0x240 + 0x2C
    assert npdm.acid.kernel_capabilities_offset == 0x240 + 0x2C + 6
    assert npdm.aci0_offset == 0x80 + 0x240 + 0x2C + 6 + 4
    assert npdm.aci0.file_access is None
    assert npdm.aci0.file_access_offset == 0
    assert npdm.acid.services == (Service("abc"), Service("d", host=True))
    table: dict[str, Any] = npdm.to_dict()
    assert table["acid"]["services_offset"] == "0x26c"
    assert table["aci0"]["file_access"] is False


def test_owners_of_the_acid() -> None:
    fac = bytes([1, 2, 1, 0]) + bytes(0x28) + b"".join(each.to_bytes(8, "little") for each in (7, 8, 9)) + b"more"
    npdm = comes_back(small(fac=fac))
    access = npdm.acid.file_access
    assert access is not None
    assert access.content_owner_ids == (7, 8)
    assert access.save_data_owner_ids == (9,)
    assert access.size == 0x2C + 24 + 4
    assert npdm.gaps == ((0x80 + 0x240 + 0x2C + 24, b"more"),)


def test_tables_may_overlap_where_they_agree(owners: bytearray) -> None:
    owners[0x2A8:0x2B0] = owners[0x2B0:0x2B8]
    owners[0x320:0x34C] = b"\x02abc" * 11
    npdm = comes_back(bytes(owners))
    assert npdm.acid.services_offset == 0x2A0
    assert npdm.acid.services == (Service("abc"),) * 11
    assert npdm.acid.kernel_capabilities == (RawCapability(0x63626102),) * 11
    other = dataclasses.replace(npdm.acid, services=(Service("abd"),) * 11)
    with pytest.raises(FormatError, match="NPDM: NPDM ACID KAC at 0x320 overlaps NPDM ACID SAC at 0x320"):
        dataclasses.replace(npdm, acid=other).to_bytes()


def test_services_with_bits_that_mean_nothing() -> None:
    sac = bytes([0x78 | 0x80]) + b"x" + b"\x07\xff\xfe345678" + b"\x00\x00"
    npdm = comes_back(small(sac=sac))
    assert npdm.acid.services == (Service("x", host=True, control=0x78), Service("\udcff\udcfe345678"), Service("\0"))
    table: dict[str, Any] = npdm.to_dict()
    assert table["acid"]["services"] == [{"name": "x", "host": True, "control": 0x78}, "hex:fffe333435363738", "\0"]


# Input that is broken


def patched(data: bytearray, offset: int, value: int, width: int = 4) -> bytes:
    data[offset : offset + width] = value.to_bytes(width, "little")
    return bytes(data)


@pytest.mark.parametrize(
    ("offset", "value", "problem"),
    [
        (0x70, 0x7F, "NPDM META header at 0x0, field aci0_offset: it lies in the META header, which has 0x80 bytes"),
        (0x78, 0x00, "NPDM META header at 0x0, field acid_offset: it lies in the META header"),
        (0x70, 0x42C, "NPDM META header at 0x0, field aci0_offset: 0xdc bytes at 0x42c, the file has 0x42c"),
        (0x74, 0xDD, "NPDM META header at 0x0, field aci0_offset: 0xdd bytes at 0x350, the file has 0x42c"),
        (0x7C, 0xFFFFFFFF, "NPDM META header at 0x0, field acid_offset: 0xffffffff bytes at 0x80"),
        (0x78, 0xFFFFFFFF, "NPDM META header at 0x0, field acid_offset: 0x2cc bytes at 0xffffffff"),
        (0x7C, 0x23F, "NPDM ACID header at 0x80: needs 0x240 bytes, the last 0x1 are missing"),
        (0x74, 0x3F, "NPDM ACI0 header at 0x350: needs 0x40 bytes, the last 0x1 are missing"),
        (0x280, 0, r"NPDM ACID at 0x280, field magic: magic is b'\x00\x00\x00\x00', not b'ACID'"),
        (0x350, 0, r"NPDM ACI0 at 0x350, field magic: magic is b'\x00\x00\x00\x00', not b'ACI0'"),
        (0x2A4, 0x8D, "NPDM ACID header at 0x80, field fac_offset: 0x8d bytes at 0x240, it has 0x2cc"),
        (0x2A0, 0xFFFFFFF0, "NPDM ACID header at 0x80, field fac_offset: 0x2c bytes at 0xfffffff0"),
        (0x2AC, 0x5D, "NPDM ACID header at 0x80, field sac_offset: 0x5d bytes at 0x270, it has 0x2cc"),
        (0x2B0, 0x2A4, "NPDM ACID header at 0x80, field kac_offset: 0x2c bytes at 0x2a4, it has 0x2cc"),
        (0x2B4, 0x2B, "NPDM kernel capabilities at 0x320, field kac_size: 0x2b bytes are no whole number of words"),
        (0x2A4, 0x2B, "NPDM file access control at 0x2c0: needs 0x2c bytes, the last 0x1 are missing"),
        (0x2AC, 0x22, "NPDM service access at 0x30e: a name of 4 bytes runs over the table's end by 1"),
        (0x374, 0x1B, "NPDM file access header at 0x390: needs 0x1c bytes, the last 0x1 are missing"),
        (0x370, 0xDC, "NPDM ACI0 header at 0x350, field fah_offset: 0x38 bytes at 0xdc, it has 0xdc"),
        (0x378, 0xDC, "NPDM ACI0 header at 0x350, field sac_offset: 0x23 bytes at 0xdc, it has 0xdc"),
        (0x380, 0xDC, "NPDM ACI0 header at 0x350, field kac_offset: 0x2c bytes at 0xdc, it has 0xdc"),
        (0x39C, 0x39, "NPDM file access header at 0x390, field content_owners: 0xc bytes at 0x39, it has 0x38"),
        (0x3A0, 0x1D, "NPDM file access header at 0x390, field content_owners: 0x1d bytes at 0x1c, it has 0x38"),
        (0x3A4, 0xFFFFFFFF, "NPDM file access header at 0x390, field save_data_owners: 0x10 bytes at 0xffffffff, it has 0x38"),
        (0x3A0, 3, "NPDM file access header at 0x3ac, field content_owners: 1 owners do not fit 0x3 bytes"),
        (0x3AC, 2, "NPDM file access header at 0x3ac, field content_owners: 2 owners do not fit 0xc bytes"),
        (0x3AC, 0xFFFFFFFF, "NPDM file access header at 0x3ac, field content_owners: 4294967295 owners do not fit 0xc bytes"),
        (0x3B8, 2, "NPDM file access header at 0x3b8, field save_data_owners: 2 owners do not fit 0x10 bytes"),
    ],
)
def test_offsets_and_counts_outside_their_parents(owners: bytearray, offset: int, value: int, problem: str) -> None:
    with pytest.raises(CorruptError) as caught:
        Npdm.read(patched(owners, offset, value))
    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize(
    ("offset", "count", "problem"),
    [(0x2C1, 1, r"1 \+ 0 ids need 0x34 bytes"), (0x2C2, 1, r"0 \+ 1 ids need 0x34 bytes"), (0x2C2, 255, r"0 \+ 255 ids need 0x824 bytes")],
)
def test_too_many_owners_of_the_acid(owners: bytearray, offset: int, count: int, problem: str) -> None:
    with pytest.raises(CorruptError, match=f"NPDM file access control at 0x2c1, field content_owner_id_count: {problem}, it has 0x2c"):
        Npdm.read(patched(owners, offset, count, 1))


def test_what_is_no_npdm(owners: bytearray) -> None:
    with pytest.raises(NotThisFormatError, match=r"NPDM META header at 0x0, field magic: magic is b'ATEM', not b'META'"):
        Npdm.read(patched(owners, 0, int.from_bytes(b"ATEM", "little")))
    with pytest.raises(NotThisFormatError):
        Npdm.read(b"")
    with pytest.raises(CorruptError, match="NPDM META header at 0x0: needs 0x80 bytes"):
        Npdm.read(b"META")
    with pytest.raises(CorruptError, match="NPDM: 0x8001 bytes, at most 0x8000 are read"):
        Npdm.read(bytes(owners).ljust(0x8001, b"\0"))


@pytest.mark.parametrize("length", range(0, 0x42C, 7))
def test_every_cut(owners: bytearray, length: int) -> None:
    with pytest.raises((CorruptError, NotThisFormatError)):
        Npdm.read(owners[:length])


# From scratch


def test_a_program_id_is_enough() -> None:
    npdm = Npdm.from_dict({"program_id": 0x0100FEEDFACE0000})
    again = comes_back(npdm.to_bytes())
    assert again == npdm
    assert again.name == "Application"
    assert again.flags == MetaFlags.IS_64_BIT
    assert again.address_space == AddressSpace.BITS_39
    assert (again.acid.program_id_min, again.acid.program_id_max, again.aci0.program_id) == (0x0100FEEDFACE0000,) * 3
    assert again.acid.kernel_capabilities == (
        ThreadInfo(59, 28, 0, 2),
        Syscalls(tuple(range(0x01, 0x38))),
        ProgramKind(ProgramType.APPLICATION),
        KernelVersion(3, 0),
        HandleTable(512),
    )
    assert again.aci0.kernel_capabilities == again.acid.kernel_capabilities


def test_the_usual_places() -> None:
    data = Npdm.from_dict({"program_id": 1, "services": ["a", "bb"], "syscalls": [1]}).to_bytes()
    meta, acid = decode_bytes(META_HEADER, data), decode_bytes(ACID_HEADER, data[0x80:])
    assert (meta.acid_offset, meta.acid_size, meta.aci0_offset, meta.aci0_size) == (0x80, 0x294, 0x320, 0x84)
    assert (acid.fac_offset, acid.fac_size) == (0x240, 0x2C)
    assert (acid.sac_offset, acid.sac_size) == (0x270, 5)
    assert (acid.kac_offset, acid.kac_size) == (0x280, 0x14)
    assert acid.signed_size == 0x194
    assert len(data) == 0x3A4
    assert data[0x80 + 0x270 :][:5] == b"\x00a\x01bb"


def test_tables_of_one_half() -> None:
    table = {
        "program_id": "0x0100feedface0000",
        "services": ["hid"],
        "syscalls": ["svcBreak", 0x7F, 0x80],
        "permissions": ["SdCard"],
        "acid": {"services": ["hid", "vi:u"], "file_access": {"permissions": ["FullPermission"]}, "program_id_max": "0x0100feedface00ff"},
        "aci0": {"kernel_capabilities": []},
    }
    npdm = comes_back(Npdm.from_dict(table).to_bytes())
    assert npdm.acid.services == (Service("hid"), Service("vi:u"))
    assert npdm.aci0.services == (Service("hid"),)
    assert npdm.acid.kernel_capabilities[1] == Syscalls((0x26, 0x7F, 0x80))
    assert npdm.aci0.kernel_capabilities == ()
    assert npdm.acid.file_access == FileAccessControl(permissions=FsPermissions.FULL_PERMISSION)
    assert npdm.aci0.file_access == FileAccessHeader(permissions=FsPermissions.SD_CARD)
    assert npdm.acid.program_id_max == 0x0100FEEDFACE00FF


def test_a_longer_table_moves_what_follows(owners: bytearray) -> None:
    table: dict[str, Any] = Npdm.read(owners).to_dict()
    table["services"] += ["nvdrv", "audout:u", "set:sys"]
    npdm = comes_back(Npdm.from_dict(table).to_bytes())
    assert npdm.aci0.services[-1] == Service("set:sys")
    assert npdm.acid.kernel_capabilities_offset is None


def test_a_longer_table_does_not_fit_a_given_place() -> None:
    table: dict[str, Any] = Npdm.read(small(sac=b"\x02abc", kac=b"\xff" * 4)).to_dict()
    table["acid"]["services"].append("more")
    with pytest.raises(FormatError, match="NPDM: NPDM ACID KAC at 0x2c4 overlaps NPDM ACID SAC at 0x2c0: leave out offsets and sizes"):
        Npdm.from_dict(table).to_bytes()


def test_bytes_in_a_gap_that_is_none_any_longer(owners: bytearray) -> None:
    table: dict[str, Any] = Npdm.read(patched(owners, 0x34C, 5)).to_dict()
    table["services"] += ["nvdrv", "audout:u", "set:sys"]
    with pytest.raises(FormatError, match="NPDM, field gaps: unknown bytes at 0x34c lie in NPDM ACID KAC by now: remove them"):
        Npdm.from_dict(table).to_bytes()


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({}, "program_id: missing"),
        ({"program_id": "x"}, "program_id: 'x' is not a number"),
        ({"name": "x" * 17}, "name: 'xxxxxxxxxxxxxxxxx' has 17 bytes, 16 are the most"),
        ({"services": ["nine bytes"]}, "[services.0] name: 'nine bytes' has 10 bytes, 8 are the most"),
        ({"services": ["ok", ""]}, "[services] 1: a service has a name"),
        ({"services": [{"name": "a", "host": 2}]}, "[services.0] host: 2 is not between 0 and 1"),
        ({"services": [{"name": "a", "control": 1}]}, "[services.0] control: 0x1 has bits other than 0x78"),
        ({"services": [{"host": True}]}, "[services.0] name: missing"),
        ({"services": "hid"}, "services: 'hid' is not a list"),
        ({"syscalls": ["SetHeapsize"]}, "[syscalls] 0: 'SetHeapsize' is not one of SetHeapSize"),
        (
            {"syscalls": ["ExitProces"]},
            (
                "[syscalls] 0: 'ExitProces' is not one of SetHeapSize, SetMemoryPermission, SetMemoryAttribute and "
                "121 more, or a number: did you mean ExitProcess?"
            ),
        ),
        ({"syscalls": [192]}, "[syscalls] 0: 192 is not below 0xc0"),
        ({"syscalls": [1], "kernel_capabilities": []}, "syscalls: stands for kernel_capabilities, which are given as well"),
        ({"kernel_capabilities": [{"kind": "X"}]}, "[kernel_capabilities.0] kind: 'X' is not one of ThreadInfo, Syscalls"),
        ({"kernel_capabilities": [{}]}, "[kernel_capabilities.0] kind: None is not one of"),
        ({"kernel_capabilities": [{"kind": "HandleTable", "size": 1024}]}, "[kernel_capabilities.0] size: 1024 is not between 0 and 1023"),
        ({"kernel_capabilities": [{"kind": "HandleTable", "max": 1}]}, "[kernel_capabilities.0] max: no such key"),
        ({"kernel_capabilities": [{"kind": "MapIoPage", "address": 1}]}, "[kernel_capabilities] 0: 0x1 is no multiple of 0x1000"),
        ({"flags": ["0x2"]}, "flags: the bits 0x2 are not flags"),
        ({"address_space": "64Bit"}, "address_space: '64Bit' is not one of 32Bit, 36Bit, 32BitNoReserved, 39Bit, or a number"),
        ({"address_space": 8}, "address_space: 8 is not between 0 and 7"),
        ({"permissions": ["Everything"]}, "[permissions] 0: 'Everything' is not one of ApplicationInfo"),
        ({"acid": {"signature": "00"}}, "[acid] signature: 1 bytes, 256 are needed"),
        ({"acid": {"memory_pool": 16}}, "[acid] memory_pool: 16 is not between 0 and 15"),
        ({"acid": {"flags": [4]}}, "[acid] flags: the bits 0x4 are not flags"),
        ({"acid": {"file_access": {"sise": 1}}}, "[acid.file_access] sise: no such key: did you mean size?"),
        ({"acid": {"file_access": True}}, "[acid] file_access: True is not a table"),
        (
            {"aci0": {"file_access": {"save_data_owners": [{"id": 1, "access": "All"}]}}},
            "[aci0.file_access.save_data_owners.0] access: 'All'",
        ),
        (
            {"aci0": {"file_access": {"save_data_owners": [{"id": 1, "acces": 1}]}}},
            "[aci0.file_access.save_data_owners.0] acces: no such key",
        ),
        ({"aci0": {"file_access": {"content_owner_ids": [1, "q"]}}}, "[aci0.file_access.content_owner_ids] 1: 'q' is not a number"),
        ({"aci0": {"acid": 1}}, "[aci0] acid: no such key"),
        ({"unknown": {"0x80": "00"}}, "[unknown] 0x80: lies outside the structure of 0x80 bytes"),
        ({"main_thread_size": 1}, "main_thread_size: no such key"),
    ],
)
def test_errors_name_the_key(table: dict[str, Any], problem: str) -> None:
    whole = {"program_id": 1, **table} if table else {}
    with pytest.raises(FormatError) as caught:
        Npdm.from_dict(whole)
    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"address_space": 8}, "NPDM META header, field address_space: 8 does not fit 3 bits"),
        ({"flags": 2}, "NPDM META header, field flags"),
        ({"main_thread_priority": 256}, "NPDM META header, field main_thread_priority"),
        ({"file_size": 0x400}, "NPDM, field file_size: 0x400 bytes, it needs 0x42c and may have 0x8000"),
        ({"file_size": 0x8001}, "NPDM, field file_size: 0x8001 bytes"),
        ({"gaps": ((0x42C, b"x"),)}, "NPDM, field gaps: unknown bytes at 0x42c, it has 0x42c: remove them"),
        ({"acid_offset": 0x7FF0}, "NPDM: "),
        ({"acid": {"memory_pool": 16}}, "NPDM ACID, field memory_pool: 16 does not fit 4 bits"),
        ({"acid": {"size": 0x100}}, "NPDM ACID, field size: 0x100 bytes are given, it needs 0x2cc: leave the size out"),
        ({"acid": {"services": (Service(""),)}}, "NPDM service access, field name: '' has 0 bytes, 1 to 8 are possible"),
        ({"acid": {"services": (Service("a", control=1),)}}, "NPDM service access, field control: 0x1 has bits other than 0x78"),
        (
            {"acid": {"file_access": FileAccessControl(content_owner_ids=(1 << 64,))}},
            "NPDM file access control: an id does not fit 8 bytes",
        ),
        (
            {"acid": {"file_access": FileAccessControl(content_owner_ids=(1,) * 256)}},
            "NPDM file access control, field content_owner_id_count",
        ),
        ({"acid": {"file_access": FileAccessControl(size=4)}}, "NPDM file access control, field size: 0x4 bytes are given, it needs 0x2c"),
        (
            {"aci0": {"file_access": FileAccessHeader(content_owner_ids=(1,), content_owners_size=4)}},
            "NPDM file access header, field size: 0x4 bytes are given, it needs 0xc",
        ),
        (
            {"aci0": {"file_access": FileAccessHeader(save_data_owners=(SaveDataOwner(1, 256),))}},
            "NPDM file access header, field save_data_owners: the access 256 does not fit a byte",
        ),
    ],
)
def test_values_that_do_not_fit(owners: bytearray, changes: dict[str, Any], problem: str) -> None:
    npdm = Npdm.read(owners)
    for half in ("acid", "aci0"):
        if half in changes:
            changes = {half: dataclasses.replace(getattr(npdm, half), **changes[half])}
    with pytest.raises(FormatError) as caught:
        dataclasses.replace(npdm, **changes).to_bytes()
    assert str(caught.value).startswith(problem)
