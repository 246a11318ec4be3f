"""Bucket trees, read and written: entries in order of their virtual offsets, found by binary search. Source: Switchbrew wiki, "NCA".

The tree's nodes exist so that a console finds an entry without reading them all. Here the entries are read at once into one array, when the
first is needed, and the nodes are checked against them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from oboromi_formats.bucket_tree import BUCKET_TREE_HEADER, BUCKET_TREE_MAGIC, BucketTreeHeader
from oboromi_fs._decode import corrupt, decode_bytes, dtype, encode, error
from oboromi_fs.errors import CorruptError, UnsupportedError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from oboromi_formats.layout import Table
    from oboromi_fs.protocols import Storage

__all__ = ["NODE_SIZE", "Buckets", "Geometry", "build_buckets", "geometry", "read_buckets", "tree_header"]

NODE_SIZE = 0x4000
"""Bytes of a node in every NCA."""
_HEADER = 0x10
_NODE_SIZES = range(0x40, 0x80001)
_LAST_VERSION = 1
_MOST = 1 << 28
"""Entries that are read: more map more than any archive holds."""
_LARGEST = 1 << 41
"""Bytes a tree may map: as many as a section table can name, 2^32 units of 0x200. Zeros take no room, so nothing else bounds them."""
_AT_ONCE = 1 << 20
"""Bytes of sets that are read before they are checked; of a node at least one."""


class Geometry(NamedTuple):
    """How many nodes a tree of so many entries has.

    ``offsets`` and ``entries`` are how many of each a node holds; ``sets`` and ``l2`` how many nodes there are of entries and of the second
    level.
    """

    node_size: int
    offsets: int
    entries: int
    sets: int
    l2: int

    @property
    def node_bytes(self) -> int:
        """Bytes of the nodes of offsets."""
        return (1 + self.l2) * self.node_size if self.sets else 0

    @property
    def entry_bytes(self) -> int:
        """Bytes of the sets of entries."""
        return self.sets * self.node_size

    @property
    def size(self) -> int:
        """Bytes of the table."""
        return self.node_bytes + self.entry_bytes


class Buckets(NamedTuple):
    """The entries of a tree.

    ``rows`` is a structured array of shape ``(count,)``. ``starts`` has one offset more, the end: entry ``i`` maps
    ``starts[i]..starts[i + 1]``. ``notes`` tell in what a tree is not as it should be, and was read all the same.
    """

    rows: NDArray[np.void]
    starts: NDArray[np.int64]
    notes: tuple[str, ...] = ()

    @property
    def end(self) -> int:
        """The virtual offset behind the last byte."""
        return int(self.starts[-1])


def geometry(count: int, row_size: int, node_size: int = NODE_SIZE) -> Geometry:
    """Return the shape of a tree.

    Args:
        count: How many entries it has.
        row_size: Bytes of an entry.
        node_size: Bytes of a node.

    Example:
        >>> geometry(1_673_628, 0x14)[3:], geometry(1_673_629, 0x14)[3:]
        ((2046, 0), (2047, 1))
    """
    offsets, entries = (node_size - _HEADER) // 8, (node_size - _HEADER) // row_size
    sets = -(-count // entries)
    l2 = 0
    if sets > offsets:
        most = -(-sets // offsets)
        l2 = -(-(sets - (offsets - (most - 1))) // offsets)
    return Geometry(node_size, offsets, entries, sets, l2)


def tree_header(data: bytes, *, what: str, storage: Storage, offset: int) -> BucketTreeHeader:
    """Read the header of a tree.

    Args:
        data: Its 0x10 bytes.
        what: What error messages call it.
        storage: Where they came from, for error messages.
        offset: Where in there.

    Raises:
        CorruptError: The magic is absent, or the count is negative.
        UnsupportedError: The version is unknown.
    """
    header = decode_bytes(BUCKET_TREE_HEADER, data)
    if header.magic != BUCKET_TREE_MAGIC:
        raise error(CorruptError, f"magic is {header.magic!r}, not {BUCKET_TREE_MAGIC!r}", what=what, storage=storage, offset=offset)
    if header.version > _LAST_VERSION:
        problem = f"version {header.version}, {_LAST_VERSION} is the last one known"
        raise error(UnsupportedError, problem, what=what, storage=storage, offset=offset + 4, field="version")
    if not 0 <= header.entry_count <= _MOST:
        problem = f"{header.entry_count} entries; there can be 0 to {_MOST}"
        raise corrupt(problem, what=what, storage=storage, offset=offset + 8, field="entry_count")
    return header


def read_buckets(storage: Storage, table: Table, count: int, *, what: str, node_size: int = NODE_SIZE, end: int | None = None) -> Buckets:
    """Read all entries of a tree.

    Entries that map nothing are kept, and never found. Where there is but one set, its own count is believed rather than the header's:
    writers have been careless there.

    Args:
        storage: The table, in the clear.
        table: What an entry is.
        count: How many the header says there are.
        what: What error messages call the tree.
        node_size: Bytes of a node.
        end: Where the mapped space ends, as far as that is known otherwise: it stands in for an end that lies before the last entry.

    Raises:
        CorruptError: The table is cut short; nodes or entries contradict each other, or are out of order.
    """
    import numpy as np

    if node_size not in _NODE_SIZES or node_size & (node_size - 1):
        message = f"a node has a power of two of bytes, and not {node_size:#x}"
        raise ValueError(message)
    shape = geometry(count, table.row_size, node_size)
    if not shape.sets:
        return Buckets(np.zeros(0, dtype(table)), np.zeros(1, np.int64))
    if shape.size > storage.size:
        problem = f"{count} entries need {shape.size:#x} bytes, {storage.size:#x} are there"
        raise corrupt(problem, what=what, storage=storage, offset=0)
    reader = _Reader(storage, table, shape, what)
    return reader.read(count, end)


class _Reader:
    """Reads one tree; holds what its errors need."""

    def __init__(self, storage: Storage, table: Table, shape: Geometry, what: str) -> None:
        self.storage = storage
        self.table = table
        self.shape = shape
        self.what = what

    def wrong(self, problem: str, offset: int, field: str) -> CorruptError:
        return error(CorruptError, problem, what=self.what, storage=self.storage, offset=offset, field=field)

    def read(self, count: int, end: int | None) -> Buckets:
        import numpy as np

        base = self.shape.node_bytes
        rows, counts, ends = self._sets()
        notes: list[str] = []
        if counts.sum() != count:
            if self.shape.sets > 1:
                raise self.wrong(f"the sets hold {counts.sum()} entries, the header says {count}", base + 4, "count")
            notes.append(f"{self.what}: the header says {count} entries, the only set has {counts[0]}")
        offsets: NDArray[np.int64] = rows["offset"].astype(np.int64)
        firsts = np.concatenate(([0], np.cumsum(counts)[:-1]))
        self._check_order(offsets, firsts, ends)
        l1_end, set_end = self._check_nodes(offsets[firsts]), int(ends[-1])
        last = max(l1_end, set_end)
        if last <= offsets[-1] and end is not None and end > offsets[-1]:
            notes.append(f"{self.what}: ends at {last:#x}, before its last entry at {offsets[-1]:#x}; {end:#x} is taken")
            last = end
        elif l1_end != set_end:
            notes.append(f"{self.what}: ends at {l1_end:#x}, its last set at {set_end:#x}; {last:#x} is taken")
        if last < offsets[-1]:
            raise self.wrong(f"ends at {last:#x}, before its last entry at {offsets[-1]:#x}", 8, "end")
        if last > _LARGEST:
            raise self.wrong(f"ends at {last:#x}, {_LARGEST:#x} is the most that a section can have", 8, "end")
        return Buckets(rows, np.append(offsets, last), tuple(notes))

    def _sets(self) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.int64]]:
        """The entries, and how many there are in each set and where it says that it ends.

        Sets are checked before further ones are read: memory goes with the entries that are there, whatever the header says of them.
        """
        import numpy as np

        shape, width = self.shape, self.shape.entries * self.table.row_size
        rows: list[NDArray[Any]] = []
        counts, ends = np.zeros(shape.sets, np.int64), np.zeros(shape.sets, np.int64)
        step = max(_AT_ONCE // shape.node_size, 1)
        for first in range(0, shape.sets, step):
            stop = min(first + step, shape.sets)
            start = shape.node_bytes + first * shape.node_size
            raw = np.frombuffer(self.storage[start : start + (stop - first) * shape.node_size], np.uint8).reshape(-1, shape.node_size)
            heads = _heads(raw)
            counts[first:stop], ends[first:stop] = heads["count"], heads["end"]
            self._check_sets(first, heads["index"], counts[first:stop])
            packed = raw[:, _HEADER : _HEADER + width].reshape(-1, shape.entries, self.table.row_size)
            present = np.arange(shape.entries) < counts[first:stop, None]
            rows.append(np.ascontiguousarray(packed[present]).reshape(-1).view(dtype(self.table)))
        return np.concatenate(rows), counts, ends

    def _check_sets(self, first: int, indices: NDArray[Any], counts: NDArray[np.int64]) -> None:
        import numpy as np

        expected = np.arange(first, first + len(indices))
        bad = np.flatnonzero((indices != expected) | (counts <= 0) | (counts > self.shape.entries))
        if len(bad):
            at, number = int(bad[0]), first + int(bad[0])
            problem = f"set {number} calls itself {indices[at]} and has {counts[at]} entries, 1 to {self.shape.entries} fit"
            raise self.wrong(problem, self.shape.node_bytes + number * self.shape.node_size, "count")

    def _check_order(self, offsets: NDArray[np.int64], firsts: NDArray[Any], ends: NDArray[Any]) -> None:
        import numpy as np

        shape = self.shape
        down = np.flatnonzero(offsets[1:] < offsets[:-1])
        if len(down) or offsets[0] < 0:
            number = int(down[0]) + 1 if len(down) else 0
            within = int(np.searchsorted(firsts, number, "right")) - 1
            at = shape.node_bytes + within * shape.node_size + _HEADER + (number - int(firsts[within])) * self.table.row_size
            before = f"behind one at {offsets[number - 1]:#x}" if number else "a negative offset"
            raise self.wrong(f"entry {number} is for {offsets[number]:#x}, {before}", at, "offset")
        gaps = np.flatnonzero(ends[:-1] != offsets[firsts[1:]])
        if len(gaps):
            number = int(gaps[0])
            problem = f"set {number} ends at {ends[number]:#x}, the next one begins at {offsets[firsts[number + 1]]:#x}"
            raise self.wrong(problem, shape.node_bytes + number * shape.node_size + 8, "end")

    def _check_nodes(self, starts: NDArray[np.int64]) -> int:
        """Check what the nodes of offsets say against where the sets begin; return where they say that everything ends."""
        import numpy as np

        shape = self.shape
        nodes = np.frombuffer(self.storage[: shape.node_bytes], np.uint8).reshape(1 + shape.l2, shape.node_size)
        heads = _heads(nodes)
        values = np.ascontiguousarray(nodes[:, _HEADER : _HEADER + shape.offsets * 8]).view("<i8")
        direct = shape.offsets - shape.l2 if shape.l2 else shape.sets
        said = values[0, shape.l2 : shape.l2 + direct]
        for number in range(shape.l2):
            count = min(shape.offsets, shape.sets - direct - number * shape.offsets)
            head = heads[1 + number]
            if (head["index"], head["count"]) != (number, count):
                problem = f"L2 node {number} calls itself {head['index']} and has {head['count']} offsets, and should have {count}"
                raise self.wrong(problem, (1 + number) * shape.node_size, "count")
            if values[0, number] != values[1 + number, 0]:
                problem = f"L1 says that L2 node {number} begins at {values[0, number]:#x}, which says {values[1 + number, 0]:#x}"
                raise self.wrong(problem, _HEADER + 8 * number, "offset")
            if head["end"] < values[1 + number, count - 1]:
                problem = f"L2 node {number} ends at {head['end']:#x}, before its last set at {values[1 + number, count - 1]:#x}"
                raise self.wrong(problem, (1 + number) * shape.node_size + 8, "end")
            said = np.concatenate((said, values[1 + number, :count]))
        first = heads[0]
        if (first["index"], first["count"]) != (0, shape.l2 or shape.sets):
            problem = f"L1 calls itself {first['index']} and has {first['count']} offsets, and should have {shape.l2 or shape.sets}"
            raise self.wrong(problem, 0, "count")
        off = np.flatnonzero(said != starts)
        if len(off):
            number = int(off[0])
            problem = f"set {number} begins at {starts[number]:#x}, its node says {said[number]:#x}"
            raise self.wrong(problem, _HEADER, "offset")
        return int(first["end"])


def build_buckets(rows: NDArray[np.void], end: int, table: Table, *, node_size: int = NODE_SIZE, version: int = 1) -> tuple[bytes, bytes]:
    """Write a tree.

    Args:
        rows: The entries, in order of their offsets.
        end: The virtual offset behind the last byte.
        table: What an entry is.
        node_size: Bytes of a node.
        version: What the header says.

    Returns:
        The header, 0x10 bytes, and the table.
    """
    import numpy as np

    shape = geometry(len(rows), table.row_size, node_size)
    header = encode(BUCKET_TREE_HEADER, BucketTreeHeader(version=version, entry_count=len(rows)))
    if not shape.sets:
        return header, b""
    offsets = rows["offset"].astype(np.int64)
    starts = offsets[:: shape.entries]
    ends = np.append(starts[1:], end)
    sets = np.zeros((shape.sets, node_size), np.uint8)
    counts = np.full(shape.sets, shape.entries)
    counts[-1] = len(rows) - (shape.sets - 1) * shape.entries
    _put_heads(sets, np.arange(shape.sets), counts, ends)
    padded = np.zeros(shape.sets * shape.entries * table.row_size, np.uint8)
    padded[: len(rows) * table.row_size] = np.frombuffer(np.ascontiguousarray(rows).tobytes(), np.uint8)
    sets[:, _HEADER : _HEADER + shape.entries * table.row_size] = padded.reshape(shape.sets, -1)
    nodes = np.zeros((1 + shape.l2, node_size), np.uint8)
    values = np.zeros((1 + shape.l2, shape.offsets), "<i8")
    direct = shape.offsets - shape.l2 if shape.l2 else shape.sets
    values[0, shape.l2 : shape.l2 + direct] = starts[:direct]
    node_counts, node_ends = [shape.l2 or shape.sets], [end]
    for number in range(shape.l2):
        part = starts[direct + number * shape.offsets :][: shape.offsets]
        values[1 + number, : len(part)] = part
        values[0, number] = part[0]
        node_counts.append(len(part))
        after = direct + (number + 1) * shape.offsets
        node_ends.append(int(starts[after]) if after < shape.sets else end)
    _put_heads(nodes, np.array([0, *range(shape.l2)]), np.array(node_counts), np.array(node_ends))
    nodes[:, _HEADER : _HEADER + shape.offsets * 8] = values.view(np.uint8)
    return header, nodes.tobytes() + sets.tobytes()


_HEAD = [("index", "<i4"), ("count", "<i4"), ("end", "<i8")]
"""What every node begins with, as the fields of an array."""


def _heads(nodes: NDArray[np.uint8]) -> NDArray[Any]:
    """What nodes, an array of shape (count, node size), begin with."""
    import numpy as np

    return np.ascontiguousarray(nodes[:, :_HEADER]).view(np.dtype(_HEAD)).reshape(-1)


def _put_heads(nodes: NDArray[np.uint8], indices: NDArray[Any], counts: NDArray[Any], ends: NDArray[Any]) -> None:
    import numpy as np

    heads = np.zeros(len(nodes), np.dtype(_HEAD))
    heads["index"], heads["count"], heads["end"] = indices, counts, ends
    nodes[:, :_HEADER] = heads.view(np.uint8).reshape(len(nodes), _HEADER)
