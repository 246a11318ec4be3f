"""``pack``: containers, executables and metadata from folders and texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oboromi_fs.builders.ncz import EXPONENTS, LEVELS, NczOptions
from oboromi_fs.cli.console import plural, size_text
from oboromi_fs.cli.failures import DONE, UsageError
from oboromi_fs.cli.outputs import check_name, check_place
from oboromi_fs.cli.progress import Progress
from oboromi_fs.errors import IntegrityError, IsADirectoryEntryError, NotADirectoryEntryError
from oboromi_fs.jobs.compressing import RESTORED
from oboromi_fs.jobs.ncafolder import ContentOptions
from oboromi_fs.jobs.pack import KINDS, PackOptions, plan_pack
from oboromi_fs.jobs.titleids import ContradictionError

if TYPE_CHECKING:
    import argparse

    from oboromi_fs.cli.console import Console
    from oboromi_fs.cli.session import Session
    from oboromi_fs.jobs.assembly import Part
    from oboromi_fs.jobs.pack import PackPlan, Split

__all__ = ["pack_arguments", "run_pack"]

_CONTENTS = {
    "program": "program",
    "meta": "meta",
    "control": "control",
    "manual": "manual",
    "legal": "legal",
    "data": "data",
    "publicdata": "public_data",
    "delta": "delta",
}
_GROUPS: dict[str, tuple[str, ...]] = {
    "style": ("romfs",),
    "padding": ("pfs0", "nsp", "nsz"),
    "alignment": ("hfs0",),
    "hashed": ("hfs0",),
    "full": ("xci",),
    "icon": ("nro",),
    "nacp": ("nro",),
    "romfs": ("nro",),
    "no_compress": ("kip", "nso"),
    "content_type": ("nca",),
    "title_id": ("nca", "nsp", "xci", "nsz", "xcz"),
    "title_version": ("nsp", "xci", "nsz", "xcz"),
    "key_generation": ("nca", "nsp", "xci", "nsz", "xcz"),
    "title_key": ("nca", "nsp", "nsz"),
    "rights_id": ("nca", "nsp", "nsz"),
    "plain": ("nca", "nsp", "xci", "nsz", "xcz"),
    "compress": ("nca",),
    "no_check": ("nca", "nsp", "xci", "nsz", "xcz", "nro"),
    "level": ("ncz", "nsz", "xcz"),
    "solid": ("ncz", "nsz", "xcz"),
    "block_size_exponent": ("ncz", "nsz", "xcz"),
    "like": ("romfs", "pfs0", "hfs0", "nca", "nsp", "xci", "nro", "kip", "nso"),
}
"""Option -> the kinds that have it."""

_EPILOG = """\
examples:
  oboromi extract -r game.nsp -o game          take a title apart,
  oboromi pack nsp game -o new.nsp --like game.nsp    and put it together again: what was not edited stays as it was
  oboromi pack romfs mod/romfs -o romfs.bin    a RomFS image of a folder
  oboromi pack nca mod -o update.nca --base game.nsp     the update that makes the game's RomFS that of mod/romfs
  oboromi pack nsp mods -o update.nsp --base game.nsp --title-version 65536    a whole one, of mods/program.nca/romfs …
  oboromi pack xci card -o card.xci            a card of folders update, normal, secure, logo
  oboromi pack nsp card.xci/secure -o game.nsp a package of what is on a card
  oboromi pack nsz game.nsp -o game.nsz        the package compressed; pack nsp game.nsz -o game.nsp is the way back
  oboromi pack nro app.nro -o new.nro --icon icon.jpg --nacp control.toml --romfs romfs
  oboromi cat --as toml game.nsp/@control/romfs/control.nacp > control.toml
  oboromi pack nacp control.toml -o control.nacp"""


def pack_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``pack`` takes."""
    parser.description = (
        "Build a container, an executable or a metadata file. SRC is a folder, or a place inside a container; for metadata a TOML or JSON\n"
        "text. Packages and cards are built of what `extract -r` leaves: files are taken as they are, each folder called ….nca becomes an\n"
        "NCA, and the content meta follows. The result is written aside, and put in place when it is complete: a file that is there is\n"
        "replaced then, and stays if anything fails. What is read is never replaced, nor is anything by --split and --split-numbered."
    )
    parser.epilog = _EPILOG
    parser.add_argument("kind", metavar="KIND", type=str.lower, choices=KINDS, help=" ".join(KINDS))
    parser.add_argument("source", metavar="SRC")
    add = parser.add_argument
    add("-o", "--output", metavar="OUT", help="the file; for an NCA also a folder, in which it is named by its hash")
    add("--like", metavar="ORIGINAL", help="everything that is not content is as in this one, and what did not change stays as it was")
    add("-n", "--dry-run", action="store_true", help="show the plan, and write nothing")
    add("-j", "--jobs", type=int, metavar="N", help="threads at most")
    add("--split", action="store_true", help="parts below 4 GiB in a folder called OUT")
    add("--split-numbered", action="store_true", help="parts below 4 GiB side by side: game.ns0, game.ns1 … for game.nsp, .xc0 … for .xci")
    group = parser.add_argument_group("NCA, NSP, XCI").add_argument
    group("--title-id", metavar="HEX", help="of what does not say it itself; one that contradicts what does is refused")
    group("--title-version", type=int, metavar="N", help="of a title that has no content meta yet")
    group("--key-generation", type=int, metavar="N", help="0 to 32; 1 by default")
    group("--content-type", choices=sorted(_CONTENTS), help="what an NCA is for, where its folder does not show it")
    group("--title-key", metavar="HEX", help="encrypt with this key; an NSP gets a ticket")
    group("--rights-id", metavar="HEX", help="that names the title key")
    group("--plain", action="store_true", help="do not encrypt sections")
    group("--compress", action="store_true", help="store the RomFS in LZ4 blocks; with --base it is made a patch of the base instead")
    group("--no-check", action="store_true", help="take icons and control data as they are, and what NCZ hold")
    group("--full", action="store_true", help="XCI: go on to the end of the card, not trimmed")
    group = parser.add_argument_group("NCZ, NSZ, XCZ").add_argument
    group("--level", type=int, metavar="N", help="of Zstandard: 1 is fast, 22 small; 18 by default")
    group("--solid", action="store_true", help="one stream: smaller, but read from its start only; blocks by default")
    group("--block-size-exponent", type=int, metavar="N", help="blocks of 2**N bytes, 14 to 25; 20 by default, 1 MiB")
    group = parser.add_argument_group("others").add_argument
    group("--style", choices=("common", "libhac"), help="RomFS: whose order to follow")
    group("--padding", choices=("official", "table", "nsz", "0x40"), help="PFS0, NSP: whose padding of the names to follow")
    group("--alignment", type=int, metavar="N", help="HFS0: files start at multiples of this")
    group("--hashed", type=lambda text: int(text, 0), metavar="N", help="HFS0: how many bytes of each file are hashed")
    group("--icon", metavar="FILE", help="NRO: a JPEG of 256 x 256 pixels")
    group("--nacp", metavar="FILE", help="NRO: control data, or their TOML or JSON form")
    group("--romfs", metavar="PATH", help="NRO: a folder, or a RomFS image")
    group("--no-compress", action="store_true", help="KIP, NSO: leave the segments as they are")


