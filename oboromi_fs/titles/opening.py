"""Opening a title: what lies in files and folders, what of it belongs together, and the mods for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from oboromi_fs.backends.host import HostFs
from oboromi_fs.errors import FormatError
from oboromi_fs.mods.titleids import base_id
from oboromi_fs.opening import Opener
from oboromi_fs.titles.bodies import Contents
from oboromi_fs.titles.found import Issue
from oboromi_fs.titles.grouping import choose, families, family_of, ticket_issues
from oboromi_fs.titles.modding import ModRoot, mod_roots
from oboromi_fs.titles.places import find_places
from oboromi_fs.titles.scanning import look_into
from oboromi_fs.titles.title import Title

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from oboromi_fs.opening import KeysType
    from oboromi_fs.titles.found import Package

__all__ = ["open_title"]


def open_title(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    keys: KeysType = None,
    title_id: int | None = None,
    version: int | None = None,
    mods: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
    profile: str | None = None,
    opener: Opener | None = None,
) -> Title:
    """Open a title from any mix of files and folders: packages, cards, loose NCAs, extracted folders, and mods.

    What belongs to it is told by content metas. Of everything the newest is taken; what contradicts is told in the title's issues.

    Args:
        paths: Files and folders; folders are searched to the bottom.
        keys: Anything :meth:`~oboromi_fs.keys.KeySet.of` takes.
        title_id: Which title, where there are several: its id, or that of its update or add-on content.
        version: Of the update to take; that of the base for none.
        mods: Folders that mods are kept in, the weakest first, or one. None looks for folders of the title's id where tools keep mods, in
            those of ``paths`` that are folders.
        profile: Which tool's rules mods are found and layered by, see :mod:`oboromi_fs.mods`; ``plain`` by default.
        opener: Use this one, and its keys, to open containers.

    Raises:
        EntryNotFoundError: A path that does not exist.
        FormatError: There is no title, or several and nobody says which; or not that version; or no such profile.
        MissingKeyError: Nothing can be told without a key that is absent.

    Example:
        >>> title = open_title("testdata/nsp/std_g1.nsp", keys="testdata/keys/prod.keys")
        >>> title, title.read_bytes("romfs/hello.txt"), [entry.name for entry in title.read_dir()]
        (<Title 0100abcdef000000 v65536>, b'hello\\n', ['control', 'exefs', 'legal', 'logo', 'manual', 'romfs'])
    """
    given = _listed(paths)
    opening = opener if opener is not None else Opener(keys)
    unlisted: list[Issue] = []
    places = find_places(given, told=lambda folder, wrong: unlisted.append(Issue.of(wrong, folder, before="cannot be listed: ")))
    packages, told_of_mods = _without_mods([look_into(place, opening) for place in places])
    unlisted += told_of_mods
    found = families(meta for package in packages for meta in package.metas if not meta.is_system)
    told = unlisted + [issue for package in packages for issue in package.issues]
    if not found:
        _nothing(told, opening, given)
    family = family_of(found, title_id, ", ".join(given))
    wanted = base_id(family.application_id)
    # What is wrong with a package is of interest where it has something of the title, or nobody knows what it has.
    told = unlisted + [
        issue
        for package in packages
        if not package.metas or any(base_id(meta.application_id) == wanted for meta in package.metas)
        for issue in package.issues
    ]
    issues = [issue for issue in told if issue.title_id is None or base_id(issue.title_id) == wanted]
    issues += ticket_issues(packages)
    chosen = choose(family, version)
    for other in found.values():
        if other is not family and title_id is None:
            every = (*other.bases, *other.updates, *other.addons, *other.data_updates, *other.others)
            text = f"belongs to another title than {family.application_id:016x}"
            issues += [Issue("other-title", meta.where, f"{meta.label} {text}", meta.title_id) for meta in every]
    games = frozenset(os.path.realpath(package.path) for package in packages if package.form == "extracted")
    if mods is not None:
        roots = [ModRoot(HostFs(path), path, named=True) for path in _listed(mods)]
    else:
        roots = mod_roots(given, chosen.application_id, profile or "plain", games)
    contents = Contents(opening, packages)
    try:
        return Title(chosen, contents, mods=roots, profile=profile or "plain", issues=issues)
    except BaseException:
        contents.close()
        raise


def _without_mods(packages: Sequence[Package]) -> tuple[list[Package], list[Issue]]:
    """Leave out folders that do not say of which title they are, where something else does; and tell of them: most likely they are mods."""

    def says_nothing(package: Package) -> bool:
        return package.form == "extracted" and not os.path.lexists(os.path.join(package.path, "exefs", "main.npdm"))

    nameless = [package for package in packages if says_nothing(package)]
    if not any(package.metas for package in packages if package not in nameless):
        return list(packages), []
    text = "looks like a mod: it has no exefs/main.npdm, which says of what title it is; as a mod it is given with --mods (mods=)"
    return [each for each in packages if each not in nameless], [Issue("mod", each.path, text) for each in nameless]


def _listed(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[str]:
    if isinstance(paths, str | os.PathLike):
        return [os.fspath(paths)]
    return [os.fspath(path) for path in paths]


def _nothing(issues: Sequence[Issue], opener: Opener, paths: Sequence[str]) -> None:
    """Say why there is no title.

    Raises:
        FormatError, MissingKeyError: Always.
    """
    if any(issue.kind == "key" for issue in issues):
        opener.keys.header_key()
    first = f"; {issues[0]}" if issues else ""
    raise FormatError(f"there is no title in it{first}", what="title", source=", ".join(paths))
