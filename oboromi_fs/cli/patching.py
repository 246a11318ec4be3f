"""``patch``: apply patches to an executable, make one, or show what is in one."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from oboromi_fs.cli.console import plural, printable, size_text
from oboromi_fs.cli.drawing import columns
from oboromi_fs.cli.failures import DONE, NO, UsageError
from oboromi_fs.cli.outputs import check_place
from oboromi_fs.errors import IsADirectoryEntryError
from oboromi_fs.jobs.naming import naming
from oboromi_fs.jobs.patching import executable_in, make_patch, patch_files, plan_patches, read_patch
from oboromi_fs.patches.buildids import build_id_of, stem
from oboromi_fs.patches.pchtxt import tell_differences
from oboromi_fs.storage.writing import write_storage

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from oboromi_fs.cli.console import Console
    from oboromi_fs.cli.session import Session
    from oboromi_fs.jobs.patching import Made, PatchPlan
    from oboromi_fs.opening import Location
    from oboromi_fs.patches.buildids import Dialect
    from oboromi_fs.patches.values import Patch

__all__ = ["patch_arguments", "run_patch"]

_SHOWN = 16
"""Bytes of a record that a line shows."""
_PROFILES: dict[str, Dialect] = {"plain": "neutral", "atmosphere": "atmosphere", "yuzu": "yuzu", "ryujinx": "ryujinx"}
_OPTIONS = {
    "make": ("output", "dry_run", "title", "ips32"),
    "show": ("profile",),
    "": ("output", "dry_run", "profile", "force", "no_compress"),
}
"""Which options each of the three has; ``""`` is applying."""
_EPILOG = """\
examples:
  oboromi patch game.nsp/@program/exefs/main 0123….ips -o main     the patched module, to go into a mod's exefs/
  oboromi patch main exefs_patches -o new  all patches in a folder, and in the folders in it, that are of this build
  oboromi patch -n main fix.pchtxt         what it would change
  oboromi patch make main new -o .         the patch that turns one into the other, called by the build id
  oboromi patch show fix.pchtxt            what it writes, and where; and what other tools read otherwise"""


def patch_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``patch`` takes."""
    parser.usage = (
        "oboromi patch [options] FILE PATCH [PATCH ...] -o OUT\n"
        "       oboromi patch make OLD NEW -o FILE.ips|FILE.pchtxt|DIR/\n"
        "       oboromi patch show PATCH"
    )
    parser.description = (
        "Apply IPS, IPS32 and pchtxt patches to an executable, in the order given; of two that write one byte, the later wins. Offsets\n"
        "for an NSO count in its uncompressed form, those for an NRO in the file; headers stay as they are, but for the hashes. A patch\n"
        "of another build is refused, or passed over if it lies in a folder. The result is written aside, and put in place when it is\n"
        "complete. A FILE called make or show is written ./make."
    )
    parser.epilog = _EPILOG
    parser.add_argument("words", metavar="FILE PATCH", nargs="+", help="files, also inside containers; a PATCH may be a folder of patches")
    add = parser.add_argument
    add(
        "-o",
        "--output",
        metavar="OUT",
        help="the patched file; or the patch, or a folder, in which it is called by the build id; DIR/ is made",
    )
    add("-n", "--dry-run", action="store_true", help="tell what would change, and write nothing")
    group = parser.add_argument_group("applying").add_argument
    group("--profile", choices=_PROFILES, help="whose habits to follow where a patch does not fit, or is read in several ways")
    group("--force", action="store_true", help="apply a patch of another build as well")
    group("--no-compress", action="store_true", help="leave an NSO uncompressed, though it was compressed")
    group = parser.add_argument_group("make").add_argument
    group("--title", metavar="TEXT", help="title of a pchtxt")
    group("--ips32", action="store_true", help="IPS32, though IPS would do")