def run_pack(session: Session, options: argparse.Namespace) -> int:
    """Plan, and unless that is all that is wanted, build."""
    _check_usage(options)
    console = session.console
    place = session.locate(options.source)
    like = session.locate(options.like) if options.like is not None else None
    chosen = _pack_options(session, options)
    if options.output is not None:
        inputs = {"SRC": place, "--like": like, "--icon": chosen.icon, "--nacp": chosen.nacp, "--romfs": chosen.romfs}
        check_place(options.output, options.kind, inputs)
    try:
        plan = plan_pack(options.kind, place, chosen, like)
    except (ContradictionError, IsADirectoryEntryError, NotADirectoryEntryError) as wrong:
        raise UsageError(str(wrong)) from wrong  # It is there, but not of the shape that this kind is made of.
    known = list(plan.warnings)
    for text in known:
        console.warn(text)
    written: list[str] = []
    if not options.dry_run:
        written = _written(console, plan, options)
        for text in plan.warnings[len(known) :]:
            console.warn(text)
    if session.json:
        console.json(_document(plan, options, written))
    elif options.dry_run:
        _show(console, plan, options)
    else:
        members = (
            f"{plural(len(plan.parts), 'members')}, " if len(plan.parts) > 1 else f"{plural(plan.files, 'files')}, " if plan.files else ""
        )
        where = written[0] if len(written) == 1 else f"{plural(len(written), 'parts')} of {options.output}"
        console.note(f"{members}{size_text(plan.size)}, written to {where}")
    return DONE


