"""The four metadata tables of a RomFS, for all entries at once. Source: Switchbrew wiki, "RomFS"."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from oboromi_formats.romfs import DIR_ENTRY, FILE_ENTRY, NONE, bucket_count
from oboromi_fs._decode import dtype
from oboromi_fs.errors import FormatError

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    import numpy as np
    from numpy.typing import NDArray

    from oboromi_formats.layout import Table

    U4: TypeAlias = NDArray[np.uint32]
    I8: TypeAlias = NDArray[np.int64]

__all__ = ["Tables", "build_tables"]

LIMIT = NONE
"""First table size that 32-bit links cannot span."""

_HASH_SEED = 123456789
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")


class Tables(NamedTuple):
    """The tables in the order they have in an image, each a multiple of 4 bytes."""

    dir_hash: bytes
    dir_table: bytes
    file_hash: bytes
    file_table: bytes


class _Entries:
    """Names of one table: where each entry stands, who its parent is, which bucket it falls in."""

    def __init__(self, names: list[bytes], table: Table) -> None:
        import numpy as np

        self.table = table
        self.count = len(names)
        self.lengths: U4 = np.fromiter(map(len, names), np.uint32, self.count)
        padded: I8 = (self.lengths.astype(np.int64) + 3) & ~3
        sizes = padded + table.row_size
        self.size = int(sizes.sum())
        if self.size >= LIMIT:
            problem = f"{self.count} entries need {self.size:#x} bytes; links of 32 bits reach no further than {LIMIT:#x}"
            raise FormatError(problem, what=f"{table.name} table")
        self.offsets: I8 = sizes.cumsum() - sizes
        self.name_starts: I8 = padded.cumsum() - padded
        self.names: NDArray[np.uint8] = np.frombuffer(b"".join([name + _PADDING[len(name) & 3] for name in names]), np.uint8)

    def hashes(self, parents: U4) -> U4:
        """The hash of every entry: one step for each byte of the longest name, over all names that reach it."""
        import numpy as np

        longest_first: I8 = np.argsort(self.lengths)[::-1]
        values: U4 = parents[longest_first] ^ np.uint32(_HASH_SEED)
        starts = self.name_starts[longest_first]
        reaching = self.count - np.bincount(self.lengths).cumsum() if self.count else ()  # How many names are longer than k bytes.
        for k, count in enumerate(reaching):
            part = values[:count]
            part[:] = (part >> np.uint32(5) | part << np.uint32(27)) ^ self.names[starts[:count] + k]
        result: U4 = np.empty_like(values)
        result[longest_first] = values
        return result

    def chains(self, parents: U4) -> tuple[U4, bytes]:
        """Next entry in each entry's bucket, and the hash table: a later entry stands before the earlier ones."""
        import numpy as np

        heads: U4 = np.full(bucket_count(self.count), NONE, np.uint32)
        buckets = self.hashes(parents) % np.uint32(len(heads))
        order, same, _, last = _runs(buckets)
        following: U4 = np.full(self.count, NONE, np.uint32)
        following[order[1:][same]] = self.offsets[order[:-1][same]]
        heads[buckets[last]] = self.offsets[last]
        return following, heads.astype("<u4").tobytes()

    def siblings(self, parents: I8, directories: int) -> tuple[U4, U4]:
        """Next sibling of each entry, and the first entry of each directory. ``parents`` are numbers of directories."""
        import numpy as np

        order, same, leading, _ = _runs(parents)
        following: U4 = np.full(self.count, NONE, np.uint32)
        following[order[:-1][same]] = self.offsets[order[1:][same]]
        first: U4 = np.full(directories, NONE, np.uint32)
        first[parents[leading]] = self.offsets[leading]
        return following, first

    def rows(self) -> NDArray[Any]:
        """An empty row for every entry."""
        import numpy as np

        return np.zeros(self.count, dtype(self.table))

    def laid_out(self, rows: NDArray[Any]) -> bytes:
        """The table: each row, and after it the name."""
        import numpy as np

        words = self.table.row_size // 4
        in_name: NDArray[np.bool_] = np.ones(self.size // 4, np.bool_)
        first = self.offsets // 4
        for word in range(words):
            in_name[first + word] = False
        table: U4 = np.empty(self.size // 4, np.uint32)
        table[in_name] = self.names.view(np.uint32)
        table[~in_name] = rows.view(np.uint32)
        return table.tobytes()


def _runs(keys: NDArray[Any]) -> tuple[I8, NDArray[np.bool_], I8, I8]:
    """The stable order of the keys; whether each but the last, in that order, equals the next; the first and the last of each kind."""
    import numpy as np

    order: I8 = np.argsort(keys, kind="stable")
    ordered = keys[order]
    same = ordered[1:] == ordered[:-1]
    edge = np.ones(min(len(keys), 1), np.bool_)
    return order, same, order[np.concatenate((edge, ~same))], order[np.concatenate((~same, edge))]


def _split(path: bytes) -> tuple[bytes, bytes]:
    """Parent and name."""
    parent, _, name = path.rpartition(b"/")
    return parent, name


def build_tables(directories: list[bytes], files: list[bytes], data_offsets: I8, sizes: I8) -> Tables:
    """Build the tables.

    Args:
        directories: Paths from the root, which is ``b""`` and comes first; in the order of their entries.
        files: Paths of the files, in the order of their entries.
        data_offsets: Where each file's data starts, from the start of all data.
        sizes: Bytes of each file.

    Raises:
        FormatError: There is more than 32-bit links can tell apart.
    """
    import numpy as np

    number = {path: index for index, path in enumerate(directories)}
    dirs = _Entries([_split(path)[1] for path in directories], DIR_ENTRY)
    leaves = _Entries([_split(path)[1] for path in files], FILE_ENTRY)
    dir_parents: I8 = np.fromiter((number[_split(path)[0]] for path in directories), np.int64, dirs.count)
    file_parents: I8 = np.fromiter((number[_split(path)[0]] for path in files), np.int64, leaves.count)

    first_file: U4
    next_file, first_file = leaves.siblings(file_parents, dirs.count)
    offsets: U4 = dirs.offsets.astype(np.uint32)
    rows = leaves.rows()
    rows["parent"] = offsets[file_parents]
    rows["next_sibling"] = next_file
    rows["data_offset"] = data_offsets
    rows["size"] = sizes
    rows["next_in_bucket"], file_hash = leaves.chains(offsets[file_parents])
    rows["name_length"] = leaves.lengths
    file_table = leaves.laid_out(rows)

    nobody = dirs.count  # The root is its own parent, and nobody's child.
    next_directory, first_directory = dirs.siblings(np.concatenate(([nobody], dir_parents[1:])), dirs.count + 1)
    rows = dirs.rows()
    rows["parent"] = offsets[dir_parents]
    rows["next_sibling"] = next_directory
    rows["first_directory"] = first_directory[:nobody]
    rows["first_file"] = first_file
    rows["next_in_bucket"], dir_hash = dirs.chains(offsets[dir_parents])
    rows["name_length"] = dirs.lengths
    return Tables(dir_hash, dirs.laid_out(rows), file_hash, file_table)