def run_patch(session: Session, options: argparse.Namespace) -> int:
    """Apply, make or show."""
    verb, *words = options.words
    doing = verb if verb in ("make", "show") else ""
    if doing == "make" and len(words) != 2:
        raise UsageError(f"make takes two files, OLD and NEW, and not {len(words)}")
    if doing == "show" and len(words) != 1:
        raise UsageError(f"show takes one patch, and not {len(words)}")
    if not words:
        raise UsageError("say which patches: oboromi patch FILE PATCH ... -o OUT")
    _check_options(options, doing)
    if doing == "make":
        return _make(session, options, words[0], words[1])
    if doing == "show":
        return _show(session, words[0], _dialect(options))
    return _apply(session, options, verb, words)


def _check_options(options: argparse.Namespace, doing: str) -> None:
    """Refuse options that would have no effect, and outputs that are none."""
    for name in {name for names in _OPTIONS.values() for name in names}:
        if getattr(options, name) and name not in _OPTIONS[doing]:
            raise UsageError(f"--{name.replace('_', '-')} has no effect on patch {doing or 'FILE PATCH'}")
    if doing == "show":
        return
    if not options.output and not options.dry_run:
        raise UsageError("say where to write with -o OUT, or use --dry-run")
    if options.output == "-":
        raise UsageError("-o - would be stdout, and what is written is put in place when it is complete; ./- is a file of that name")


def _dialect(options: argparse.Namespace) -> Dialect:
    return _PROFILES[options.profile or "plain"]


# Applying


def _apply(session: Session, options: argparse.Namespace, target: str, words: Sequence[str]) -> int:
    console = session.console
    place = session.locate(target)
    places = {word: session.locate(word) for word in words}
    if options.output:
        if _is_folder(options.output):
            raise OSError(errno.EISDIR, "is a folder, and what is patched is a file", options.output)
        check_place(options.output, "patch", {"FILE": place, **{f"the patch {word}": each for word, each in places.items()}})
    if place.kind == "directory":
        raise IsADirectoryEntryError(place.display, f"is a directory, and what is patched is a file{_hint(place)}")
    storage = session.storage(place)
    files = [file for word in words for file in patch_files(places[word])]
    with naming(place):
        plan = plan_patches(storage, files, dialect=_dialect(options), force=options.force)
    hint = _hint(place) if plan.module.kind == "file" and plan.passed else ""
    _tell(console, plan, hint)
    changing = sum(len(used.records) for used in plan.used)
    if plan.refused or not changing:
        if not plan.refused:
            found = (
                "no patch is for this file"
                if not plan.used
                else "the patch changes nothing"
                if len(plan.used) == 1
                else "the patches change nothing"
            )
            console.error(f"{found}{'' if plan.used else hint}; nothing is written")
        if session.json:
            console.json(_document(options, plan, None))
        return NO
    output = None if options.dry_run else options.output
    if output is not None:
        with naming(place):
            write_storage(plan.storage(compress=not options.no_compress), output)
    if session.json:
        console.json(_document(options, plan, output))
        return DONE
    if options.dry_run:
        rows = [(f"{each['offset']:08X}", str(each["size"]), _hex(each["before"]), "->", _hex(each["after"])) for each in plan.changes()]
        console.lines(columns(rows, right=(1,)))
    size = sum(record.size for used in plan.used for record in used.records)
    where = "to be written" if output is None else f"written to {output}"
    console.note(
        f"{'1 patch' if len(plan.used) == 1 else f'{len(plan.used)} patches'}, {plural(changing, 'records')} of {size_text(size)}, {where}"
    )
    return DONE


def _is_folder(output: str) -> bool:
    """Whether an output is a folder, or is written as one."""
    return os.path.isdir(output) or not os.path.basename(output)


def _hint(place: Location) -> str:
    """Where the executable may be, of a file that is none."""
    inside = executable_in(place)
    return f"; the executable in it is {inside}" if inside else "; one in a package is written like game.nsp/@program/exefs/main"


def _tell(console: Console, plan: PatchPlan, hint: str) -> None:
    """Say what is not applied, and what of the rest is not."""
    for each in plan.passed:
        if each.fatal:
            end = f"{hint}; --force applies it all the same" if each.other else "; nothing is written"
            console.error(f"{each.name}: {each.reason}{end}")
        else:
            console.warn(f"{each.name}: passed over: {each.reason}")
    for used in plan.used:
        for remark in (*map(str, used.patch.remarks), *used.remarks):
            console.warn(f"{used.name}: {remark}")


