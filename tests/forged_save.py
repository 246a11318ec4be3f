"""Save data images, put together from the specification alone: every layer, shuffled by a seed."""

from __future__ import annotations

import hashlib
import hmac
import random
from dataclasses import dataclass, field, replace
from struct import pack
from typing import TYPE_CHECKING, Any

from oboromi_formats.hashtree import IvfcLevel
from oboromi_formats.savedata import (
    DUPLEX_HEADER,
    DUPLEX_OFFSET,
    EXTRA_DATA,
    EXTRA_DATA_OFFSET,
    FAT_IVFC_OFFSET,
    IVFC_OFFSET,
    JOURNAL_HEADER,
    JOURNAL_OFFSET,
    LAYOUT_OFFSET,
    MAIN_REMAP_OFFSET,
    META_REMAP_OFFSET,
    REMAP_HEADER,
    SAVE_FS_HEADER,
    SAVE_FS_OFFSET,
    SAVE_IVFC,
    SAVE_LAYOUT,
    AllocationHeader,
    DuplexHeader,
    DuplexLayer,
    ExtraData,
    JournalHeader,
    Pair,
    RemapHeader,
    SaveFsHeader,
    SaveIvfc,
    SaveLayout,
    Span,
)
from oboromi_fs._decode import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

BLOCK = 0x200
"""Bytes of a block: of the file system, the journal and the hashes."""
LOG2 = 9
FLAG = 1 << 31
SEED = bytes(range(0x20))
SEGMENT = 1 << 62
"""With two segment bits: where the second segment of a remapping begins."""


def salted(number: int, data: bytes, *, sparse: bool = False) -> bytes:
    """The hashes of a level's blocks, one at a time; ``sparse`` leaves those of zeros out."""
    label = b"Master" if number == 1 else b"L%d" % (number - 1)
    salt = hmac.new(b"HierarchicalIntegrityVerificationStorage::" + label, SEED, "sha256").digest()
    out = b""
    for at in range(0, len(data), BLOCK):
        block = data[at : at + BLOCK].ljust(BLOCK, b"\0")
        digest = bytearray(hashlib.sha256(salt + block).digest())
        digest[31] |= 0x80
        out += bytes(0x20) if sparse and not any(block) else bytes(digest)
    return out


def hash_levels(data: bytes, count: int, *, sparse: bool = False) -> list[bytes]:
    """Master hashes, the levels below them, and the data."""
    levels = [data]
    for number in range(count, 0, -1):
        levels.insert(0, salted(number, levels[0], sparse=sparse and number == count))
    return levels


@dataclass
class Tables:
    """The file system before the layers: its blocks and its allocation table."""

    data: bytes
    fat: bytes
    directory_block: int
    file_block: int


@dataclass
class Forged:
    """An image, and what tests want to damage in it."""

    image: bytes
    header: bytes
    layout: SaveLayout
    tables: Tables
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)


