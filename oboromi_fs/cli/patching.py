"""``patch``: apply patches to an executable, make one, or show what is in one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from oboromi_fs.cli.console import plural, printable, size_text
from oboromi_fs.cli.drawing import columns
from oboromi_fs.cli.failures import DONE, NO, UsageError
from oboromi_fs.cli.outputs import check_place
from oboromi_fs.jobs.patching import made_patch, plan_patches, read_patch
from oboromi_fs.paths import join
from oboromi_fs.storage.writing import write_storage

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from oboromi_fs.cli.session import Session
    from oboromi_fs.jobs.patching import Named, PatchPlan
    from oboromi_fs.opening import Location

__all__ = ["patch_arguments", "run_patch"]

_ENDINGS = (".ips", ".pchtxt")
_EPILOG = """\
examples:
  oboromi patch game.nsp/@program/exefs/main 0123….ips -o main     the patched module, to go into a mod's exefs/
  oboromi patch main patches/ -o new       all patches in a folder that are of this build
  oboromi patch make main new -o .         the patch that turns one into the other, called by the build id
  oboromi patch show patch.pchtxt          what it writes, and where"""


def patch_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``patch`` takes."""
    parser.usage = (
        "oboromi patch [options] FILE PATCH [PATCH ...] -o OUT\n       oboromi patch make OLD NEW -o FILE\n       oboromi patch show PATCH"
    )
    parser.description = (
        "Apply IPS, IPS32 and pchtxt patches to an executable, in the order given. Offsets for an NSO count in its uncompressed form, for\n"
        "an NRO in the file; headers stay. A patch of another build is refused, or in a folder passed over. A file called make or show is\n"
        "written ./make."
    )
    parser.epilog = _EPILOG
    parser.add_argument("words", metavar="FILE PATCH", nargs="+", help="files, also inside containers; a PATCH may be a folder of patches")
    add = parser.add_argument
    add(
        "-o",
        "--output",
        metavar="OUT",
        help="the patched file, or the patch; for a patch also a folder, in which it is called by the build id",
    )
    add("-n", "--dry-run", action="store_true", help="tell what would be patched, and write nothing")
    add("--force", action="store_true", help="apply patches of other builds as well")
    add("--no-compress", action="store_true", help="leave an NSO uncompressed, though it was compressed")
    add("--ips32", action="store_true", help="make: IPS32, though IPS would do")


def run_patch(session: Session, options: argparse.Namespace) -> int:
    """Apply, make or show."""
    verb, *words = options.words
    if verb == "make":
        if len(words) != 2:
            raise UsageError(f"make takes two files, OLD and NEW, and not {len(words)}")
        return _make(session, options, words[0], words[1])
    if verb == "show":
        if len(words) != 1:
            raise UsageError(f"show takes one patch, and not {len(words)}")
        return _show(session, words[0])
    if not words:
        raise UsageError("say which patches: oboromi patch FILE PATCH ... -o OUT")
    return _apply(session, options, verb, words)


def _apply(session: Session, options: argparse.Namespace, target: str, words: Sequence[str]) -> int:
    console = session.console
    if not options.output and not options.dry_run:
        raise UsageError("say where to write with -o OUT, or use --dry-run")
    place = session.locate(target)
    places = {"FILE": place, **{f"the patch {word}": session.locate(word) for word in words}}
    if options.output:
        check_place(options.output, "patch", places)
    plan = plan_patches(
        session.storage(place), [each for word in words for each in _patches(session, places[f"the patch {word}"])], force=options.force
    )
    named = {word for word in words if places[f"the patch {word}"].kind == "file"}
    refused = [(each, why) for each, why in plan.passed if each.name in named]
    for each, why in plan.passed:
        if (each, why) not in refused:
            console.warn(f"{each.name}: passed over: {why}")
    for each, why in refused:
        console.error(f"{each.name}: {why}; --force applies it all the same")
    for each, remarks in plan.used:
        for remark in (*map(str, each.patch.remarks), *remarks):
            console.warn(f"{each.name}: {remark}")
    if refused or not plan.used:
        if not refused:
            console.error("no patch is of this build; nothing is written")
        if session.json:
            session.console.json(plan.to_json())
        return NO
    if not options.dry_run:
        write_storage(plan.storage(compress=plan.compressed and not options.no_compress), options.output)
    _report(session, options, plan)
    return DONE


def _report(session: Session, options: argparse.Namespace, plan: PatchPlan) -> None:
    if session.json:
        session.console.json({**plan.to_json(), "output": None if options.dry_run else options.output})
        return
    records, size = len(plan.records), sum(record.size for record in plan.records)
    where = "to be written" if options.dry_run else f"written to {options.output}"
    patches = f"{len(plan.used)} patch{'' if len(plan.used) == 1 else 'es'}"
    session.console.note(f"{patches}, {plural(records, 'records')} of {size_text(size)}, {where}")


def _patches(session: Session, place: Location) -> Iterator[Named]:
    """The patch that a place is, or the patches in it."""
    if place.kind == "file":
        yield read_patch(session.storage(place), place.display)
        return
    for entry in sorted(place.fs.read_dir(place.path)):
        if entry.kind == "file" and entry.name.lower().endswith(_ENDINGS):
            yield read_patch(place.fs.storage(join(place.path, entry.name)), os.path.join(place.display, entry.name))


def _make(session: Session, options: argparse.Namespace, old: str, new: str) -> int:
    if not options.output:
        raise UsageError("say where to write with -o FILE.ips")
    places = {"OLD": session.locate(old), "NEW": session.locate(new)}
    output = options.output
    text = output.lower().endswith(".pchtxt")
    storages = [session.storage(place) for place in places.values()]
    patch, build, records = made_patch(*storages, text=text, ips32=options.ips32 or None)
    if os.path.isdir(output):
        if not build:
            raise UsageError(f"{output} is a folder, and the file has no build id to call the patch by: give -o a name")
        output = os.path.normpath(os.path.join(output, f"{build}.ips"))
    check_place(output, "patch", places)
    if not records:
        session.console.error("the two do not differ; nothing is written")
        return NO
    write_storage(patch, output)
    if session.json:
        session.console.json({"output": output, "build_id": build, "records": records, "bytes": patch.size})
    else:
        session.console.note(f"{plural(records, 'records')}, {size_text(patch.size)}, written to {output}")
    return DONE


def _show(session: Session, path: str) -> int:
    place = session.locate(path)
    named = read_patch(session.storage(place), place.display)
    patch, console = named.patch, session.console
    for remark in patch.remarks:
        console.warn(f"{path}: {remark}")
    if session.json:
        console.json(
            {
                "format": patch.format,
                "build_id": named.build_id,
                "titles": list(patch.titles),
                "records": [record.to_json() for record in patch.records],
                "remarks": [{"line": remark.line, "text": remark.text} for remark in patch.remarks],
            }
        )
        return DONE
    console.lines(
        [
            f"{patch.format} for build {printable(named.build_id) or 'unknown'}",
            *(f"  {printable(title)}" for title in patch.titles if title),
        ]
    )
    rows = [(f"{record.offset:08X}", str(record.size), _bytes(record.data, record.run)) for record in patch.records]
    console.lines(columns(rows, right=(1,)))
    return DONE


def _bytes(data: bytes, run: int) -> str:
    shown = data[:16].hex().upper()
    return f"{shown} repeated" if run else shown + ("…" if len(data) > 16 else "")
