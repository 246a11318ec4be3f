"""Tickets: where the title key of an NCA with a rights id is kept. Source: Switchbrew wiki, "Ticket"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oboromi_formats.ticket import SIGNATURE_TYPES, TICKET_BODY, TicketBody
from oboromi_fs._decode import decode, error
from oboromi_fs.errors import UnsupportedError

if TYPE_CHECKING:
    from oboromi_fs.keys import KeySet
    from oboromi_fs.protocols import Storage

__all__ = ["Ticket"]

PERSONALISED = 1


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as read from a ``.tik`` file. Its signature is not checked: tools write constant ones."""

    signature_type: int
    body: TicketBody

    @classmethod
    def read(cls, storage: Storage) -> Ticket:
        """Read a ticket.

        Raises:
            UnsupportedError: The signature type is unknown, so the body cannot be found.
            CorruptError: The file is too short.
        """
        kind = int.from_bytes(storage[:4], "little")
        found = SIGNATURE_TYPES.get(kind)
        if found is None:
            raise error(
                UnsupportedError, f"unknown signature type {kind:#x}", what="ticket", storage=storage, offset=0, field="signature_type"
            )
        return cls(kind, decode(TICKET_BODY, storage, 4 + found.signature_size + found.padding_size))

    @property
    def rights_id(self) -> bytes:
        """The 16 bytes that NCAs name."""
        return self.body.rights_id

    @property
    def key_generations(self) -> tuple[int, ...]:
        """What the ticket says of the generation its title key is wrapped for; some tools wrote it one byte too far."""
        return tuple(number for number in (self.body.common_key_id, self.body.property_mask & 0xFF) if number)

    def encrypted_title_key(self, keys: KeySet) -> bytes:
        """Return the title key as it is stored: still wrapped by ``titlekek``.

        Raises:
            MissingKeyError: The ticket is bound to a console, and ``eticket_rsa_keypair`` is absent.
        """
        if self.body.key_type == PERSONALISED:
            return keys.unwrap_personalised(self.body.title_key_block)
        return self.body.title_key_block[:0x10]
