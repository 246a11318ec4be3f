"""``info``: what a path is, drawn as a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oboromi_fs.cli.about_files import KINDS, file_lines
from oboromi_fs.cli.alike import without_place
from oboromi_fs.cli.console import plural, printable, size_text
from oboromi_fs.cli.drawing import Branch, draw
from oboromi_fs.cli.failures import DONE, UsageError
from oboromi_fs.cli.impostors import refuse_impostor
from oboromi_fs.jobs.describe import describe, firmware_text, nodes

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from oboromi_fs.cli.console import Console
    from oboromi_fs.cli.session import Session

__all__ = ["info_arguments", "run_info"]

_KINDS = {
    "directory": "directory",
    "file": "file",
    "folder": "folder",
    "hfs0": "HFS0 archive",
    "nca": "NCA",
    "nsp": "NSP package",
    "partition": "partition",
    "pfs0": "PFS0 archive",
    "romfs": "RomFS image",
    "save data": "save data image (experimental)",
    "sd_card_file": "file from an SD card",
    "section": "section",
    "xci": "XCI game card image",
    "zip": "ZIP archive",
    **KINDS,
}
_WORDS = {
    "aes_ctr": "AES-CTR",
    "aes_ctr_ex": "AES-CTR-EX",
    "aes_ctr_ex_skip_layer_hash": "AES-CTR-EX past the hashes",
    "aes_ctr_skip_layer_hash": "AES-CTR past the hashes",
    "aes_xts": "AES-XTS",
    "hierarchical_integrity": "IVFC hashes",
    "hierarchical_integrity_sha3": "IVFC SHA3 hashes",
    "hierarchical_sha256": "SHA-256 hashes",
    "hierarchical_sha3_256": "SHA3-256 hashes",
    "partition_fs": "PFS0",
    "romfs": "RomFS",
}
_FLAGS = ("auto boot", "history erase", "repair tool", "update to China", "update to global", "", "", "signed header")


def info_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``info`` takes."""
    parser.description = (
        "What a path is: containers, titles and versions, NCAs with their keys and crypto, sections with their hashes and sizes;\n"
        "programs with what they ask for and their modules; metadata and executables, in a container or by themselves.\n"
        "Names of titles are in your language if there is one in it: by --language, or the locale. With -v nothing is shortened.\n"
        "Keys that are missing are named where they are needed; exit code 4 only if without them nothing can be told.\n"
        "What is damaged is told in its place; exit code 3 only if nothing else can be told."
    )
    parser.add_argument("path", metavar="PATH")
    parser.add_argument("--language", metavar="NAME", help="language of names: Japanese, ja, pt-BR ... (default: the locale's)")


def run_info(session: Session, options: argparse.Namespace) -> int:
    """Describe a path."""
    place = session.locate(options.path)
    description = describe(place, _languages(options.language))
    refuse_impostor(place, description)
    if session.json:
        session.console.json(description)
    else:
        session.console.lines(draw(_branch(session.console, description, {})))
    names = {
        key["name"] for node in nodes(description) for key in node.get("keys", ()) if key["status"] == "missing" and not key["optional"]
    }
    if names:
        session.console.warn(f"without {', '.join(sorted(names))} not all can be told: {session.where_keys()}")
    return DONE


def _languages(name: str | None) -> tuple[int, ...]:
    from oboromi_fs.metadata.languages import languages_of, languages_of_environment
    from oboromi_fs.metadata.titles import LANGUAGES

    if name is None:
        return languages_of_environment()
    found = languages_of(name)
    if not found:
        raise UsageError(f"--language takes one of {', '.join(LANGUAGES)}, or a code such as en, ja or pt-BR, not {name!r}")
    return found


def _branch(console: Console, node: dict[str, Any], told: dict[str, str], above: str = "") -> Branch:
    """A description as a branch: its facts, then what is in it.

    Args:
        console: Where.
        node: The description.
        told: Problem -> the first path that has it: with a wrong key it is the same for all, and said once. It grows.
        above: How its path begins.
    """
    path = node["path"].removeprefix(above)
    lines = [Branch(text) for text in _facts(console, node)]
    for problem in node.get("problems", ()):
        first = path if console.verbose else told.setdefault(without_place(problem), path)
        text = problem if first == path else f"the same as of {first}"
        lines.append(Branch(console.paint(printable(f"problem: {text}"), "bad")))
    lines += (_branch(console, child, told, f"{node['path']}/") for child in node.get("children", ()))
    return Branch(f"{printable(path)}  {_headline(node)}", lines)


def _headline(node: dict[str, Any]) -> str:
    kind = node["kind"]
    words = [_KINDS.get(kind, kind)]
    if kind == "nca" and "content_type" in node:
        words = [f"{node['content_type'].replace('_', ' ').capitalize()} {'NCZ' if 'ncz' in node else 'NCA'}"]
    elif kind == "section":
        words = [_word(node["fs_type"]), _word(node["hash_type"], "no hashes"), _word(node["encryption"], "not encrypted")]
        words.append(f"at {node['offset']:#x}")
    if kind not in ("directory", "folder"):
        words.append(size_text(node["size"]))
    for count, word in (("entry_count", "entries"), ("files", "files"), ("directories", "directories")):
        if count in node:
            words.append(plural(node[count], word))
    return ", ".join(words)


