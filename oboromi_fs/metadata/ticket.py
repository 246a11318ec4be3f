"""Tickets as files: every byte of one as a value, and as text. Source: Switchbrew wiki, "CNMT", "NPDM", "Control.nacp" and "Ticket"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from oboromi_formats.ticket import SIGNATURE_TYPES, TICKET_BODY, LicenseType, PropertyMask, SignatureType, TitleKeyType
from oboromi_fs._decode import corrupt, error
from oboromi_fs.errors import FormatError, UnsupportedError
from oboromi_fs.metadata.forms import fields_from_layout, from_table, kinds_of, layout_bytes, part, source_of, to_table
from oboromi_fs.metadata.keypath import KeyPath
from oboromi_fs.metadata.kinds import Choice, Flags, Hex, Kind, Number, Text
from oboromi_fs.metadata.residue import Residue, ResidueKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Buffer

    from oboromi_formats.ticket import TicketBody
    from oboromi_fs.metadata.keypath import Plain
    from oboromi_fs.protocols import Storage

__all__ = ["SignatureKind", "TicketFile"]

MOST_BYTES = 0x100000
BLOCK_SIZE = 0x100
KEY_SIZE = 0x10
DEFAULT_TYPE = 0x10004


class SignatureKind(Kind):
    """The number that says how long the signature is; plainly the algorithm, such as ``RSA-2048 SHA-256``."""

    names: ClassVar = {number: found.algorithm for number, found in SIGNATURE_TYPES.items()}

    def plain(self, value: Any) -> Plain:
        """Return the algorithm's name."""
        return self.names[value]

    def parse(self, plain: Any, path: KeyPath) -> Any:
        """Return the number of an algorithm."""
        found = next((number for number, name in self.names.items() if plain in (number, name)), None)
        if found is None:
            path.refuse(plain, f"one of {', '.join(self.names.values())}")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketFile:
    """A ``.tik``: signature, body, and whatever follows.

    Attributes:
        signature_type: A key of :data:`oboromi_formats.ticket.SIGNATURE_TYPES`.
        signature: As long as the type says; None stands for one of 0xFF, as tools write it who cannot sign.
        signature_padding: Bytes behind the signature, as many as the type says; None stands for zeros.
        title_key_block: The encrypted title key and zeros, or an RSA block, 0x100 bytes in all.
        common_key_id: The key generation.
        trailing: What stands behind the body, such as section headers.
        unknown: What reserved fields of the body have that is not zero.

    Example:
        From scratch, rights id and encrypted title key are enough.

        >>> ticket = TicketFile.from_dict({"rights_id": "0100feedface00000000000000000005", "title_key": "ab" * 16})
        >>> ticket.common_key_id, len(ticket.to_bytes())
        (5, 704)
        >>> TicketFile.read(ticket.to_bytes()) == ticket
        True
    """

    format: ClassVar[str] = "ticket"

    signature_type: int = part(SignatureKind(), DEFAULT_TYPE)
    signature: bytes | None = part(Hex(), None, hide=True)
    signature_padding: bytes | None = part(Hex(), None, hide=True)
    issuer: str = part(Text(0x40), "Root-CA00000003-XS00000020")
    rights_id: bytes = part(Hex(0x10))
    title_key_block: bytes = part(Hex(BLOCK_SIZE))
    key_type: TitleKeyType | int = part(Choice(TitleKeyType), TitleKeyType.COMMON)
    common_key_id: int = part(Number(8))
    format_version: int = part(Number(8), 2)
    ticket_version: int = part(Number(16), 0)
    license_type: LicenseType | int = part(Choice(LicenseType), LicenseType.PERMANENT)
    property_mask: PropertyMask = part(Flags(PropertyMask, 16), PropertyMask(0))
    ticket_id: int = part(Number(64, digits=16), 0)
    device_id: int = part(Number(64, digits=16), 0)
    account_id: int = part(Number(32, digits=8), 0)
    section_total_size: int = part(Number(32), 0)
    section_header_offset: int = part(Number(32), 0x2C0)
    section_count: int = part(Number(16), 0)
    section_entry_size: int = part(Number(16), 0)
    trailing: bytes = part(Hex(), b"", hide=True)
    unknown: Residue = part(ResidueKind(TICKET_BODY.size), (), hide=True)

    @classmethod
    def read(cls, source: Storage | Buffer) -> TicketFile:
        """Read a ticket; its signature is not checked.

        Args:
            source: A storage, or bytes.

        Raises:
            UnsupportedError: The signature type is unknown, so the body cannot be found.
            CorruptError: The file is too short for its body, or for the sections it names.
        """
        storage, data = source_of(source, cls.format, MOST_BYTES)
        number = int.from_bytes(data[:4], "little")
        form = SIGNATURE_TYPES.get(number)
        if form is None:
            problem = f"unknown signature type {number:#x}"
            raise error(UnsupportedError, problem, what=cls.format, storage=storage, offset=0, field="signature_type")
        found, raw, unknown = fields_from_layout(cls, TICKET_BODY, data[form.body_offset :], storage, form.body_offset)
        end = _end_of_sections(raw)
        if end > len(data):
            problem = f"{raw.section_count} section headers end at {end:#x}, the file has {len(data):#x} bytes"
            at = form.body_offset + 0x17C
            raise corrupt(problem, what=TICKET_BODY.name, storage=storage, offset=at, field="section_count")
        signature, padding = data[4 : 4 + form.signature_size], data[4 + form.signature_size : form.body_offset]
        return cls(
            **found,
            signature_type=number,
            signature=None if signature == _filler(form) else signature,
            signature_padding=padding if any(padding) else None,
            trailing=data[form.body_offset + TICKET_BODY.size :],
            unknown=unknown,
        )

    def to_bytes(self) -> bytes:
        """Return the file.

        Raises:
            FormatError: A value does not fit its field, or the signature its type.
        """
        form = SIGNATURE_TYPES.get(self.signature_type)
        if form is None:
            raise FormatError(f"unknown type {self.signature_type:#x}", what=self.format, field="signature_type")
        signature = _filler(form) if self.signature is None else self.signature
        padding = bytes(form.padding_size) if self.signature_padding is None else self.signature_padding
        for name, data, size in (("signature", signature, form.signature_size), ("signature_padding", padding, form.padding_size)):
            if len(data) != size:
                raise FormatError(f"{len(data)} bytes, {form.algorithm} needs {size}", what=self.format, field=name)
        body = layout_bytes(TICKET_BODY, self, self.unknown)
        data = b"".join((self.signature_type.to_bytes(4, "little"), signature, padding, body, self.trailing))
        if _end_of_sections(self) > len(data):
            problem = f"{self.section_count} section headers end at {_end_of_sections(self):#x}, the file has {len(data):#x} bytes"
            raise FormatError(problem, what=self.format, field="section_count")
        return data

    def to_dict(self) -> dict[str, Plain]:
        """Return everything as plain values, for TOML and JSON; see :meth:`from_dict`."""
        table: dict[str, Plain] = {}
        for name, plain in {"format": self.format, **to_table(self)}.items():
            if name == "title_key_block" and not any(self.title_key_block[KEY_SIZE:]):
                table["title_key"] = self.title_key_block[:KEY_SIZE].hex()
            else:
                table[name] = plain
        return table

    @classmethod
    def from_dict(cls, table: Mapping[str, Any], *, source: str = "") -> TicketFile:
        """Return the ticket that a table of plain values describes.

        Only ``rights_id`` and ``title_key`` (still encrypted, 16 bytes) or ``title_key_block`` (256 bytes) are needed. ``common_key_id`` is
        by default the last byte of the rights id.

        Args:
            table: The values.
            source: Name of the file they came from, for error messages.

        Raises:
            FormatError: A key is unknown, or a value does not fit; the error names the key.
        """
        path = KeyPath(cls.format, source=source)
        rest = path.begin(table)
        defaults: dict[str, Any] = {}
        if "title_key" in rest:
            if "title_key_block" in rest:
                raise (path / "title_key").error("begins the title_key_block, which is given as well")
            defaults["title_key_block"] = Hex(KEY_SIZE).parse(rest.pop("title_key"), path / "title_key").ljust(BLOCK_SIZE, b"\0")
        elif "title_key_block" not in rest:
            raise (path / "title_key").error("missing")
        if "common_key_id" not in rest and "rights_id" in rest:
            defaults["common_key_id"] = Hex(0x10).parse(rest["rights_id"], path / "rights_id")[-1]
        found = from_table(cls, rest, path, defaults)
        path.finish(rest, (*kinds_of(cls), "title_key"))
        form = SIGNATURE_TYPES[found.get("signature_type", DEFAULT_TYPE)]
        for name, size in (("signature", form.signature_size), ("signature_padding", form.padding_size)):
            if name in found and len(found[name]) != size:
                raise (path / name).error(f"{len(found[name])} bytes, {form.algorithm} needs {size}")
        return cls(**found)


def _end_of_sections(body: TicketBody | TicketFile) -> int:
    """Where the section headers end, 0 if there are none."""
    return body.section_header_offset + body.section_count * body.section_entry_size if body.section_count else 0


def _filler(form: SignatureType) -> bytes:
    """What tools write for a signature they cannot make."""
    return b"\xff" * form.signature_size
