"""What can be checked of packages and cards themselves: the hashes of HFS0 entries, the header of a card, its size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.errors import OboromiFsError
from oboromi_fs.jobs.checks import Check, State, Status, Step, failure, flatten, initial_data, now
from oboromi_fs.jobs.signatures import card_signature

if TYPE_CHECKING:
    from oboromi_fs._extents import PartitionArchive
    from oboromi_fs.backends.xci import XciArchive
    from oboromi_fs.keys import KeySet

__all__ = ["PAGE", "card_steps", "entry_hash"]

PAGE = 0x200
"""Bytes of a page of a game card: less than that may be missing at its end, where only filling is."""


def entry_hash(label: str, archive: PartitionArchive, name: str, state: State) -> Step:
    """Return the step that checks the start of a member against the hash in an HFS0 entry."""
    member = archive.member(name)
    state.total += member.hashed_size

    def task() -> list[Check]:
        try:
            good = archive.hash_matches(name)
        except OboromiFsError as wrong:
            return [failure(label, "HFS0 entry hash", wrong)]
        state.advance(member.hashed_size, label)
        if good:
            return [Check(label, "HFS0 entry hash", "ok", size=member.hashed_size)]
        if name.lower().endswith(".ncz") and not any(member.digest):
            return [Check(label, "HFS0 entry hash", "note", "zeros: whoever compressed the NCA wrote none", size=member.hashed_size)]
        place = archive.raw.place(min(member.offset, archive.raw.size)).offset
        detail = f"the first {member.hashed_size:#x} bytes do not have the hash of the entry"
        return [Check(label, "HFS0 entry hash", "failed", detail, place, member.hashed_size)]

    return Step([task], flatten)


def card_steps(label: str, card: XciArchive, keys: KeySet) -> list[Step]:
    """Return the checks of what a card says of itself; its partitions are looked into by others."""
    steps: list[Step] = []
    good, suffix = card.root_hash_matches()
    where = card.header_offset + card.header.root_address
    size = card.header.root_header_size
    if good:
        detail = f"with compatibility byte {suffix}" if suffix else ""
        steps.append(now(Check(label, "XCI root header hash", "ok", detail, size=size)))
    elif card.holds_compressed:
        detail = "the card header is that of the card this XCZ was made from, and counts what was not compressed"
        steps.append(now(Check(label, "XCI root header hash", "note", detail, where, size)))
    else:
        detail = "the root header does not have the hash of the card header, nor with a known region byte"
        steps.append(now(Check(label, "XCI root header hash", "failed", detail, where, size)))
    steps.append(now(*card_signature(label, card, keys)))
    if card.has_key_area:
        steps.append(now(initial_data(label, card)))
    if card.raw.size < card.trimmed_size and not card.holds_compressed:
        detail = f"the header counts {card.trimmed_size:#x} bytes, the file has {card.raw.size:#x}"
        # Over-trimmed by less than a page is harmless: the page's rest is filling.
        status: Status = "note" if card.trimmed_size - card.raw.size < PAGE else "failed"
        steps.append(now(Check(label, "XCI size", status, detail, card.raw.size)))
    return steps