def _word(name: str, none: str = "none") -> str:
    return none if name == "none" else _WORDS.get(name, name.replace("_", " "))


def _facts(console: Console, node: dict[str, Any]) -> Iterator[str]:
    for title in node.get("titles", ()):
        yield printable(_title(title))
    kind = node["kind"]
    if "sd_card" in node:
        yield printable(f"encrypted for an SD card, as {node['sd_card']['content']} {node['sd_card']['path']}")
    if kind == "save data":
        yield f"title {node['program_id']}, {node['save_type']} save data, layout {node['layout_version']}"
        yield f"copy {node['header_copy']} of the header is in use"
    if kind == "nca" and "content_type" in node:
        firmware = f" (firmware {node['first_firmware']})" if node["first_firmware"] else ""
        form = f"{node['format']}{' (experimental)' if 'experimental' in node else ''}"
        yield f"title {node['title_id']}, {node['distribution'].replace('_', ' ')}, SDK {node['sdk_version']}, {form}"
        yield f"key generation {node['key_generation']}{firmware}, {_crypto(node)}"
        if "ncz" in node:
            yield _compression(node["ncz"])
    elif kind == "xci":
        yield from _card(node)
    elif kind == "section":
        yield from _form(node)
    elif kind == "zip" and "methods" in node:
        yield _packing(node)
    elif kind == "folder" and node["other_files"] + node["folders"]:
        yield f"{plural(node['other_files'], 'other files')}, {plural(node['folders'], 'folders')}"
    yield from file_lines(node, verbose=bool(console.verbose))
    for key in node.get("keys", ()):
        if key["status"] == "missing":
            yield console.paint(f"missing key: {key['name']}{' (optional)' if key['optional'] else ''}", "doubt")


def _form(node: dict[str, Any]) -> Iterator[str]:
    """How a section is stored that is not stored as it is."""
    amount = f": {size_text(node['stored_size'])} of {size_text(node['whole_size'])} are stored" if "stored_size" in node else ""
    if node["patch"]:
        base = node["base"]
        where = f"in {base['source']}" if base["source"] else f"not here: {base['problem'] or 'give it with --base PATH'}"
        yield printable(f"patch of {base['title_id']}{amount}; the base is {where}")
        amount = ""
    if node["sparse"]:
        yield f"sparse{amount}; the rest comes with an update"
        amount = ""
    if node["compressed"]:
        yield f"compressed{amount}"


def _compression(ncz: dict[str, Any]) -> str:
    how = f"block mode, {plural(ncz['blocks'], 'blocks')} of {size_text(ncz['block_size'])}" if ncz["blocks"] else f"{ncz['mode']} mode"
    return f"compressed with Zstandard, {how}: {size_text(ncz['compressed_size'])} for an NCA of {size_text(ncz['size'])}"


def _crypto(node: dict[str, Any]) -> str:
    if node["crypto"] == "none":
        return "not encrypted"
    if node["crypto"] == "key_area":
        return f"{node['key_area_key']} key area"
    status = next((key["status"] for key in node["keys"] if key["name"] == node["rights_id"]), "")
    source = {"ticket": " (ticket)", "personal ticket": " (ticket for one console)", "given": " (title.keys)"}.get(status, "")
    return f"title key {node['rights_id']}{source}"


def _packing(node: dict[str, Any]) -> str:
    methods = ", ".join(f"{count} {name}" for name, count in node["methods"].items())
    encrypted = f", {node['encrypted_files']} encrypted" if node["encrypted_files"] else ""
    held = f"{size_text(node['data_size'])} in {size_text(node['compressed_size'])}"
    return f"{held}: {methods}{encrypted}" if methods else "empty"


def _title(title: dict[str, Any]) -> str:
    text = f"{title['type']} {title['title_id']} v{title['version']}"
    if title.get("name"):
        text += f": {title['name']}"
        text += f" {title['display_version']}" if title["display_version"] else ""
        text += f", by {title['publisher']}" if title["publisher"] else ""
    if title.get("application_id"):
        text += f", for {title['application_id']}"
    if title.get("required_system_version"):
        text += f", needs firmware {firmware_text(title['required_system_version'])}"
    if title.get("problem"):
        text += f" (no name: {title['problem']})"
    return text


def _card(node: dict[str, Any]) -> Iterator[str]:
    capacity = f"{node['capacity_gb']} GB card" if node["capacity_gb"] else "card of unknown capacity"
    area = "with key area" if node["key_area"] else "no key area"
    yield f"{capacity}, {node['image']} image ({size_text(node['trimmed_size'])} used), {area}"
    flags = [name for bit, name in enumerate(_FLAGS) if name and node["header_flags"] >> bit & 1]
    yield ", ".join([f"card header version {node['header_version']}", *flags, f"secure area at {node['secure_offset']:#x}"])
    info = node["card_info"]
    if info is not None:
        clock = f"{info['clock_mhz']} MHz" if info["clock_mhz"] else "unknown clock"
        yield f"region {info['region']}, {clock}, brings system version {info['system_version']}"