def _written(console: Console, plan: PackPlan, options: argparse.Namespace) -> list[str]:
    try:
        with Progress(console, "packing") as progress:
            return plan.write(options.output, split=_split(options), progress=progress.update)
    except IntegrityError as wrong:
        if wrong.what == RESTORED:
            wrong.problem += "; it is damaged, and --no-check writes it all the same"
        raise


def _check_usage(options: argparse.Namespace) -> None:
    """Refuse options that would have no effect."""
    if not options.output and not options.dry_run:
        raise UsageError("say where to write with -o OUT, or use --dry-run")
    if options.jobs is not None and options.jobs < 1:
        raise UsageError(f"-j takes a number from 1 on, not {options.jobs}")
    if options.split and options.split_numbered:
        raise UsageError("--split and --split-numbered exclude each other")
    for option, most in _BOUNDS.items():
        value = getattr(options, option)
        if value is not None and not (option == "alignment") <= value <= most:
            raise UsageError(f"--{option.replace('_', '-')} is a number from {int(option == 'alignment')} to {most:#x}, not {value}")
    if options.output is not None:
        check_name(options.output, _split(options))
    for name, kinds in _GROUPS.items():
        given = getattr(options, name)
        if given is None or given is False:
            continue
        option = f"--{name.replace('_', '-')}"
        if options.kind not in kinds:
            raise UsageError(f"{option} is for {', '.join(kinds)}, not for {options.kind}")
        if options.like is not None and name in _OF_LIKE:
            raise UsageError(f"{option} has no effect with --like, which takes the layout of the original")


_BOUNDS = {"alignment": 1 << 30, "hashed": 0xFFFFFFFF, "title_version": 0xFFFFFFFF}
"""Largest numbers that options take."""


def _split(options: argparse.Namespace) -> Split:
    return "numbered" if options.split_numbered else "folder" if options.split else ""


_GENERATIONS = 32
"""The most master keys there are names for."""
_OF_LIKE = ("style", "padding", "alignment", "hashed", "full")


