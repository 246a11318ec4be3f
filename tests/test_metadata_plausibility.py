from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs.errors import FormatError
from oboromi_fs.metadata import CertificateChain, Cnmt, Metadata, Nacp, Npdm, TicketFile
from oboromi_fs.metadata.plausibility import Finding, findings
from tests.test_metadata_certificates import certificate_bytes

if TYPE_CHECKING:
    from pathlib import Path

NACP: dict[str, Any] = {"name": "Game", "publisher": "Me", "version": "1.0"}
NPDM: dict[str, Any] = {"program_id": 0x0100ABCDEF000000, "services": ["fsp-srv"]}
HASH = "ab" * 32
PROGRAM: dict[str, Any] = {"type": "Program", "hash": HASH, "size": 4}
CNMT: dict[str, Any] = {"title_id": 0x0100ABCDEF000000, "type": "Application", "contents": [PROGRAM]}
TICKET: dict[str, Any] = {"rights_id": "0100abcdef0000000000000000000005", "title_key": "ab" * 16}


@pytest.mark.parametrize("name", ["main_0100abcdef000000.npdm", "main_0100abcdef000800.npdm", "main_owners.npdm", "control.nacp"])
def test_nothing_is_wrong_with_files_of_another_tool(testdata: Path, name: str) -> None:
    data = (testdata / "exe" / name).read_bytes()
    value: Metadata = Npdm.read(data) if name.endswith("npdm") else Nacp.read(data)
    assert findings(value) == []


@pytest.mark.parametrize("value", [Nacp.from_dict(NACP), Npdm.from_dict(NPDM), Cnmt.from_dict(CNMT), TicketFile.from_dict(TICKET)])
def test_nothing_is_wrong_with_what_is_built_by_default(value: Metadata) -> None:
    assert findings(value) == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"file_size": 0x3100}, "has 0x3100 bytes, and should have 0x4000"),
        ({"trailing": "00"}, "has 0x4001 bytes, and should have 0x4000"),
        (
            {"supported_languages": ["AmericanEnglish", "Dutch"], "titles": {"Dutch": {"name": ""}}},
            "has no title in Dutch, which it supports",
        ),
        ({"titles": {"Dutch": {"name": "hex:ff"}}}, "the title in Dutch is not UTF-8"),
        ({"version": ""}, "has no version to show"),
        ({"version": "hex:ff"}, "display_version is not UTF-8"),
        ({"rating_ages": {"CERO": 100, "ESRB": -2}}, "rates it for the age of 100, -2"),
        ({"logo_type": 9}, "logo_type is 0x9, which has no meaning that is known"),
        (
            {"user_account_save_data_size": 9, "user_account_save_data_size_max": 8},
            "user_account_save_data_size is 0x9, more than the 0x8 of user_account_save_data_size_max",
        ),
        ({"device_save_data_journal_size": 9}, "device_save_data has a journal and no size"),
    ],
)
def test_a_nacp_that_is_odd(changes: dict[str, Any], text: str) -> None:
    assert findings(Nacp.from_dict({**NACP, **changes})) == [Finding(text, is_wrong=False)]


def test_a_nacp_without_titles() -> None:
    assert findings(Nacp.from_dict({"version": "1"})) == [Finding("has no title in any language", is_wrong=False)]


@pytest.mark.parametrize(
    ("changes", "text", "is_wrong"),
    [
        (
            {"acid": {"program_id_max": 0x0100ABCDEEFFFFFF, "program_id_min": 0}},
            "is for program 0100abcdef000000, and its ACID for 0000000000000000 to 0100abcdeeffffff",
            True,
        ),
        ({"main_thread_priority": 64}, "main_thread_priority is 64: consoles know 0 to 63", True),
        ({"main_thread_core": 4}, "main_thread_core is 4: consoles know 0 to 3", True),
        ({"main_thread_stack_size": 0x1001}, "main_thread_stack_size is 0x1001: a multiple of 0x1000 is needed", True),
        ({"main_thread_stack_size": 0}, "main_thread_stack_size is 0x0: a multiple of 0x1000 is needed", True),
        (
            {"system_resource_size": 0x20000000},
            "system_resource_size is 0x20000000: a multiple of 0x200000 up to 0x1fe00000 is needed",
            True,
        ),
        ({"system_resource_size": 0x1000}, "system_resource_size is 0x1000: a multiple of 0x200000 up to 0x1fe00000 is needed", True),
        ({"acid": {"services": ["fsp-*"]}}, "", True),
        ({"acid": {"services": [{"name": "fsp-srv", "host": True}]}}, "asks for services that its ACID does not allow: fsp-srv", True),
        (
            {"permissions": ["SdCard", "Debug"], "acid": {"file_access": {"permissions": ["Debug"]}}},
            "asks for file access that its ACID does not allow, and does not get it: SdCard",
            False,
        ),
        (
            {
                "kernel_capabilities": [{"kind": "Syscalls", "calls": [1, 2]}],
                "acid": {"kernel_capabilities": [{"kind": "Syscalls", "calls": [1]}]},
            },
            "asks for system calls that its ACID does not allow: 0x2",
            True,
        ),
        (
            {
                "kernel_capabilities": [{"kind": "HandleTable", "size": 512}],
                "acid": {"kernel_capabilities": [{"kind": "HandleTable", "size": 511}]},
            },
            "asks the kernel for what its ACID does not allow: HandleTable(size=512)",
            True,
        ),
        (
            {
                "kernel_capabilities": [{"kind": "Debug", "force_debug": True}],
                "acid": {"kernel_capabilities": [{"kind": "Debug"}]},
            },
            "asks the kernel for what its ACID does not allow: Debug(allow_debug=False, force_debug_prod=False, force_debug=True)",
            True,
        ),
    ],
)
def test_an_npdm_that_no_console_runs(changes: dict[str, Any], text: str, is_wrong: bool) -> None:  # A column of a table.
    assert findings(Npdm.from_dict({**NPDM, **changes})) == ([Finding(text, is_wrong)] if text else [])


