"""Plausibility: what metadata say that contradicts itself, that a console refuses, or that is odd."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from oboromi_formats.cnmt import MetaType, RecordType
from oboromi_formats.nacp import NACP
from oboromi_formats.npdm import AddressSpace
from oboromi_formats.ticket import TitleKeyType
from oboromi_fs.errors import FormatError
from oboromi_fs.metadata.capabilities import (
    Debug,
    HandleTable,
    Interrupts,
    MapIoPage,
    MapRange,
    MapRegion,
    ProgramKind,
    Syscalls,
    ThreadInfo,
)
from oboromi_fs.metadata.certificates import CertificateChain
from oboromi_fs.metadata.cnmt import Cnmt
from oboromi_fs.metadata.extended_headers import HEADERS, WITH_DATA, AddOnContentHeader, ApplicationHeader, DeltaHeader, PatchHeader
from oboromi_fs.metadata.forms import kinds_of
from oboromi_fs.metadata.kinds import Choice, Text
from oboromi_fs.metadata.nacp import Nacp
from oboromi_fs.metadata.npdm import Npdm
from oboromi_fs.metadata.ticket import KEY_SIZE, TicketFile
from oboromi_fs.metadata.titles import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from oboromi_fs.metadata.capabilities import Capability
    from oboromi_fs.metadata.services import Service
    from oboromi_fs.metadata.text import Metadata

__all__ = ["Finding", "findings"]

_LOWEST_PRIORITY = 63
_CORES = 4
_PAGE = 0x1000
_RESOURCE_MOST, _RESOURCE_STEP = 0x1FE00000, 0x200000
_OLDEST_AGE = 99
_FORMAT_VERSION = 2


class Finding(NamedTuple):
    """Something about metadata that is not as it should be.

    Attributes:
        text: What it is, for people.
        is_wrong: Whether it contradicts itself or a console refuses it; if not, it is odd, and no more.
    """

    text: str
    is_wrong: bool = True


def findings(value: Metadata) -> list[Finding]:
    """Return what is wrong or odd about metadata; nothing about most.

    Args:
        value: Any of the classes of :mod:`oboromi_fs.metadata`.
    """
    found: list[Finding] = []
    if isinstance(value, Nacp):
        found += _nacp(value)
    elif isinstance(value, Npdm):
        found += _npdm(value)
    elif isinstance(value, Cnmt):
        found += _cnmt(value)
    elif isinstance(value, TicketFile):
        found += _ticket(value)
    elif isinstance(value, CertificateChain):
        found += [Finding(text, is_wrong=False) for text in value.problems()]
    if not isinstance(value, CertificateChain):
        found += _fields(value)
    return found


def _fields(value: Metadata) -> Iterator[Finding]:
    """What is odd about fields whatever they are: numbers without a meaning, text that is none."""
    for name, kind in kinds_of(type(value)).items():
        content = getattr(value, name)
        if isinstance(kind, Choice) and int(content) not in kind.members:
            yield Finding(f"{name} is {int(content):#x}, which has no meaning that is known", is_wrong=False)
        elif isinstance(kind, Text) and not _is_text(content):
            yield Finding(f"{name} is not UTF-8", is_wrong=False)


def _is_text(text: str) -> bool:
    return not any(0xDC80 <= ord(char) <= 0xDCFF for char in text)


# NACP


def _nacp(nacp: Nacp) -> Iterator[Finding]:
    size = nacp.file_size + len(nacp.trailing)
    if size != NACP.size:
        yield Finding(f"has {size:#x} bytes, and should have {NACP.size:#x}", is_wrong=False)
    if not any(title.name for title in nacp.titles):
        yield Finding("has no title in any language", is_wrong=False)
    nameless = [
        name
        for number, name in enumerate(LANGUAGES)
        if nacp.supported_languages >> number & 1 and not (number < len(nacp.titles) and nacp.titles[number].name)
    ]
    if nameless and any(title.name for title in nacp.titles):
        yield Finding(f"has no title in {', '.join(nameless)}, which it supports", is_wrong=False)
    for number, title in enumerate(nacp.titles):
        if not (_is_text(title.name) and _is_text(title.publisher)):
            yield Finding(f"the title in {LANGUAGES[number] if number < len(LANGUAGES) else number} is not UTF-8", is_wrong=False)
    if not nacp.display_version:
        yield Finding("has no version to show", is_wrong=False)
    odd = [age for age in nacp.rating_ages if not -1 <= age <= _OLDEST_AGE]
    if odd:
        yield Finding(f"rates it for the age of {', '.join(map(str, odd))}", is_wrong=False)
    for name in ("user_account_save_data", "device_save_data"):
        whole, most = getattr(nacp, f"{name}_size"), getattr(nacp, f"{name}_size_max")
        if most and whole > most:
            yield Finding(f"{name}_size is {whole:#x}, more than the {most:#x} of {name}_size_max", is_wrong=False)
        if getattr(nacp, f"{name}_journal_size") and not whole:
            yield Finding(f"{name} has a journal and no size", is_wrong=False)


# NPDM


def _npdm(npdm: Npdm) -> Iterator[Finding]:
    acid, aci0 = npdm.acid, npdm.aci0
    if not acid.program_id_min <= aci0.program_id <= acid.program_id_max:
        allowed = f"{acid.program_id_min:016x} to {acid.program_id_max:016x}"
        yield Finding(f"is for program {aci0.program_id:016x}, and its ACID for {allowed}")
    if npdm.main_thread_priority > _LOWEST_PRIORITY:
        yield Finding(f"main_thread_priority is {npdm.main_thread_priority}: consoles know 0 to {_LOWEST_PRIORITY}")
    if npdm.main_thread_core >= _CORES:
        yield Finding(f"main_thread_core is {npdm.main_thread_core}: consoles know 0 to {_CORES - 1}")
    if npdm.main_thread_stack_size % _PAGE or not npdm.main_thread_stack_size:
        yield Finding(f"main_thread_stack_size is {npdm.main_thread_stack_size:#x}: a multiple of {_PAGE:#x} is needed")
    resource = npdm.system_resource_size
    if resource > _RESOURCE_MOST or resource % _RESOURCE_STEP:
        limit = f"a multiple of {_RESOURCE_STEP:#x} up to {_RESOURCE_MOST:#x} is needed"
        yield Finding(f"system_resource_size is {resource:#x}: {limit}")
    if int(npdm.address_space) not in list(AddressSpace):
        yield Finding(f"address_space is {int(npdm.address_space)}, which there is not")
    if acid.file_access is not None and aci0.file_access is not None:
        kind = kinds_of(type(aci0.file_access))["permissions"]
        excess = aci0.file_access.permissions & ~acid.file_access.permissions
        names = kind.plain(excess)
        if isinstance(names, list) and names:
            yield Finding(f"asks for file access that its ACID does not allow, and does not get it: {_few(names)}", is_wrong=False)
    refused = [each.name for each in aci0.services if not _allowed(each, acid.services)]
    if refused:
        yield Finding(f"asks for services that its ACID does not allow: {_few(refused)}")
    yield from _kernel(aci0.kernel_capabilities, acid.kernel_capabilities)


def _few(names: Sequence[object]) -> str:
    shown = ", ".join(map(str, names[:8]))
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"


def _allowed(service: Service, allowed: tuple[Service, ...]) -> bool:
    """Whether a service is among those allowed; ``*`` at the end of one of those stands for any rest."""
    return any(
        each.host == service.host and (service.name.startswith(each.name[:-1]) if each.name.endswith("*") else each.name == service.name)
        for each in allowed
    )


def _kernel(asked: tuple[Capability, ...], allowed: tuple[Capability, ...]) -> Iterator[Finding]:
    calls = {call for each in asked if isinstance(each, Syscalls) for call in each.calls}
    calls -= {call for each in allowed if isinstance(each, Syscalls) for call in each.calls}
    if calls:
        yield Finding(f"asks for system calls that its ACID does not allow: {_few([f'{call:#x}' for call in sorted(calls)])}")
    for mine in asked:
        others = [each for each in allowed if type(each) is type(mine)]
        if isinstance(mine, ThreadInfo):
            ok = any(
                each.highest_priority <= mine.highest_priority
                and mine.lowest_priority <= each.lowest_priority
                and each.min_core <= mine.min_core
                and mine.max_core <= each.max_core
                for each in others
                if isinstance(each, ThreadInfo)
            )
        elif isinstance(mine, HandleTable):
            ok = any(mine.size <= each.size for each in others if isinstance(each, HandleTable))
        elif isinstance(mine, MapRange | MapIoPage | MapRegion | Interrupts | ProgramKind | Debug):
            ok = mine in others
        else:
            continue
        if not ok:
            yield Finding(f"asks the kernel for what its ACID does not allow: {mine}")


# CNMT


def _cnmt(cnmt: Cnmt) -> Iterator[Finding]:
    if cnmt.extended is None and cnmt.type in HEADERS:
        yield Finding("lacks the extended header of its type")
    yield from _related(cnmt)
    seen: set[tuple[int, int]] = set()
    ids: set[bytes] = set()
    for content in cnmt.contents:
        key = int(content.type), content.id_offset
        if content.content_id is not None:
            yield Finding(f"content {content.id.hex()} has another hash, which begins {content.hash[:0x10].hex()}")
        if key in seen and content.type != RecordType.DELTA_FRAGMENT:
            yield Finding(f"has two contents of type {int(content.type)} for program {content.id_offset}", is_wrong=False)
        if content.id in ids:
            yield Finding(f"lists content {content.id.hex()} twice")
        seen.add(key)
        ids.add(content.id)
    if not cnmt.contents and cnmt.type != MetaType.SYSTEM_UPDATE:
        yield Finding("lists no contents", is_wrong=False)
    if isinstance(cnmt.extended, WITH_DATA) and cnmt.extended.extended_data_size is not None:
        there, declared = len(cnmt.extended_data), cnmt.extended.extended_data_size
        yield Finding(f"has {there:#x} bytes of extended data, and says {declared:#x}", is_wrong=False)
    try:
        cnmt.history()
    except FormatError as wrong:
        yield Finding(f"its extended data cannot be read: {wrong.problem}")


def _related(cnmt: Cnmt) -> Iterator[Finding]:
    """Whether the ids of other titles are those that belong to the title's."""
    if isinstance(cnmt.extended, ApplicationHeader) and cnmt.extended.patch_id not in (0, cnmt.title_id + 0x800):
        yield Finding(f"names {cnmt.extended.patch_id:016x} as its update, and {cnmt.title_id + 0x800:016x} would be", is_wrong=False)
    if isinstance(cnmt.extended, PatchHeader | AddOnContentHeader | DeltaHeader):
        expected = {
            PatchHeader: cnmt.title_id - 0x800,
            AddOnContentHeader: cnmt.title_id - 0x1000 & ~0xFFF,
            DeltaHeader: cnmt.title_id & ~0xFFF,
        }[type(cnmt.extended)]
        application = cnmt.extended.application_id
        if application != expected:
            yield Finding(f"belongs to {application:016x}, and by its own id to {max(expected, 0):016x}", is_wrong=False)


# Tickets


def _ticket(ticket: TicketFile) -> Iterator[Finding]:
    generation = ticket.rights_id[-1]
    said = [number for number in (ticket.common_key_id, int(ticket.property_mask) & 0xFF) if number]
    if said and generation not in said and not (generation == 0 and ticket.common_key_id <= 1):
        yield Finding(f"is for key generation {ticket.common_key_id}, and its rights id for {generation}")
    if ticket.format_version != _FORMAT_VERSION:
        yield Finding(f"has format version {ticket.format_version}, not {_FORMAT_VERSION}", is_wrong=False)
    if ticket.key_type == TitleKeyType.COMMON and any(ticket.title_key_block[KEY_SIZE:]):
        yield Finding("is a common ticket, and there is something behind its title key", is_wrong=False)
    if ticket.key_type == TitleKeyType.PERSONALISED and not any(ticket.title_key_block[KEY_SIZE:]):
        yield Finding("is personalised, and its title key block holds no RSA block")
    if ticket.key_type == TitleKeyType.PERSONALISED and not ticket.device_id:
        yield Finding("is personalised, and names no console", is_wrong=False)
