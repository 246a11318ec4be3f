"""What can be checked of tickets against the NCAs that need them: rights ids, key generations, titles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.backends.nca import Nca
from oboromi_fs.errors import OboromiFsError
from oboromi_fs.jobs.checks import Check, Step, now
from oboromi_fs.jobs.titleids import of_one_title
from oboromi_fs.paths import addressable, join
from oboromi_fs.tickets import Ticket

if TYPE_CHECKING:
    from collections.abc import Callable

    from oboromi_fs._extents import PartitionArchive
    from oboromi_fs.opening import Opener

__all__ = ["ticket_steps"]

_NCA = (".nca", ".ncz")


def ticket_steps(
    archives: dict[str, PartitionArchive], opener: Opener, tickets_of: Callable[[PartitionArchive], Callable[[bytes], Ticket | None]]
) -> list[Step]:
    """Return the checks of the tickets in a package against the NCAs in it.

    Args:
        archives: The archives of the package, by what to call them.
        opener: How NCAs are opened.
        tickets_of: Gives the lookup of tickets in an archive.
    """
    needed: set[bytes] = set()
    checks: list[Check] = []
    for label, archive in archives.items():
        for name in archive.members:
            if not name.lower().endswith(_NCA) or not addressable(name):
                continue
            try:
                nca = opener.container(archive.storage(name), name)
            except OboromiFsError:  # That it cannot be opened is told where it is looked into.
                continue
            if isinstance(nca, Nca) and nca.has_rights_id:
                needed.add(nca.header.rights_id)
                checks.append(_against(join(label, name), nca, tickets_of(archive)(nca.header.rights_id)))
    for label, archive in archives.items():
        checks += _among(label, archive, needed)
    return [now(*checks)] if checks else []


def _against(label: str, nca: Nca, ticket: Ticket | None) -> Check:
    """An NCA with a rights id, and its ticket."""
    rights_id, header = nca.header.rights_id, nca.header
    what = "ticket"
    if not of_one_title(int.from_bytes(rights_id[:8], "big"), header.program_id):
        return Check(
            label, what, "failed", f"its rights id {rights_id.hex()} is of another title than its program id {header.program_id:016x}"
        )
    if not _same_generation(rights_id[-1], header.key_generation):
        return Check(label, what, "failed", f"its rights id is for key generation {rights_id[-1]}, its header for {header.key_generation}")
    if ticket is None:
        return Check(label, what, "note", f"there is no ticket of {rights_id.hex()}: whoever opens it needs the title key from elsewhere")
    said = ticket.key_generations
    if said and not any(_same_generation(number, header.key_generation) for number in said):
        return Check(label, what, "failed", f"its ticket is for key generation {said[0]}, its header for {header.key_generation}")
    return Check(label, what, "ok", f"{rights_id.hex()}, key generation {header.key_generation}")


def _same_generation(one: int, other: int) -> bool:
    """Whether two numbers name one key generation: 0 and 1 have the same keys."""
    return max(one, 1) == max(other, 1)


def _among(label: str, archive: PartitionArchive, needed: set[bytes]) -> list[Check]:
    """The tickets of an archive: what they are called, and whether two of them contradict each other."""
    checks: list[Check] = []
    seen: dict[bytes, tuple[str, Ticket]] = {}
    for name in archive.members:
        if not name.lower().endswith(".tik") or not addressable(name):
            continue
        try:
            ticket = Ticket.read(archive.storage(name))
        except OboromiFsError:  # Told with the file.
            continue
        below, rights_id = join(label, name), ticket.rights_id
        if name.lower() != f"{rights_id.hex()}.tik":
            checks.append(Check(below, "ticket", "note", f"is called so, and is for {rights_id.hex()}"))
        if rights_id not in needed:
            checks.append(Check(below, "ticket", "note", "no NCA here needs it"))
        other = seen.setdefault(rights_id, (name, ticket))
        if other[1].body.title_key_block != ticket.body.title_key_block:
            checks.append(Check(below, "ticket", "failed", f"has another title key than {other[0]}, and the same rights id"))
    return checks