def test_an_address_space_there_is_not() -> None:
    found = findings(dataclasses.replace(Npdm.from_dict(NPDM), address_space=7))
    assert Finding("address_space is 7, which there is not") in found


@pytest.mark.parametrize(
    ("changes", "text", "is_wrong"),
    [
        ({"extended_header": False}, "lacks the extended header of its type", True),
        ({"contents": [{**PROGRAM, "content_id": "cd" * 16}]}, f"content {'cd' * 16} has another hash, which begins {'ab' * 16}", True),
        ({"contents": [PROGRAM, {**PROGRAM, "hash": "cd" * 32}]}, "has two contents of type 1 for program 0", False),
        ({"contents": [PROGRAM, {**PROGRAM, "type": "Control"}]}, f"lists content {'ab' * 16} twice", True),
        ({"contents": []}, "lists no contents", False),
        ({"extended_header": {"patch_id": 5}}, "names 0000000000000005 as its update, and 0100abcdef000800 would be", False),
        (
            {"type": "Patch", "title_id": 0x0100ABCDEF000800, "extended_header": {"application_id": 7}},
            "belongs to 0000000000000007, and by its own id to 0100abcdef000000",
            False,
        ),
        (
            {"type": "AddOnContent", "title_id": 0x0100ABCDEF001001, "extended_header": {"application_id": 7}},
            "belongs to 0000000000000007, and by its own id to 0100abcdef000000",
            False,
        ),
        (
            {"type": "Patch", "title_id": 0x0100ABCDEF000800, "extended_data": "01" * 8, "extended_header": {"extended_data_size": 4}},
            "has 0x8 bytes of extended data, and says 0x4",
            False,
        ),
    ],
)
def test_a_content_meta_that_contradicts_itself(changes: dict[str, Any], text: str, is_wrong: bool) -> None:  # So here.
    assert Finding(text, is_wrong) in findings(Cnmt.from_dict({**CNMT, **changes}))


def test_extended_data_that_lie() -> None:
    table = {**CNMT, "type": "Patch", "title_id": 0x0100ABCDEF000800, "extended_data": "ff" * 0x1C}
    (found,) = findings(Cnmt.from_dict(table))
    assert found.is_wrong
    assert found.text.startswith("its extended data cannot be read: 4294967295 of CNMT patch history")


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        ({"common_key_id": 4}, [("is for key generation 4, and its rights id for 5", True)]),
        ({"common_key_id": 0, "property_mask": 5}, []),  # As some tools wrote it.
        ({"rights_id": "00" * 16, "common_key_id": 0}, []),
        ({"format_version": 1}, [("has format version 1, not 2", False)]),
        ({"license_type": 77}, [("license_type is 0x4d, which has no meaning that is known", False)]),
        (
            {"key_type": "Personalised"},
            [
                ("is personalised, and its title key block holds no RSA block", True),
                ("is personalised, and names no console", False),
            ],
        ),
    ],
)
def test_a_ticket_that_contradicts_itself(changes: dict[str, Any], texts: list[tuple[str, bool]]) -> None:
    assert findings(TicketFile.from_dict({**TICKET, **changes})) == [Finding(*each) for each in texts]


def test_a_common_ticket_with_an_rsa_block() -> None:
    ticket = TicketFile.from_dict({"rights_id": TICKET["rights_id"], "title_key_block": "ab" * 256})
    assert findings(ticket) == [Finding("is a common ticket, and there is something behind its title key", is_wrong=False)]


def test_a_chain_with_a_gap() -> None:
    (found,) = findings(CertificateChain.read(certificate_bytes(issuer=b"Root-CA00000004")))
    assert found == Finding("'Root-CA00000004-CA00000003' is signed by 'Root-CA00000004', which is not in the chain", is_wrong=False)


@given(data=st.data())
def test_any_metadata_is_judged(testdata: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["main_owners.npdm", "control.nacp"]))
    blob = bytearray((testdata / "exe" / name).read_bytes())
    for at in data.draw(st.lists(st.integers(0, len(blob) - 1), max_size=8)):
        blob[at] = data.draw(st.integers(0, 255))
    try:
        value: Metadata = Npdm.read(blob) if name.endswith("npdm") else Nacp.read(blob)
    except FormatError:
        return
    assert all(found.text for found in findings(value))
