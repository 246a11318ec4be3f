"""Icons of an application: one JPEG of 256 x 256 pixels for each language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs._decode import corrupt, error
from oboromi_fs.errors import CorruptError, FormatError, NotThisFormatError
from oboromi_fs.metadata.titles import LANGUAGES
from oboromi_fs.paths import join, normalise

if TYPE_CHECKING:
    from oboromi_fs.protocols import FileSystem, PathType, Storage

__all__ = ["ICON_SIZE", "check_icon", "icon_name", "icons", "jpeg_size"]

ICON_SIZE = 256
"""Width and height of an icon in pixels."""

_MOST_SEGMENTS = 1000
_STANDALONE = {0x01, *range(0xD0, 0xD8)}
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def icon_name(language: str) -> str:
    """Return the name of a language's icon.

    Example:
        >>> icon_name("Japanese")
        'icon_Japanese.dat'
    """
    return f"icon_{language}.dat"


def icons(fs: FileSystem, path: PathType = "") -> dict[str, Storage]:
    """Return the icons in a folder of control data.

    Args:
        fs: Where to look.
        path: The folder.

    Returns:
        Language -> the JPEG; in the order of the languages, then those of languages we do not know.

    Raises:
        EntryNotFoundError: No such folder.
    """
    names = [entry.name for entry in fs.read_dir(path) if entry.kind == "file"]
    found = [name.removeprefix("icon_").removesuffix(".dat") for name in names if name.startswith("icon_") and name.endswith(".dat")]
    known = [language for language in LANGUAGES if language in found]
    root = normalise(path)
    order = (*known, *sorted(set(found).difference(known)))
    return {language: fs.storage(join(root, icon_name(language))) for language in order}


def jpeg_size(storage: Storage) -> tuple[int, int]:
    """Return width and height of a JPEG in pixels, from its frame header.

    Raises:
        NotThisFormatError: It is no JPEG.
        CorruptError: There is no frame header.
    """
    if storage[:2].tobytes() != b"\xff\xd8":
        raise error(NotThisFormatError, "it does not begin like one", what="JPEG", storage=storage, offset=0)
    at = 2
    for _ in range(_MOST_SEGMENTS):
        head = storage[at : at + 9].tobytes()
        if len(head) < 4 or head[0] != 0xFF or head[1] in {0xD9, 0xDA}:  # End, or pixels without a frame.
            break
        if head[1] == 0xFF:  # A byte of filling.
            at += 1
        elif head[1] in _STANDALONE:
            at += 2
        elif head[1] in _FRAMES and len(head) == 9:
            return int.from_bytes(head[7:9], "big"), int.from_bytes(head[5:7], "big")
        else:
            at += 2 + max(int.from_bytes(head[2:4], "big"), 2)
    raise corrupt("it has no frame header", what="JPEG", storage=storage, offset=min(at, storage.size))


def check_icon(storage: Storage, name: str) -> None:
    """Check that an icon is a JPEG of the size that is shown.

    Args:
        storage: The icon.
        name: Its path, for the error message.

    Raises:
        CorruptError: It is not a JPEG, or its size cannot be found; the error names the path, as does that below.
        FormatError: Its size is another.
    """
    try:
        size = jpeg_size(storage)
    except FormatError as failure:
        raise CorruptError(f"not a JPEG that can be read: {failure.problem}", what="icon", source=name) from failure
    if size != (ICON_SIZE, ICON_SIZE):
        problem = f"it has {size[0]}x{size[1]} pixels: an icon has {ICON_SIZE}x{ICON_SIZE}"
        raise FormatError(problem, what="icon", source=name)
