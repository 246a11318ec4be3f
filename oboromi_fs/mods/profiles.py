"""Profiles: each tool's way of finding mods, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, get_args, runtime_checkable

from oboromi_fs.errors import FormatError
from oboromi_fs.mods.values import ProfileName

if TYPE_CHECKING:
    from collections.abc import Collection

    from oboromi_fs.mods.values import Installed, Mod, Notice
    from oboromi_fs.protocols import FileSystem

__all__ = ["PROFILES", "Profile", "profile"]

PROFILES: tuple[ProfileName, ...] = get_args(ProfileName)
"""Names of the profiles."""


@runtime_checkable
class Profile(Protocol):
    """How one tool finds mods."""

    @property
    def name(self) -> ProfileName:
        """Name of the profile."""

    def titles(self, root: FileSystem) -> list[int]:
        """Return the ids of the titles that have a folder, in order.

        Args:
            root: The root that the tool keeps mods under, or a folder further in.
        """

    def installed(self, root: FileSystem, title_id: int | str) -> Installed:
        """Return what the tool finds for one title. Folders of other titles are not looked into.

        Args:
            root: The root that the tool keeps mods under, or a folder further in.
            title_id: The title, as a number or as 16 hexadecimal digits.

        Raises:
            FormatError: The text is no title id.
        """

    def scan(self, root: FileSystem, path: str, name: str) -> tuple[Mod, list[Notice]]:
        """Return what the tool would make of one mod folder, were it where the tool looks.

        Args:
            root: What the folder is in.
            path: The folder.
            name: What to call the mod.
        """


def profile(name: str, *, disabled: Collection[str] = ()) -> Profile:
    """Return a profile.

    Args:
        name: One of :data:`PROFILES`.
        disabled: Names or paths of mods, or of parts of them, that are switched off, besides those that the tool's own files say; one
            text is one name. What is the name of none, is in :attr:`Installed.unknown`.

    Raises:
        FormatError: There is no such profile.
        TypeError: A name to be switched off is no text.
    """
    if name == "atmosphere":
        from oboromi_fs.mods.atmosphere import Atmosphere

        return Atmosphere(disabled)
    if name == "yuzu":
        from oboromi_fs.mods.yuzu import Yuzu

        return Yuzu(disabled)
    if name == "ryujinx":
        from oboromi_fs.mods.ryujinx import Ryujinx

        return Ryujinx(disabled)
    if name == "plain":
        from oboromi_fs.mods.plain import Plain

        return Plain(disabled)
    raise FormatError(f"there is no profile {name!r}; there are {', '.join(PROFILES)}", what="profile")
