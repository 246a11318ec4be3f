"""From a path to a file system: recognise containers by content, nest them, and follow paths through them.

A path is a host path that simply goes on inside a container: ``card.xci/secure/0123….nca/romfs/data/level1.bin``.
"""

from __future__ import annotations

from oboromi_fs.opening.hostfile import open_storage, split_parts
from oboromi_fs.opening.location import Location, locate, open_fs
from oboromi_fs.opening.nested import NestedFs
from oboromi_fs.opening.opener import KeysType, Opener

__all__ = ["KeysType", "Location", "NestedFs", "Opener", "locate", "open_fs", "open_storage", "split_parts"]
