"""Trees as documents: what is below a path, as values that JSON, YAML and TOML can all hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oboromi_fs.base import walk
from oboromi_fs.errors import NotADirectoryEntryError
from oboromi_fs.paths import normalise, sort_key, split

if TYPE_CHECKING:
    from oboromi_fs.protocols import FileSystem, PathType

__all__ = ["tree_document"]


def tree_document(fs: FileSystem, path: PathType = "") -> dict[str, Any]:
    """Return what is below a directory, nested: names in path order, each with kind, and size or children.

    Args:
        fs: Any file system.
        path: The directory.

    Raises:
        EntryNotFoundError, NotADirectoryEntryError: There is no such directory.

    Example:
        >>> from oboromi_fs import MemoryFs
        >>> tree_document(MemoryFs({"a/b": b"123"}))["children"]
        [{'name': 'a', 'kind': 'directory', 'children': [{'name': 'b', 'kind': 'file', 'size': 3}]}]
    """
    root = normalise(path)
    if fs.metadata(root).kind != "directory":
        raise NotADirectoryEntryError(root)
    children: dict[str, list[dict[str, Any]]] = {"": []}
    for inner, entry in walk(fs, root):
        node: dict[str, Any] = {"name": entry.name, "kind": entry.kind}
        if entry.kind == "file":
            node["size"] = entry.size
        else:
            node["children"] = children[inner] = []
        children[split(inner)[0]].append(node)
    for nodes in children.values():
        nodes.sort(key=lambda node: sort_key(node["name"]))
    return {"path": root, "kind": "directory", "children": children[""]}
