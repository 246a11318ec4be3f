"""Analysis of a pair: which format two versions of a file are of, and what their difference means in it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import FormatError, OboromiFsError
from oboromi_fs.overlay.semantic.blocks import compare_binaries, equal
from oboromi_fs.overlay.semantic.modules import MODULES
from oboromi_fs.overlay.semantic.parsers import INI, JSON, TOML
from oboromi_fs.overlay.semantic.registry import HEAD_SIZE, Registry
from oboromi_fs.overlay.semantic.texts import compare_texts, is_text
from oboromi_fs.overlay.semantic.titles import TITLES
from oboromi_fs.overlay.semantic.values import Analysis, Delta, Format

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from oboromi_fs.overlay.semantic.registry import Comparator
    from oboromi_fs.protocols import Storage

__all__ = ["COMPARATORS", "analyze_pair", "register", "relate", "unregister"]

COMPARATORS = Registry((*TITLES, *MODULES, JSON, TOML, INI))
"""Who is asked where no other registry is given."""

MOST_NOTE = 200
"""Characters of a note that quotes an error."""


def register(comparator: Comparator) -> None:
    """Let a comparator be asked before all others; one of the same name that was registered before is replaced."""
    COMPARATORS.register(comparator)


def unregister(name: str) -> bool:
    """Take a registered comparator away, and return whether it was there."""
    return COMPARATORS.unregister(name)


def analyze_pair(path: str, old: Storage | Buffer, new: Storage | Buffer, *, registry: Registry = COMPARATORS) -> Analysis:
    r"""Say what the difference between two versions of a file means.

    The format is what the name says and the contents confirm; a ``.json`` that cannot be parsed is compared as text, and a note says why.
    Equal bytes are ``NoOpEquivalent`` in any format. Texts differ by their lines; a difference between other files of no known format is
    ``Unknown``. Files of any size are compared in bounded memory: those too large to be parsed as texts or bytes.

    Args:
        path: The file's path, for the format.
        old: The first version, a storage or bytes.
        new: The second.
        registry: Whom to ask.

    Raises:
        OboromiFsError: A version cannot be read; OSError likewise.

    Example:
        >>> found = analyze_pair("a/video.json", b'{"width": 640, "vsync": true}', b'{"vsync":true,\n "width":1280}')
        >>> str(found.format), found.delta.value, found.changes
        ('Json', 'BehaviorChanging', (Change(key='width', old='640', new='1280'),))
    """
    before, after = _storage(old), _storage(new)
    return relate(path, before, after, same=equal(before, after), registry=registry)


def relate(path: str, old: Storage, new: Storage, *, same: bool, registry: Registry = COMPARATORS) -> Analysis:
    """Say what the difference means where it is known whether there is one; see :func:`analyze_pair`."""
    if same:
        new = old  # Which lets comparators read one of them only.
    found = _compare(path, old, new, registry)
    return replace(found, delta=Delta.NO_OP_EQUIVALENT, changes=(), change_count=0) if same else found


def _compare(path: str, old: Storage, new: Storage, registry: Registry) -> Analysis:
    heads = bytes(old[:HEAD_SIZE]), bytes(new[:HEAD_SIZE])
    notes: list[str] = []
    for comparator in registry:
        try:
            if all(comparator.recognises(path, head) for head in heads):
                found = comparator.compare(old, new)
                return replace(found, notes=(*notes, *found.notes))
        except FormatError as failure:  # Damage where the bytes come from shows again below, where all of them are read.
            notes.append(_note(str(failure)))
        except (OboromiFsError, OSError):
            raise
        except Exception as failure:  # noqa: BLE001  # A comparator may be anyone's; what it fails at is compared without it.
            notes.append(_note(f"{comparator.name}: the comparator failed: {type(failure).__name__}: {failure}"))
    found = _without_meaning(path, old, new)
    return replace(found, notes=(*notes, *found.notes))


def _without_meaning(path: str, old: Storage, new: Storage) -> Analysis:
    if new is old:
        return Analysis(Format.TEXT if is_text(path, old) else Format.BINARY, Delta.NO_OP_EQUIVALENT)
    texts = is_text(path, old), is_text(path, new)
    if all(texts):
        try:
            return compare_texts(old, new)
        except FormatError as failure:
            found = compare_binaries(old, new)
            return replace(found, notes=(str(failure), *found.notes))
    if any(texts) and old.size and new.size:
        found = compare_binaries(old, new, Format.UNKNOWN)
        return replace(found, notes=(f"the {'old' if texts[0] else 'new'} version is text, the other is not", *found.notes))
    return compare_binaries(old, new)


def _note(text: str) -> str:
    return text if len(text) <= MOST_NOTE else f"{text[: MOST_NOTE - 1]}…"


def _storage(source: Storage | Buffer) -> Storage:
    return MemoryStorage(source) if isinstance(source, bytes | bytearray | memoryview) else source  # type: ignore[return-value]
