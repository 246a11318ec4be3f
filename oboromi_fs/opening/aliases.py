"""Names that stand for an NCA by its content type, and for a section by its slot, such as ``@program`` and ``@0``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.backends.host import HostFs
from oboromi_fs.backends.nca import Nca
from oboromi_fs.backends.xci import XciArchive
from oboromi_fs.errors import MissingKeyError, OboromiFsError
from oboromi_fs.paths import addressable, join

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from oboromi_fs.protocols import FileSystem

    Enter: TypeAlias = Callable[[FileSystem, str, str], FileSystem | None]

__all__ = ["CONTENT_ALIASES", "Aliases"]

CONTENT_ALIASES = ("@program", "@meta", "@control", "@manual", "@data", "@publicdata")
"""Names of NCAs by content type, in the order of the type's number; ``@legal`` is told from ``@manual`` by its contents."""
_MAX_ALIASES = 1000
"""NCAs of one archive that are looked into for their type: more than any package has."""
_HTML_DOCUMENT, _LEGAL_INFORMATION = 4, 5


class Aliases:
    """What such names stand for, found out once for each directory of an archive.

    Whoever asks says how a container is opened: by the file system it lies in, its path there, and its path from outside. That is not kept,
    so that who asks can keep this.
    """

    def __init__(self) -> None:
        self._aliases: dict[str, dict[str, str]] = {}
        self._unreadable: dict[str, OboromiFsError] = {}

    def clear(self) -> None:
        """Forget what was found out."""
        self._aliases.clear()
        self._unreadable.clear()

    def stands_for(self, fs: FileSystem, prefix: str, directory: str, name: str, enter: Enter) -> str | None:
        """Return what ``@program`` or ``@0`` stands for in a directory; None where it stands for nothing.

        Args:
            fs: The file system it is asked of.
            prefix: The path of that from outside.
            directory: The directory in it.
            name: The name.
            enter: Opens a container.

        Raises:
            OboromiFsError: It may be the name of what is damaged, or cannot be read for want of a key.
        """
        if not name.startswith("@"):
            return None
        if isinstance(fs, Nca):
            return fs.section(name).name if fs.sections and _is_slot(fs, name) else None
        if isinstance(fs, XciArchive):
            directories = [directory] if directory else ["secure", *(part for part in fs.partitions if part != "secure")]
        elif isinstance(fs, HostFs) or directory:
            return None
        else:
            directories = [""]
        for place in directories:
            if place and place not in getattr(fs, "partitions", ()):
                continue
            found = self.of(fs, prefix, place, enter).get(name.lower())
            if found is not None:
                return found if directory else join(place, found)
        if name.lower().partition(".")[0] in CONTENT_ALIASES:
            for place in directories:
                if (unreadable := self._unreadable.get(join(prefix, place))) is not None:
                    raise unreadable.with_traceback(None)  # It may be the one that is asked for: say why nobody can tell.
        return None

    def of(self, fs: FileSystem, prefix: str, directory: str, enter: Enter) -> dict[str, str]:
        """Map ``@program``, ``@control`` … to the names of the NCAs in one directory of an archive.

        Raises:
            MissingKeyError: ``header_key`` is absent: content types are inside the encrypted headers.
        """
        key = join(prefix, directory)
        found = self._aliases.get(key)
        if found is None:
            ncas: list[tuple[int, int, str, str]] = []
            for entry in fs.read_dir(directory):
                if not entry.name.lower().endswith((".nca", ".ncz")) or not addressable(entry.name):
                    continue
                if len(ncas) >= _MAX_ALIASES:
                    break
                inner = join(directory, entry.name)
                try:
                    nca = enter(fs, inner, join(prefix, inner))
                except MissingKeyError:
                    raise
                except OboromiFsError as wrong:  # Damaged, cut short, or of another key: the others still have their names.
                    self._unreadable.setdefault(key, wrong)
                    continue
                if isinstance(nca, Nca):
                    header = nca.header
                    alias = _content_alias(nca, join(prefix, inner), enter)
                    ncas.append((header.program_id, header.content_index, alias, _whole_name(fs, inner)))
            # By program, so that the first of a multi-program title, and a base before its update, is the one without a number.
            found = {}
            counts: dict[str, int] = {}
            for _, _, alias, name in sorted(ncas, key=lambda nca: nca[:2]):
                number = counts[alias] = counts.get(alias, -1) + 1
                found[f"{alias}.{number}" if number else alias] = name
            self._aliases[key] = found
        return found


def _whole_name(fs: FileSystem, inner: str) -> str:
    """The name of an NCA: of a compressed one, that of what it holds, unless another file has it."""
    name = inner.rpartition("/")[2]
    if not name.lower().endswith(".ncz"):
        return name
    whole = name[:-1] + ("a" if name[-1] == "z" else "A")
    try:
        fs.metadata(join(inner.rpartition("/")[0], whole))
    except (FileNotFoundError, NotADirectoryError):
        return whole
    return name


def _content_alias(nca: Nca, outer: str, enter: Enter) -> str:
    kind = nca.header.content_type
    alias = CONTENT_ALIASES[kind] if kind < len(CONTENT_ALIASES) else "@unknown"
    if alias == "@manual" and nca.sections:
        # Manual and legal information share a content type; the legal one has its own file at the root.
        section = next(iter(nca.sections.values()))
        secure_value = section.header.secure_value & 0xFFFFFF
        if secure_value in (_HTML_DOCUMENT, _LEGAL_INFORMATION):
            return "@legal" if secure_value == _LEGAL_INFORMATION else "@manual"
        try:
            inside = enter(nca, section.name, join(outer, section.name))
            names = {entry.name for entry in inside.read_dir("")} if inside is not None else set()
        except OboromiFsError:
            return alias
        if "legalinfo.xml" in names:
            return "@legal"
    return alias


def _is_slot(nca: Nca, name: str) -> bool:
    return len(name) == 2 and name[1] in "0123" and int(name[1]) in nca.sections
