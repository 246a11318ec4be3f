"""What ``info`` says of metadata, executables and programs: lines for people, short unless more is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from oboromi_fs.cli.console import plural, printable, size_text
from oboromi_fs.jobs.describe import firmware_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["KINDS", "application_words", "file_lines"]

KINDS = {
    "certificates": "certificate chain",
    "cnmt": "content meta (CNMT)",
    "ini1": "INI1 bundle",
    "jpeg": "JPEG image",
    "kip": "KIP program",
    "nacp": "control data (NACP)",
    "npdm": "program metadata (NPDM)",
    "nro": "NRO program",
    "nso": "NSO module",
    "ticket": "ticket",
}
_FEW = 6
"""Names that are listed where not all are asked for."""
_FEW_CONTENTS = 20


def file_lines(node: dict[str, Any], *, verbose: bool = False) -> Iterator[str]:
    """Yield what there is to say of a node besides its headline, ready for a terminal.

    Args:
        node: A description, see :mod:`oboromi_fs.jobs.describe`.
        verbose: Whether to name everything.
    """
    teller = _TELLERS.get(node["kind"])
    if teller is not None:
        yield from map(printable, teller(node, verbose=verbose))
    for part, tell in (("application", _nacp), ("meta", _cnmt), ("program", _program)):
        if node.get(part):
            yield from map(printable, tell(node[part], verbose=verbose))


def application_words(facts: dict[str, Any]) -> str:
    """Return name, version and publisher in one line, what is empty left out."""
    text = facts["name"] or "without a name"
    text += f" {facts['display_version']}" if facts["display_version"] else ""
    return text + (f", by {facts['publisher']}" if facts["publisher"] else "")


def _some(names: Sequence[object], *, verbose: bool, most: int = _FEW) -> str:
    shown = list(map(str, names if verbose else names[:most]))
    return ", ".join(shown) + (f" and {len(names) - len(shown)} more" if len(shown) < len(names) else "")


def _nacp(facts: dict[str, Any], *, verbose: bool) -> Iterator[str]:
    language = f" ({facts['language']})" if facts["language"] else ""
    yield application_words(facts) + language
    others = [title for title in facts["names"].values() if title["name"] != facts["name"] or title["publisher"] != facts["publisher"]]
    if verbose:
        for language, title in facts["names"].items():
            yield f"{language}: {title['name']}" + (f", by {title['publisher']}" if title["publisher"] else "")
    elif facts["names"]:
        yield f"titles in {plural(len(facts['names']), 'languages')}" + (", not all alike" if others else "")
    if facts["supported_languages"]:
        yield f"languages: {_some(facts['supported_languages'], verbose=verbose)}"
    if facts["rating_ages"]:
        yield f"rated: {_some([f'{name} {age}' for name, age in facts['rating_ages'].items()], verbose=verbose)}"
    yield from _data(facts)
    account = facts["startup_user_account"]
    words = [str(each) for each in facts["attributes"]]
    words += [f"user account {account}"] if account not in ("None", 0) else []
    words += ["no screenshots"] if facts["screenshot"] == "Deny" else []
    words += [f"video capture {facts['video_capture']}"] if facts["video_capture"] not in ("Off", 0) else []
    if words:
        yield ", ".join(words)
    yield from _problems(facts)


def _data(facts: dict[str, Any]) -> Iterator[str]:
    for name, word in (("user_account_save_data", "save data of each user"), ("device_save_data", "save data of the console")):
        if name in facts:
            yield f"{word}: {size_text(facts[name]['size'])}, journal {size_text(facts[name]['journal'])}"
    names = {
        "temporary_storage_size": "temporary storage",
        "cache_storage_size": "cache storage",
        "bcat_delivery_cache_storage_size": "delivery cache",
    }
    sizes = [f"{word} {size_text(facts[name])}" for name, word in names.items() if name in facts]
    if sizes:
        yield ", ".join(sizes)


def _program(facts: dict[str, Any], *, verbose: bool) -> Iterator[str]:
    if "program_id" in facts:
        yield from _npdm(facts, verbose=verbose)
    for module in facts.get("modules", ()):
        build_id = module["build_id"].rstrip("0") or "none"
        yield f"module {module['name']}: build id {build_id + '0' * (len(build_id) % 2)}, {size_text(module['image_size'])} in memory"
    yield from _problems(facts)


def _problems(facts: dict[str, Any]) -> Iterator[str]:
    """Problems of what is inside: those of a node itself are told with the node."""
    for problem in facts.get("problems", ()) if "path" not in facts else ():
        yield f"problem: {problem}"


def _npdm(facts: dict[str, Any], *, verbose: bool) -> Iterator[str]:
    words = [f"program {facts['program_id']}", facts["name"] or "without a name", f"version {facts['version']}"]
    words += [
        "64-bit" if facts["is_64_bit"] else "32-bit",
        f"address space {facts['address_space']}",
        f"memory pool {facts['memory_pool']}",
    ]
    yield ", ".join(words)
    yield _thread(facts["main_thread"])
    access = facts["file_access"]
    owners = [each["id"].removeprefix("0x") for each in facts["save_data_owners"]]
    yield f"file access: {_some(access, verbose=verbose) if access else 'nothing beyond its own'}"
    if owners:
        yield f"save data of others: {_some(owners, verbose=verbose)}"
    used, hosted = facts["services"], facts["hosted_services"]
    yield f"services: {len(used)} used" + (f": {_some(used, verbose=verbose)}" if used else "")
    if hosted:
        yield f"services it hosts: {_some(hosted, verbose=verbose)}"
    yield from _kernel(facts["kernel"], verbose=verbose)


def _thread(thread: dict[str, Any]) -> str:
    return f"main thread: priority {thread['priority']}, core {thread['core']}, stack {size_text(thread['stack_size'])}"


def _kernel(kernel: dict[str, Any], *, verbose: bool) -> Iterator[str]:
    words = [plural(len(kernel["syscalls"]), "system calls")]
    if "priorities" in kernel:
        words.append(f"priorities {kernel['priorities'][0]} to {kernel['priorities'][1]}")
        words.append(f"cores {kernel['cores'][0]} to {kernel['cores'][1]}")
    words += [f"kernel {kernel['kernel_version']}"] if "kernel_version" in kernel else []
    words += [plural(kernel["handles"], "handles")] if "handles" in kernel else []
    words += [plural(len(kernel["mappings"]), "mappings of physical memory")] if kernel["mappings"] else []
    words += [plural(kernel["interrupts"], "interrupts")] if kernel["interrupts"] else []
    words += [each.replace("_", " ") for each in kernel["debug"]]
    yield f"kernel: {', '.join(words)}"
    if verbose and kernel["syscalls"]:
        yield f"system calls: {_some(kernel['syscalls'], verbose=verbose)}"
    if verbose:
        for each in kernel["mappings"]:
            kind = "I/O" if each["io"] else "memory"
            yield f"mapping: {kind} {each['address']:#x}, {each['size']:#x} bytes{', read only' if each['read_only'] else ''}"


def _cnmt(facts: dict[str, Any], *, verbose: bool) -> Iterator[str]:
    words = [f"{facts['type']} {facts['title_id']} {facts['version_text']}"]
    words += [f"for {facts['application_id']}"] if "application_id" in facts else []
    if facts.get("required_system_version"):
        words.append(f"needs firmware {firmware_text(facts['required_system_version'])}")
    if facts.get("required_application_version"):
        words.append(f"needs v{facts['required_application_version']} of the application")
    yield ", ".join(words)
    contents = facts["contents"]
    shown = contents if verbose else contents[:_FEW_CONTENTS]
    for each in shown:
        index = f", program {each['id_offset']}" if each["id_offset"] else ""
        yield f"{each['type']} {each['content_id']}, {size_text(each['size'])}{index}"
    if len(shown) < len(contents):
        yield f"and {len(contents) - len(shown)} more contents"
    if facts["metas"]:
        yield f"titles: {_some([each['title_id'] for each in facts['metas']], verbose=verbose)}"
    if facts.get("earlier_versions"):
        yield f"earlier versions: {_some([f'v{each}' for each in facts['earlier_versions']], verbose=verbose)}"
    for delta in facts.get("deltas", ()):
        yield f"delta from v{delta['from']} to v{delta['to']}"
    yield from _problems(facts)


def _ticket(facts: dict[str, Any], *, verbose: bool) -> Iterator[str]:
    del verbose
    yield f"{facts['title_key']} title key of {facts['rights_id']}"
    words = [f"title {facts['title_id']}", f"key generation {facts['key_generation']}", f"license {facts['license_type']}"]
    words += [str(each) for each in facts["property_mask"]]
    if facts["title_key"] == "personal":
        words += [f"console {facts['device_id'].removeprefix('0x')}", f"account {facts['account_id'].removeprefix('0x')}"]
    yield ", ".join(words)
    yield f"{'signature' if facts['signed'] else 'a tool-made signature'} ({facts['signature_type']}), issuer {facts['issuer']}"


def _certificates(facts: dict[str, Any], *, verbose: bool) -> Iterator[str]:
    del verbose
    for each in facts["certificates"]:
        yield f"{each['subject']}: {each['key_type']} key, signed by {each['issuer']} ({each['signature_type']})"


def _module(facts: dict[str, Any], *, verbose: bool) -> Iterator[str]:
    build_id = facts["build_id"].rstrip("0") or "none"
    words = [f"build id {build_id + '0' * (len(build_id) % 2)}", f"{size_text(facts['image_size'])} in memory"]
    words += ["homebrew"] if facts.get("homebrew") else []
    words += ["code cannot be read"] if facts.get("prevent_code_reads") else []
    yield ", ".join(words)
    if facts.get("module_path"):
        yield f"built as {facts['module_path']}"
    yield from _segments(facts)
    if verbose and "mod0" in facts:
        yield f"MOD0 at {facts['mod0']['offset']:#x}, dynamic section at {facts['mod0']['dynamic']:#x}"


def _segments(facts: dict[str, Any]) -> Iterator[str]:
    for each in facts["segments"]:
        how = f", {size_text(each['file_size'])} compressed" if each["compressed"] else ""
        yield f"{each['name']} {each['permissions']} at {each['memory_offset']:#x}: {size_text(each['size'])}{how}"
    yield f"bss: {size_text(facts['bss_size'])}"


def _kip(facts: dict[str, Any], *, verbose: bool) -> Iterator[str]:
    yield ", ".join(
        [
            f"program {facts['program_id']}",
            facts["name"] or "without a name",
            f"version {facts['version']}",
            *(each.replace("_", " ") for each in facts["flags"]),
        ]
    )
    yield _thread(facts["main_thread"])
    yield from _kernel(facts["kernel"], verbose=verbose)
    yield from _segments(facts)


def _ini(facts: dict[str, Any], *, verbose: bool) -> Iterator[str]:
    del verbose
    for each in facts["kips"]:
        yield f"{each['name']}: program {each['program_id']}, {size_text(each['size'])}"
        yield from _problems(each)


def _jpeg(facts: dict[str, Any], *, verbose: bool) -> Iterator[str]:
    del verbose
    yield f"{facts['width']} x {facts['height']} pixels"


class _Teller(Protocol):
    def __call__(self, facts: dict[str, Any], /, *, verbose: bool) -> Iterator[str]: ...


_TELLERS: dict[str, _Teller] = {
    "certificates": _certificates,
    "cnmt": _cnmt,
    "ini1": _ini,
    "jpeg": _jpeg,
    "kip": _kip,
    "nacp": _nacp,
    "npdm": _npdm,
    "nro": _module,
    "nso": _module,
    "ticket": _ticket,
}