def _document(options: argparse.Namespace, plan: PatchPlan, output: str | None) -> dict[str, Any]:
    document = {"file": options.words[0], **plan.to_json(), "output": output}
    return {**document, "changes": list(plan.changes())} if options.dry_run else document


def _hex(digits: str) -> str:
    return digits[: 2 * _SHOWN].upper() + ("…" if len(digits) > 2 * _SHOWN else "")


# Making


def _make(session: Session, options: argparse.Namespace, old: str, new: str) -> int:
    console = session.console
    places = {"OLD": session.locate(old), "NEW": session.locate(new)}
    output = options.output
    text = output is not None and output.lower().endswith(".pchtxt") and not _is_folder(output)
    for option in ("title", "ips32"):
        if getattr(options, option) and text != (option == "title"):
            raise UsageError(f"--{option} has no effect on {'a pchtxt' if text else 'an IPS patch; call it .pchtxt'}")
    before, after = (session.storage(place) for place in places.values())
    made = make_patch(before, after, text=text, title=options.title or "", ips32=options.ips32 or None)
    for remark in made.remarks:
        console.warn(remark)
    folder = ""
    if output is not None and _is_folder(output):
        if not made.build_id:
            raise UsageError(f"{output} is a folder, and OLD has no build id to call the patch by: give -o a name")
        if not os.path.isdir(output):
            folder = output.rstrip(os.sep)
            check_place(folder, "patch", places)
            if os.path.lexists(folder):
                raise OSError(errno.ENOTDIR, "is no folder", folder)
        output = os.path.join(output, f"{made.build_id}.ips")
    if output is not None and not folder:
        check_place(output, "patch", places)
    if not made.records:
        console.error("the two do not differ in what a patch can change; nothing is written")
        return NO
    if options.dry_run:
        output = None
    else:
        _write(made, output, folder)
        if not text and made.build_id and build_id_of(stem(output)) != build_id_of(made.build_id):
            console.note(f"loaders find the patch if it is called {made.build_id}.ips")
    if session.json:
        document = {"build_id": made.build_id, "records": made.records, "bytes": made.storage.size, "remarks": list(made.remarks)}
        console.json({"output": output, **document})
    else:
        where = "to be written" if output is None else f"written to {output}"
        console.note(f"{plural(made.records, 'records')}, {size_text(made.storage.size)}, {where}")
    return DONE


def _write(made: Made, output: str, folder: str) -> None:
    """Write a patch, in a folder that is made for it, if it is to be; without the patch the folder goes again."""
    if not folder:
        write_storage(made.storage, output)
        return
    os.mkdir(folder)
    try:
        write_storage(made.storage, output)
    except BaseException:
        with suppress(OSError):
            os.rmdir(folder)
        raise


# Showing


def _show(session: Session, path: str, dialect: Dialect) -> int:
    place, console = session.locate(path), session.console
    storage = session.storage(place)
    patch = read_patch(storage, place.display, dialect)
    build = patch.build_id if patch.format == "pchtxt" else stem(path) if build_id_of(stem(path)) is not None else ""
    differences = tell_differences(storage[:].tobytes()) if patch.format == "pchtxt" and dialect == "neutral" else ()
    if session.json:
        console.json(
            {
                "format": patch.format,
                "build_id": build,
                "titles": list(patch.titles),
                "records": [record.to_json() for record in patch.records],
                "remarks": [{"line": remark.line, "text": remark.text} for remark in patch.remarks],
                "differences": list(differences),
            }
        )
        return DONE
    for text in (*map(str, patch.remarks), *differences):
        console.warn(f"{path}: {text}")
    console.lines(_lines(patch, build))
    return DONE


def _lines(patch: Patch, build: str) -> list[str]:
    rows = [
        (f"{record.offset:08X}", str(record.size), f"{record.data.hex().upper()} repeated" if record.run else _hex(record.data.hex()))
        for record in patch.records
    ]
    titles = [f"  {printable(title)}" for title in patch.titles if title]
    return [f"{patch.format} for build {printable(build) or 'unknown'}", *titles, *columns(rows, right=(1,))]