class _Blocks:
    """Gives out blocks of the file system, here and there, and writes the lists of them."""

    def __init__(self, draw: random.Random, count: int) -> None:
        self.draw = draw
        self.free = list(range(count))
        self.data = bytearray(count * BLOCK)
        self.entries = [[0, 0] for _ in range(count + 1)]

    def _take(self, count: int) -> list[int]:
        """A run of free blocks."""
        at = self.draw.randrange(len(self.free))
        run = [self.free[at]]
        while len(run) < count and run[-1] + 1 in self.free:
            run.append(run[-1] + 1)
        for block in run:
            self.free.remove(block)
        return run

    def put(self, content: bytes) -> int:
        if not content:
            return -1 << 31  # As for every empty file.
        runs: list[list[int]] = []
        at = 0
        while at < len(content):
            needed = -(-(len(content) - at) // BLOCK)
            run = self._take(self.draw.randint(1, needed))
            for block in run:
                self.data[block * BLOCK : (block + 1) * BLOCK] = content[at : at + BLOCK].ljust(BLOCK, b"\0")
                at += BLOCK
            runs.append(run)
        for number, run in enumerate(runs):
            entry, last = run[0] + 1, run[-1] + 1
            before = runs[number - 1][0] + 1 if number else FLAG
            after = runs[number + 1][0] + 1 if number + 1 < len(runs) else 0
            self.entries[entry] = [before, after | (FLAG if len(run) > 1 else 0)]
            if len(run) > 1:
                self.entries[entry + 1] = self.entries[last] = [entry | FLAG, last]
        return runs[0][0]

    def fat(self) -> bytes:
        return b"".join(pack("<II", *entry) for entry in self.entries)


def _table(rows: Sequence[bytes], used: Sequence[int]) -> bytes:
    """A table: the list of free entries, the list of those in use, the entries; each of those in use leads to the next."""
    chained = [bytearray(row) for row in rows]
    head = bytearray(0x60)
    for before, after in zip([None, *used], [*used, 0], strict=True):
        (head if before is None else chained[before - 2])[0x5C:] = pack("<i", after)
    free = pack("<ii", len(rows) + 2, len(rows) + 2).ljust(0x60, b"\0")
    return free + bytes(head) + b"".join(chained)


def _row(parent: int, name: bytes, sibling: int, value: bytes) -> bytes:
    return pack("<i64si", parent, name, sibling) + value.ljust(0x14, b"\0") + bytes(4)


def tables_of(files: Mapping[str, bytes], dirs: Sequence[str], draw: random.Random, edit: Callable[[Any], None]) -> Tables:
    """Blocks, allocation table and the two tables of a tree; ``edit`` may change the rows of directories and of files, a pair."""
    names = {""} | {
        "/".join(path.split("/")[:depth]) for path in [*files, *(f"{d}/x" for d in dirs)] for depth in range(1, path.count("/") + 1)
    }
    directories = sorted(names)
    draw.shuffle(directories)
    index = {path: number + 2 for number, path in enumerate(directories)}
    paths = list(files)
    file_index = {path: number + 2 for number, path in enumerate(paths)}
    blocks = _Blocks(draw, sum(-(-len(data) // BLOCK) for data in files.values()) + len(paths) + len(directories) + 8)

    def children(parent: str, among: Sequence[str]) -> list[str]:
        return [path for path in among if path and path.rpartition("/")[0] == parent]

    def encoded(path: str) -> bytes:
        return path.rpartition("/")[2].encode("utf-8", "surrogateescape")

    def sibling(path: str, among: Sequence[str], numbers: Mapping[str, int]) -> int:
        row = children(path.rpartition("/")[0], among) if path else []
        at = row.index(path) + 1 if path in row else 0
        return numbers[row[at]] if 0 < at < len(row) else 0

    directory_rows = []
    for path in directories:
        below, within = children(path, directories), children(path, paths)
        value = pack("<ii", index[below[0]] if below else 0, file_index[within[0]] if within else 0)
        parent = index[path.rpartition("/")[0]] if path else 0
        directory_rows.append(bytearray(_row(parent, encoded(path), sibling(path, directories, index), value)))
    file_rows = [
        bytearray(
            _row(
                index[path.rpartition("/")[0]],
                encoded(path),
                sibling(path, paths, file_index),
                pack("<iq", blocks.put(files[path]), len(files[path])),
            )
        )
        for path in paths
    ]
    edit((directory_rows, file_rows))
    used = list(index.values())
    draw.shuffle(used)
    directory_block = blocks.put(_table([bytes(row) for row in directory_rows], used))
    file_block = blocks.put(_table([bytes(row) for row in file_rows], list(file_index.values())))
    return Tables(bytes(blocks.data), blocks.fat(), directory_block, file_block)


class _Space:
    """A remapping: parts get places in its address space, and in the bytes below, in another order."""

    def __init__(self, draw: random.Random, *, two_segments: bool) -> None:
        self.draw = draw
        self.parts: dict[str, tuple[int, bytes]] = {}
        self.at = [0, SEGMENT]
        self.two_segments = two_segments

    def add(self, name: str, data: bytes) -> int:
        """Return the address; as the signed number that headers have."""
        segment = self.draw.randrange(2) if self.two_segments else 0
        at = self.at[segment]
        self.parts[name] = (at, data)
        self.at[segment] += len(data)
        return at

    def done(self) -> tuple[bytes, bytes, dict[str, int]]:
        """The entries, the bytes below, and where in these the parts begin."""
        pieces: list[tuple[int, bytes]] = []
        for at, data in self.parts.values():
            cut = self.draw.randrange(len(data) + 1) if len(data) > 1 else 0
            pieces += [(at, data[:cut]), (at + cut, data[cut:])]
        pieces = [piece for piece in pieces if piece[1]]
        self.draw.shuffle(pieces)
        entries, below = [], b""
        places: dict[int, int] = {}
        for at, data in pieces:
            below += bytes(self.draw.randrange(3))
            places[at] = len(below)
            entries.append(pack("<QQQII", at, len(below), len(data), 1, 0))
            below += data
        entries.sort(key=lambda entry: entry[:8][::-1])
        return b"".join(entries), below, {name: places[at] for name, (at, data) in self.parts.items() if data}


def _bits(chosen: Sequence[int]) -> bytes:
    """A bitmap: words of 32 bits, the highest first."""
    out = b""
    for at in range(0, len(chosen), 32):
        word = 0
        for number, bit in enumerate(chosen[at : at + 32]):
            word |= bit << (31 - number)
        out += pack("<I", word)
    return out


def _duplexed(data: bytes, size: int, draw: random.Random) -> tuple[bytes, bytes, bytes]:
    """Two copies of some bytes, of which each has every block or garbage; and the bitmap that tells which."""
    copies, chosen = [b"", b""], []
    for at in range(0, len(data), size):
        block = data[at : at + size]
        bit = draw.randrange(2)
        chosen.append(bit)
        copies[bit] += block
        copies[1 - bit] += b"\xdd" * len(block)
    return copies[0], copies[1], _bits(chosen)


def _journal(data: bytes, draw: random.Random, *, sparse: bool) -> tuple[bytearray, bytearray]:
    """The journal, its blocks in any order and more of them than there is data; and its map."""
    count = -(-len(data) // BLOCK)
    order = draw.sample(range(count + 3), count)
    journal = bytearray(b"\xcd" * ((count + 3) * BLOCK))
    for block, physical in enumerate(order):
        part = data[block * BLOCK : (block + 1) * BLOCK]
        never = sparse and not any(part)
        journal[physical * BLOCK : physical * BLOCK + len(part)] = b"\xce" * len(part) if never else part
    return journal, bytearray(b"".join(pack("<II", physical | (FLAG if draw.randrange(2) else 0), 0) for physical in order))


def _nothing(_: Any) -> None:
    """No edit."""


def save_image(
    files: Mapping[str, bytes],
    dirs: Sequence[str] = (),
    *,
    seed: int = 0,
    version: int = 0x40000,
    sparse: bool = False,
    edits: Mapping[str, Callable[[Any], None]] | None = None,
) -> Forged:
    """An image.

    Args:
        files: Its files by path.
        dirs: Directories that may be empty.
        seed: Of everything that may lie here or there.
        version: 0x50000 has hashes over the allocation table.
        sparse: Whether blocks of zeros were never written.
        edits: What changes the ``rows`` of the two tables (a pair of lists, from index 2 on), the ``fat``, the journal's ``map``, the
            ``entries`` of the main remapping, or the ``header`` before it is hashed; each in place.
    """
    edit = dict.fromkeys(("rows", "fat", "map", "entries", "header"), _nothing) | dict(edits or {})
    draw = random.Random(seed)
    tables = tables_of(files, dirs, draw, edit["rows"])
    fat = bytearray(tables.fat)
    edit["fat"](fat)
    protected = version >= 0x50000
    master, *levels = hash_levels(tables.data, 4, sparse=sparse)
    fat_master, *fat_levels = hash_levels(bytes(fat), 3) if protected else (b"", bytes(fat))

    count = -(-len(tables.data) // BLOCK)
    journal, journal_map = _journal(tables.data, draw, sparse=sparse)
    edit["map"](journal_map)

    meta = _Space(draw, two_segments=bool(seed % 2))
    where = {name: meta.add(name, bytes(data)) for name, data in [("map", journal_map), *zip(("l1", "l2", "l3"), levels[:3], strict=True)]}
    fat_where = [meta.add(f"fat{number}", level) for number, level in enumerate(fat_levels)]
    meta_entries, meta_below, _ = meta.done()

    data_a, data_b, bitmap = _duplexed(meta_below, 0x40, draw)
    l1_a, l1_b, master_bits = _duplexed(bitmap, 0x20, draw)
    other_bits = bytes(byte ^ 0xFF for byte in master_bits)  # Of the master bitmap that is not in force.
    main = _Space(draw, two_segments=bool(seed % 3))
    parts = {"l1a": l1_a, "l1b": l1_b, "a": data_a, "b": data_b, "journal": bytes(journal)}
    at = {name: main.add(name, data) for name, data in parts.items()}
    raw_entries, main_below, places = main.done()
    main_entries = bytearray(raw_entries)
    edit["entries"](main_entries)

    entries_at = 0x8000
    meta_at = entries_at + len(main_entries)
    body_at = meta_at + len(meta_entries)
    head = bytearray(0x4000)
    master_at = 0xC00
    fat_master_at = master_at + len(master) + len(master_bits) * 2
    layout = SaveLayout(
        version=version,
        hash=bytes(0x20),
        main_remap_entries=Span(entries_at, len(main_entries)),
        meta_remap_entries=Span(meta_at, len(meta_entries)),
        main_remap_data=Span(body_at, len(main_below)),
        duplex_l1=Pair(at["l1a"], at["l1b"], len(l1_a)),
        duplex_data=Pair(at["a"], at["b"], len(data_a)),
        journal_data_offset=at["journal"],
        journal_data_size_a=len(tables.data),
        journal_data_size_b=count * BLOCK,
        journal_size=3 * BLOCK,
        duplex_master=Pair(master_at + len(master), master_at + len(master) + len(master_bits), len(master_bits)),
        ivfc_master=Pair(master_at, master_at, max(len(master), len(fat_master))),
        journal_map=Span(where["map"], len(journal_map)),
        journal_physical_bitmap=Span(),
        journal_virtual_bitmap=Span(),
        journal_free_bitmap=Span(),
        ivfc_l1=Span(where["l1"], len(levels[0])),
        ivfc_l2=Span(where["l2"], len(levels[1])),
        ivfc_l3=Span(where["l3"], len(levels[2])),
        fat=Span(fat_where[-1], len(fat)),
        duplex_index=seed % 2,
        fat_ivfc_master_a=fat_master_at,
    )
    salt = {"salt_seed": SEED, "master_hash_size": 0x20}
    empty = [IvfcLevel()] * 6
    offsets = [where["l1"], where["l2"], where["l3"], 0]
    rows = [IvfcLevel(offset, len(level), LOG2) for offset, level in zip(offsets, levels, strict=True)]
    fat_rows = [IvfcLevel(offset, len(level), LOG2) for offset, level in zip(fat_where, fat_levels, strict=True)] if protected else []
    pieces = {
        DUPLEX_OFFSET: encode(DUPLEX_HEADER, DuplexHeader(layers=(DuplexLayer(0, 0, 5), DuplexLayer(0, 0, 5), DuplexLayer(0, 0, 6)))),
        IVFC_OFFSET: encode(SAVE_IVFC, SaveIvfc(layer_count=5, levels=(*rows, *empty[4:]), **salt)),  # type: ignore[arg-type]
        JOURNAL_OFFSET: encode(
            JOURNAL_HEADER,
            JournalHeader(
                size=len(tables.data) + 3 * BLOCK, journal_size=3 * BLOCK, block_size=BLOCK, main_block_count=count, journal_block_count=3
            ),
        ),
        SAVE_FS_OFFSET: encode(
            SAVE_FS_HEADER,
            SaveFsHeader(
                block_count=count,
                block_size=BLOCK,
                allocation=AllocationHeader(
                    block_size=BLOCK,
                    table_block_count=len(fat) // 8,
                    data_block_count=count,
                    directory_table_block=tables.directory_block,
                    file_table_block=tables.file_block,
                ),
            ),
        ),
        MAIN_REMAP_OFFSET: encode(REMAP_HEADER, RemapHeader(entry_count=len(main_entries) // 0x20, segment_count=2, segment_bits=2)),
        META_REMAP_OFFSET: encode(REMAP_HEADER, RemapHeader(entry_count=len(meta_entries) // 0x20, segment_count=2, segment_bits=2)),
        EXTRA_DATA_OFFSET: encode(
            EXTRA_DATA, ExtraData(program_id=0x0100ABCDEF000000, data_size=len(tables.data), timestamp=1_600_000_000)
        ),
        master_at: master + (other_bits + master_bits if seed % 2 else master_bits + other_bits),
        fat_master_at: fat_master,
    }
    if protected:
        levels_of_fat = (*fat_rows, *empty[3:])
        pieces[FAT_IVFC_OFFSET] = encode(SAVE_IVFC, SaveIvfc(layer_count=4, levels=levels_of_fat, **salt))  # type: ignore[arg-type]
    for offset, data in pieces.items():
        head[offset : offset + len(data)] = data
    head[LAYOUT_OFFSET : LAYOUT_OFFSET + 0x200] = encode(SAVE_LAYOUT, layout)
    edit["header"](head)
    head[LAYOUT_OFFSET + 8 : LAYOUT_OFFSET + 0x28] = hashlib.sha256(head[0x300:]).digest()
    image = bytes(head) * 2 + bytes(main_entries) + meta_entries + main_below
    spans = {name: (body_at + place, len(parts[name])) for name, place in places.items()}
    return Forged(image, bytes(head), replace(layout, hash=bytes(head[LAYOUT_OFFSET + 8 : LAYOUT_OFFSET + 0x28])), tables, spans)
