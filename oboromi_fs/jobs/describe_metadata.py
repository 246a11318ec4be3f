"""What metadata files say, as data: the facts people ask for first, by name; all fields where they are wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oboromi_formats.cnmt import RecordType
from oboromi_fs.errors import FormatError
from oboromi_fs.jobs.describe_card import firmware_text
from oboromi_fs.metadata.capabilities import (
    Debug,
    HandleTable,
    KernelVersion,
    MapIoPage,
    MapRange,
    MapRegion,
    ProgramKind,
    Syscalls,
    ThreadInfo,
)
from oboromi_fs.metadata.certificates import CertificateChain
from oboromi_fs.metadata.cnmt import SYSTEM_TYPES, Cnmt
from oboromi_fs.metadata.extended_data import PatchData
from oboromi_fs.metadata.forms import kinds_of
from oboromi_fs.metadata.languages import best_title
from oboromi_fs.metadata.nacp import Nacp
from oboromi_fs.metadata.npdm import Npdm
from oboromi_fs.metadata.plausibility import findings
from oboromi_fs.metadata.records import META_TYPE, RECORD_TYPE
from oboromi_fs.metadata.ticket import TicketFile
from oboromi_fs.metadata.titles import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oboromi_fs.jobs.describe_nca import Description
    from oboromi_fs.metadata import Metadata
    from oboromi_fs.metadata.capabilities import Capability
    from oboromi_fs.protocols import Storage

__all__ = ["kernel_facts", "metadata_facts", "program_facts", "reader_of", "value_facts"]

_SAVE_DATA = ("user_account_save_data", "device_save_data")
_OTHER_DATA = ("temporary_storage", "cache_storage", "bcat_delivery_cache_storage")
_READERS: dict[str, tuple[str, type[Any]]] = {
    ".nacp": ("nacp", Nacp),
    ".npdm": ("npdm", Npdm),
    ".cnmt": ("cnmt", Cnmt),
    ".tik": ("ticket", TicketFile),
    ".cert": ("certificates", CertificateChain),
}


def reader_of(name: str, head: bytes = b"") -> tuple[str, type[Any]] | None:
    """Return what kind of metadata a file is, and the class that reads it; None if it is none.

    Args:
        name: Its name.
        head: Its first bytes: program metadata have a magic, whatever their name.
    """
    ending = name[name.rfind(".") :].lower()
    return _READERS.get(ending) or (_READERS[".npdm"] if head.startswith(b"META") else None)


def metadata_facts(name: str, storage: Storage, languages: Sequence[int] = (), *, fields: bool = False) -> Description | None:
    """Return what a metadata file says; None if it is none.

    Args:
        name: Its name.
        storage: Its bytes.
        languages: Preferred languages of titles, the best first.
        fields: Add all fields, as texts of it have them.

    Raises:
        FormatError: It is damaged.
    """
    found = reader_of(name, storage[:4].tobytes())
    if found is None:
        return None
    kind, reader = found
    value = reader.read(storage)
    node: Description = {"kind": kind, **value_facts(value, languages)}
    problems = [each.text for each in findings(value)]
    if problems:
        node["problems"] = problems
    if fields:
        node["fields"] = value.to_dict()
    return node


def value_facts(value: Metadata, languages: Sequence[int] = ()) -> Description:
    """Return what people ask for first of metadata, as data."""
    if isinstance(value, Nacp):
        return _nacp(value, languages)
    if isinstance(value, Npdm):
        return program_facts(value)
    if isinstance(value, Cnmt):
        return _cnmt(value)
    if isinstance(value, TicketFile):
        return _ticket(value)
    return _certificates(value) if isinstance(value, CertificateChain) else {}


def _plain(value: Metadata, *names: str) -> Description:
    """Fields by name, as texts have them."""
    kinds = kinds_of(type(value))
    return {name: kinds[name].plain(getattr(value, name)) for name in names}


def _nacp(nacp: Nacp, languages: Sequence[int]) -> Description:
    best = best_title(nacp.titles, languages)
    number = best[1] if best else -1
    data = {name: {"size": getattr(nacp, f"{name}_size"), "journal": getattr(nacp, f"{name}_journal_size")} for name in _SAVE_DATA}
    return {
        "name": best[0].name if best else "",
        "publisher": best[0].publisher if best else "",
        "display_version": nacp.display_version.partition("\0")[0],
        "language": LANGUAGES[number] if 0 <= number < len(LANGUAGES) else "",
        "names": {
            LANGUAGES[at] if at < len(LANGUAGES) else str(at): {"name": title.shown().name, "publisher": title.shown().publisher}
            for at, title in enumerate(nacp.titles)
            if title.shown()
        },
        **_plain(
            nacp,
            "supported_languages",
            "rating_ages",
            "attributes",
            "startup_user_account",
            "screenshot",
            "video_capture",
            "parental_control",
            "play_log_policy",
            "program_index",
            "save_data_owner_id",
            "add_on_content_base_id",
        ),
        **{name: sizes for name, sizes in data.items() if any(sizes.values())},
        **{f"{name}_size": getattr(nacp, f"{name}_size") for name in _OTHER_DATA if getattr(nacp, f"{name}_size")},
    }


def program_facts(npdm: Npdm) -> Description:
    """Return what program metadata say: how the program is started, and what it asks for."""
    aci0, acid = npdm.aci0, npdm.acid
    access = aci0.file_access
    return {
        **_plain(npdm, "name", "version", "address_space"),
        "product_code": npdm.product_code,
        "program_id": f"{aci0.program_id:016x}",
        "is_64_bit": bool(npdm.flags & 1),
        "flags": _plain(npdm, "flags")["flags"],
        "memory_pool": _plain_of(acid, "memory_pool"),
        "main_thread": {
            "priority": npdm.main_thread_priority,
            "core": npdm.main_thread_core,
            "stack_size": npdm.main_thread_stack_size,
        },
        "system_resource_size": npdm.system_resource_size,
        "file_access": _plain_of(access, "permissions") if access is not None else None,
        "content_owner_ids": [f"{each:016x}" for each in access.content_owner_ids] if access is not None else [],
        "save_data_owners": _plain_of(access, "save_data_owners") if access is not None else [],
        "services": [each.name for each in aci0.services if not each.host],
        "hosted_services": [each.name for each in aci0.services if each.host],
        "kernel": kernel_facts(aci0.kernel_capabilities),
    }


def _plain_of(value: Any, name: str) -> Any:
    return kinds_of(type(value))[name].plain(getattr(value, name))


def kernel_facts(capabilities: Sequence[Capability]) -> Description:
    """Return what kernel capabilities ask for."""
    facts: Description = {"syscalls": [], "mappings": [], "interrupts": 0, "debug": []}
    for each in capabilities:
        if isinstance(each, Syscalls):
            facts["syscalls"] += _plain_of(each, "calls")
        elif isinstance(each, ThreadInfo):
            facts["priorities"] = [each.highest_priority, each.lowest_priority]
            facts["cores"] = [each.min_core, each.max_core]
        elif isinstance(each, HandleTable):
            facts["handles"] = each.size
        elif isinstance(each, KernelVersion):
            facts["kernel_version"] = f"{each.major}.{each.minor}"
        elif isinstance(each, ProgramKind):
            facts["program_type"] = _plain_of(each, "type")
        elif isinstance(each, Debug):
            facts["debug"] += [name for name in ("allow_debug", "force_debug_prod", "force_debug") if getattr(each, name)]
        elif isinstance(each, MapRange):
            facts["mappings"].append({"address": each.address, "size": each.size, "read_only": each.read_only, "io": not each.static})
        elif isinstance(each, MapIoPage):
            facts["mappings"].append({"address": each.address, "size": 0x1000, "read_only": False, "io": True})
        elif isinstance(each, MapRegion):
            facts["regions"] = _plain_of(each, "regions")
        elif hasattr(each, "numbers"):
            facts["interrupts"] += sum(number != 0x3FF for number in each.numbers)
    return facts


def _cnmt(cnmt: Cnmt) -> Description:
    facts: Description = {
        "title_id": f"{cnmt.title_id:016x}",
        "type": META_TYPE.plain(cnmt.type),
        "version": cnmt.version,
        "contents": [
            {"type": RECORD_TYPE.plain(each.type), "content_id": each.id.hex(), "size": each.size, "id_offset": each.id_offset}
            for each in cnmt.contents
        ],
        "metas": [{"title_id": f"{each.id:016x}", "type": META_TYPE.plain(each.type), "version": each.version} for each in cnmt.metas],
        "contents_size": sum(each.size for each in cnmt.contents if each.type != RecordType.DELTA_FRAGMENT),
    }
    for name in ("application_id", "patch_id", "data_id"):
        if hasattr(cnmt.extended, name):
            facts[name] = f"{getattr(cnmt.extended, name):016x}"
    for name in ("required_system_version", "required_application_version"):
        if hasattr(cnmt.extended, name):
            facts[name] = getattr(cnmt.extended, name)
    facts["version_text"] = firmware_text(cnmt.version) if cnmt.type in SYSTEM_TYPES else f"v{cnmt.version}"
    try:
        data = cnmt.history()
    except FormatError:  # The findings tell.
        data = None
    if isinstance(data, PatchData):
        facts["earlier_versions"] = [each.version for each in data.histories]
        facts["deltas"] = [{"from": each.source_version, "to": each.destination_version} for each in data.deltas]
    return facts


def _ticket(ticket: TicketFile) -> Description:
    return {
        "rights_id": ticket.rights_id.hex(),
        "title_key": "personal" if ticket.key_type else "common",
        "title_id": ticket.rights_id[:8].hex(),
        "key_generation": ticket.rights_id[-1],
        **_plain(
            ticket, "signature_type", "issuer", "license_type", "property_mask", "ticket_version", "ticket_id", "device_id", "account_id"
        ),
        "signed": ticket.signature is not None,
    }


def _certificates(chain: CertificateChain) -> Description:
    return {
        "certificates": [
            {
                "name": each.name,
                "issuer": each.issuer,
                "subject": each.subject,
                "key_type": _plain_of(each, "key_type"),
                "signature_type": _plain_of(each, "signature_type"),
            }
            for each in chain.certificates
        ]
    }
