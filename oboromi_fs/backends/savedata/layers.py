"""The layers of a save data image: two remappings, the duplex between them, the journal, and the hash trees over it all.

Source: Switchbrew wiki, "Savegames".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from oboromi_formats.savedata import JOURNAL_MAP_ENTRY, REMAP_ENTRY
from oboromi_fs._decode import corrupt, error, table
from oboromi_fs.errors import CorruptError
from oboromi_fs.storage.indirect import runs_storage
from oboromi_fs.storage.salted import SaltedTree

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from oboromi_formats.savedata import Pair, RemapHeader, SaveIvfc, Span
    from oboromi_fs.backends.savedata.header import SaveHeader
    from oboromi_fs.protocols import Storage

__all__ = ["SaveLayers", "open_layers"]

_U64 = 1 << 64
_INDEX = 0x7FFFFFFF
"""The bits of a journal entry that are the number of a block."""
_LAYER_COUNTS = {"data": 5, "allocation table": 4}
_MAX_BLOCK_LOG2 = 30


class SaveLayers(NamedTuple):
    """What the file system in an image is read from. ``fat_tree`` is None where the allocation table is not hashed."""

    data_tree: SaltedTree
    fat: Storage
    fat_tree: SaltedTree | None


class _Remap:
    """One remapping: parts of an address space, wherever they lie in the layer below."""

    def __init__(self, image: Storage, header: RemapHeader, entries: Span, base: Storage, what: str) -> None:
        import numpy as np

        self.base = base
        self.what = what
        stored = _part(image, entries.offset, entries.size, what, "entries")
        rows = table(REMAP_ENTRY, stored, 0, header.entry_count)
        order = np.argsort(rows["virtual"], kind="stable")
        self.virtual: NDArray[np.uint64] = rows["virtual"][order]
        self.physical: NDArray[np.uint64] = rows["physical"][order]
        self.sizes: NDArray[np.uint64] = rows["size"][order]
        limit = np.uint64(base.size)
        wrong = (self.sizes == 0) | (self.physical > limit) | (self.sizes > limit - np.minimum(self.physical, limit))
        wrong |= self.sizes > np.uint64(_U64 - 1) - self.virtual
        if wrong.any():
            self._refuse(int(wrong.argmax()), f"lies outside the {base.size:#x} bytes that it maps", stored)
        ends = self.virtual + self.sizes
        clash = self.virtual[1:] < ends[:-1]
        if clash.any():
            self._refuse(int(clash.argmax()) + 1, "overlaps the one before it", stored)
        # Honest images have every byte once; else a few of them could pretend to be any number.
        placed = np.argsort(self.physical, kind="stable")
        clash = self.physical[placed][1:] < (self.physical + self.sizes)[placed][:-1]
        if clash.any():
            self._refuse(int(placed[int(clash.argmax()) + 1]), "shares bytes with another", stored)

    def _refuse(self, number: int, problem: str, stored: Storage) -> None:
        where = f"the entry for {int(self.virtual[number]):#x} ({int(self.sizes[number]):#x} bytes at {int(self.physical[number]):#x})"
        raise corrupt(f"{where} {problem}", what=self.what, storage=stored, offset=0)

    def part(self, offset: int, size: int, field: str) -> Storage:
        """Bytes of the address space, which must all be mapped."""
        import numpy as np

        if not size:
            return self.base.window(0, 0)
        start = offset % _U64
        index = int(self.virtual.searchsorted(np.uint64(start), "right")) - 1
        starts, physical = [0], []
        at, end = start, start + size
        while size > 0 and 0 <= index < len(self.virtual) and int(self.virtual[index]) <= at < int(self.virtual[index] + self.sizes[index]):
            skip = at - int(self.virtual[index])
            taken = min(int(self.sizes[index]) - skip, end - at)
            physical.append(int(self.physical[index]) + skip)
            at += taken
            starts.append(at - start)
            index += 1
            if at == end:
                break
        if at != end:
            problem = f"{size:#x} bytes at {start:#x} are mapped up to {at:#x} only"
            raise error(CorruptError, problem, what=self.what, storage=self.base, offset=0, field=field)
        if len(physical) == 1:
            return self.base.window(physical[0], physical[0] + size)
        where = np.zeros(len(physical), np.int64)
        return runs_storage(np.array(starts, np.int64), np.array(physical, np.int64), where, [self.base], what=self.what, kind="Remap")

    def span(self, span: Span, field: str) -> Storage:
        return self.part(span.offset, span.size, field)


def _part(storage: Storage, offset: int, size: int, what: str, field: str) -> Storage:
    if offset < 0 or size < 0 or offset + size > storage.size:
        problem = f"{size:#x} bytes at {offset:#x} lie outside of {storage.size:#x}"
        raise error(CorruptError, problem, what=what, storage=storage, offset=0, field=field)
    return storage.window(offset, offset + size)


def open_layers(image: Storage, header: SaveHeader, *, check: bool) -> SaveLayers:
    """Put the layers of an image together.

    Args:
        image: The whole image.
        header: The copy of its header that is believed.
        check: Whether reading checks hashes.

    Raises:
        CorruptError: A layer names bytes that are not there, or contradicts itself.
    """
    layout = header.layout
    base = _part(image, layout.main_remap_data.offset, layout.main_remap_data.size, "DISF layout", "main_remap_data")
    main = _Remap(image, header.main_remap, layout.main_remap_entries, base, "main RMAP")
    meta = _Remap(image, header.meta_remap, layout.meta_remap_entries, _duplex(header, main), "meta RMAP")
    journal = _journal(header, main, meta)
    levels = [meta.part(level.offset, level.size, f"levels[{index}]") for index, level in enumerate(header.ivfc.levels[:3])]
    data = header.ivfc.levels[3]
    levels.append(_part(journal, data.offset, data.size, "save data IVFC header", "levels[3]"))
    master = _part(header.raw, layout.ivfc_master.offset_a, layout.ivfc_master.size, "DISF layout", "ivfc_master")
    data_tree = _tree(header, header.ivfc, levels, master, "data", check=check)
    if header.fat_ivfc is None:
        return SaveLayers(data_tree, meta.span(layout.fat, "fat"), None)
    levels = [meta.part(level.offset, level.size, f"levels[{index}]") for index, level in enumerate(header.fat_ivfc.levels[:3])]
    master = _part(header.raw, layout.fat_ivfc_master_a, layout.ivfc_master.size, "DISF layout", "fat_ivfc_master")
    fat_tree = _tree(header, header.fat_ivfc, levels, master, "allocation table", check=check)
    return SaveLayers(data_tree, fat_tree.data, fat_tree)


def _tree(header: SaveHeader, info: SaveIvfc, levels: list[Storage], master: Storage, name: str, *, check: bool) -> SaltedTree:
    what = f"save data IVFC header ({name})"
    if info.layer_count != _LAYER_COUNTS[name]:
        problem = f"is {info.layer_count}, must be {_LAYER_COUNTS[name]}"
        raise error(CorruptError, problem, what=what, storage=header.raw, offset=0, field="layer_count")
    sizes = [level.block_size_log2 for level in info.levels[: len(levels)]]
    return SaltedTree(levels, master, sizes, info.salt_seed, check=check, what=f"save data {name}")


def _duplex(header: SaveHeader, main: _Remap) -> Storage:
    """The data of the duplex: of every block the copy that the bitmap over it names; of the bitmap, that of the master bitmap."""
    layout, layers = header.layout, header.duplex.layers
    master = layout.duplex_master
    offset = master.offset_b if layout.duplex_index == 1 else master.offset_a
    bits = _part(header.raw, offset, master.size, "DISF layout", "duplex_master")
    for name, pair, layer in (("duplex_l1", layout.duplex_l1, layers[1]), ("duplex_data", layout.duplex_data, layers[2])):
        bits = _chosen(bits, pair, layer.block_size_log2, main, name)
    return bits


def _chosen(bits: Storage, pair: Pair, log2: int, main: _Remap, name: str) -> Storage:
    import numpy as np

    if not 4 <= log2 <= _MAX_BLOCK_LOG2:
        raise error(
            CorruptError, f"{log2} is not in 4..{_MAX_BLOCK_LOG2}", what="DPFS header", storage=bits, offset=0, field="block_size_log2"
        )
    copies = [main.part(offset, pair.size, name) for offset in (pair.offset_a, pair.offset_b)]
    count = -(-pair.size >> log2) if pair.size >= 0 else 0
    if bits.size * 8 < count:
        problem = f"{bits.size:#x} bytes of bitmap cannot tell of {count} blocks"
        raise error(CorruptError, problem, what=f"DISF layout, {name}", storage=bits, offset=0)
    # Words of 32 bits, the highest first.
    words = bits[: -(-count // 32) * 4].tobytes()
    known = np.frombuffer(words + bytes(-len(words) % 4), "<u4").astype(">u4").view(np.uint8)
    where = np.unpackbits(known)[:count].astype(np.int64)
    starts = np.arange(count + 1, dtype=np.int64) << log2
    starts[-1] = pair.size
    return runs_storage(starts, starts[:-1], where, copies, what=f"duplex ({name})", kind="Duplex")


def _journal(header: SaveHeader, main: _Remap, meta: _Remap) -> Storage:
    """The data, each block from where the journal's map says that it is."""
    import numpy as np

    journal, layout = header.journal, header.layout
    what, size = "JNGL header", header.journal.block_size
    if not 0x10 <= size <= 1 << _MAX_BLOCK_LOG2:
        raise error(CorruptError, f"is {size:#x}", what=what, storage=header.raw, offset=0, field="block_size")
    body = main.part(layout.journal_data_offset, max(layout.journal_data_size_b, 0) + max(layout.journal_size, 0), "journal_data")
    entries = table(JOURNAL_MAP_ENTRY, meta.span(layout.journal_map, "journal_map"), 0, journal.main_block_count)
    blocks = (entries["physical"] & np.uint32(_INDEX)).astype(np.int64)
    if len(np.unique(blocks)) != len(blocks):
        raise error(CorruptError, "names a block twice", what="journal map", storage=header.raw, offset=0)
    length = journal.size - journal.journal_size
    if not 0 <= length <= len(blocks) * size:
        problem = f"{length:#x} bytes of data, {len(blocks)} blocks of {size:#x} in the map"
        raise error(CorruptError, problem, what=what, storage=header.raw, offset=0, field="size")
    blocks = blocks[: -(-length // size)]
    starts = np.arange(len(blocks) + 1, dtype=np.int64) * size
    starts[-1] = length
    return runs_storage(starts, blocks * size, np.zeros(len(blocks), np.int64), [body], what="journal map", kind="Journal")
