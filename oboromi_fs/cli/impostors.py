"""Files that are called like a container and are none: an upload that broke off, a page saved in place of what it links to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oboromi_fs.errors import NotThisFormatError

if TYPE_CHECKING:
    from oboromi_fs.opening import Location

__all__ = ["refuse_impostor"]

_CALLED = {
    ".nsp": "an NSP package",
    ".nsz": "an NSZ package",
    ".xci": "an XCI card",
    ".xcz": "an XCZ card",
    ".nca": "an NCA",
    ".ncz": "an NCZ",
}
_HEAD = 64
_WHITE = b"\t\n\r"


def refuse_impostor(place: Location, description: dict[str, Any]) -> None:
    """Refuse a file of which nothing is known, and whose name says what it should be.

    Args:
        place: The file.
        description: What was found out about it.

    Raises:
        NotThisFormatError: It is one.
    """
    called = next((what for ending, what in _CALLED.items() if place.display.lower().endswith(ending)), "")
    if not called or description["kind"] != "file":
        return
    storage = place.fs.storage(place.path)
    if not storage.size:
        raise NotThisFormatError("is empty: 0 bytes", source=place.display)
    head = storage[:_HEAD].tobytes()
    text = all(byte in _WHITE or 0x20 <= byte < 0x7F for byte in head)
    found = "is text" if text else "holds nothing but zeros to begin with" if not any(head) else f"begins with bytes {head[:4].hex()}"
    raise NotThisFormatError(f"is called like {called}, and is none: it {found}", source=place.display)