def _pack_options(session: Session, options: argparse.Namespace) -> PackOptions:
    def located(path: str | None) -> Any:
        return session.locate(path) if path is not None else None

    generation = options.key_generation
    if generation is not None and not 0 <= generation <= _GENERATIONS:
        raise UsageError(f"--key-generation is a number from 0 to {_GENERATIONS}, not {generation}")
    if options.rights_id is not None and options.title_key is None and options.plain:
        raise UsageError("--rights-id names a key, and --plain wants none")
    title_id = _hex(options.title_id, "--title-id", 8)
    kind: Any = _CONTENTS.get(options.content_type) if options.content_type is not None else None
    content = ContentOptions(
        title_id=int.from_bytes(title_id, "big") if title_id is not None else None,
        kind=kind,
        key_generation=generation,
        rights_id=_hex(options.rights_id, "--rights-id", 16),
        title_key=_hex(options.title_key, "--title-key", 16),
        title_version=options.title_version or 0,
        plain=options.plain,
        check=not options.no_check,
        base=session.locate(session.base) if session.base is not None and options.kind in ("nca", "nsp") else None,
        compress=options.compress,
    )
    return PackOptions(
        content=content,
        romfs_style=options.style or "common",
        padding=options.padding or "official",
        alignment=options.alignment if options.alignment is not None else 1,
        hashed=options.hashed if options.hashed is not None else 0x200,
        fill="full" if options.full else "trimmed",
        icon=located(options.icon),
        nacp=located(options.nacp),
        romfs=located(options.romfs),
        compress=not options.no_compress,
        ncz=_ncz_options(options),
        workers=options.jobs,
    )


def _ncz_options(options: argparse.Namespace) -> NczOptions:
    for option, range_ in (("level", LEVELS), ("block_size_exponent", EXPONENTS)):
        value = getattr(options, option)
        if value is not None and value not in range_:
            raise UsageError(f"--{option.replace('_', '-')} is a number from {range_[0]} to {range_[-1]}, not {value}")
    if options.solid and options.block_size_exponent is not None:
        raise UsageError("--solid makes no blocks, which --block-size-exponent is for")
    chosen = NczOptions()
    exponent = options.block_size_exponent if options.block_size_exponent is not None else chosen.exponent
    return NczOptions(level=options.level if options.level is not None else chosen.level, exponent=None if options.solid else exponent)


def _hex(text: str | None, option: str, size: int) -> bytes | None:
    if text is None:
        return None
    try:
        data = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        data = b""
    if len(data) != size:
        raise UsageError(f"{option} takes {2 * size} hexadecimal digits")
    return data


def _document(plan: PackPlan, options: argparse.Namespace, written: list[str]) -> dict[str, Any]:
    return {
        "kind": plan.kind,
        "source": options.source,
        "output": options.output,
        "like": options.like,
        "size": plan.size,
        "files": plan.files,
        "written": written,
        "members": [
            {
                "name": _named(part, done=bool(written)),
                "folder": part.folder,
                "from": part.source,
                "how": part.how,
                "what": _what(part),
                "size": part.size,
                "sections": [{"name": name, "offset": offset, "size": size} for name, offset, size in _sections(part)],
            }
            for part in plan.parts
        ],
        "warnings": plan.warnings,
    }


def _named(part: Part, *, done: bool) -> str | None:
    """What a member is called; None where that comes of its hash, and it is not built yet."""
    return None if part.builder is not None and not done else part.final_name


def _sections(part: Part) -> list[tuple[str, int, int]]:
    builder = part.builder
    return [(each.layout.name, each.start, each.geometry.size) for each in builder.sections] if builder is not None else []


def _what(part: Part) -> str:
    if part.builder is None:
        return part.what
    from oboromi_formats.nca import ContentType

    kind = ContentType(part.builder.planned().content_type)
    return f"{kind.name.replace('_', ' ').capitalize()} NCA"


def _show(console: Console, plan: PackPlan, options: argparse.Namespace) -> None:
    """Write the plan for people."""
    count = f", {plural(plan.files, 'files')}" if plan.files else f", {plural(len(plan.parts), 'members')}" if len(plan.parts) > 1 else ""
    lines = [f"{plan.kind} of {console.name(options.source)}: {size_text(plan.size)}{count}"]
    for part in plan.parts:
        name = f"{part.folder}/{part.name}" if part.folder else part.name
        lines.append(f"  {part.how:<8}  {console.name(name)}  {_what(part)}, {size_text(part.size)}")
        lines += [f"            {section}  at {offset:#x}, {size_text(size)}" for section, offset, size in _sections(part)]
    console.lines(lines)
