"""Certificates as files: the chain that a ticket's issuer names, as values and as text. Source: Switchbrew wiki, "Certificates"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from oboromi_formats.ticket import CERTIFICATE_HEADER, CERTIFICATE_SIGNATURE, KEY_BLOCK_SIZES, SIGNATURE_TYPES, CertificateKeyType
from oboromi_fs._decode import corrupt, decode, error
from oboromi_fs.errors import FormatError, UnsupportedError
from oboromi_fs.metadata.forms import fields_from_layout, from_table, kinds_of, layout_bytes, part, source_of, to_table
from oboromi_fs.metadata.keypath import KeyPath
from oboromi_fs.metadata.kinds import Choice, Hex, Number, Text
from oboromi_fs.metadata.records import Records
from oboromi_fs.metadata.ticket import SignatureKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Buffer

    from oboromi_fs.metadata.keypath import Plain
    from oboromi_fs.protocols import Storage

__all__ = ["Certificate", "CertificateChain"]

MOST_BYTES = 0x10000
"""More than any chain has; the usual one of two certificates has 0x700."""

_KEY_TYPE = Choice(CertificateKeyType, 32, {0: "RSA-4096", 1: "RSA-2048", 2: "ECDSA"})
_KEY_SIZES: dict[int, int] = {int(kind): size for kind, size in KEY_BLOCK_SIZES.items()}
_MODULUS_SIZES: dict[int, int] = {CertificateKeyType.RSA_4096: 0x200, CertificateKeyType.RSA_2048: 0x100}
_EXPONENT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """One certificate: who vouches for whose public key.

    Attributes:
        signature_type: A key of :data:`oboromi_formats.ticket.SIGNATURE_TYPES`.
        signature: As long as the type says.
        signature_padding: Bytes behind it, as many as the type says; None stands for zeros.
        issuer: Names from the root down to who signed, joined by ``-``.
        key_block: The public key as the file has it: RSA modulus, exponent and padding, or a point and padding.
    """

    signature_type: int = part(SignatureKind())
    signature: bytes = part(Hex())
    signature_padding: bytes | None = part(Hex(), None, hide=True)
    issuer: str = part(Text(0x40))
    key_type: CertificateKeyType | int = part(_KEY_TYPE)
    subject: str = part(Text(0x40))
    certificate_id: int = part(Number(32, digits=8), 0)
    key_block: bytes = part(Hex())

    @property
    def name(self) -> str:
        """What tickets and other certificates call it: issuer and subject."""
        return f"{self.issuer}-{self.subject}"

    @property
    def key(self) -> bytes:
        """The RSA modulus, or the point: 0x200, 0x100 or 0x3C bytes."""
        return self.key_block[: _MODULUS_SIZES.get(self.key_type, 0x3C)]

    @property
    def exponent(self) -> int | None:
        """The public exponent of an RSA key, None for another."""
        if self.key_type == CertificateKeyType.ECDSA:
            return None
        at = len(self.key)
        return int.from_bytes(self.key_block[at : at + _EXPONENT], "big")

    @classmethod
    def read(cls, data: bytes, storage: Storage, offset: int) -> Certificate:
        """Read the certificate at ``offset`` of a file.

        Args:
            data: The file.
            storage: The same, for error messages.
            offset: Where the certificate begins.

        Raises:
            UnsupportedError: The type of the signature or of the key is unknown, so its end cannot be found.
            CorruptError: It runs over the end of the file.
        """
        number = decode(CERTIFICATE_SIGNATURE, storage, offset).type
        form = SIGNATURE_TYPES.get(number)
        if form is None:
            problem = f"unknown signature type {number:#x}"
            raise error(UnsupportedError, problem, what="certificate", storage=storage, offset=offset, field="signature_type")
        body = offset + form.body_offset
        found, raw, _ = fields_from_layout(cls, CERTIFICATE_HEADER, data[body : body + CERTIFICATE_HEADER.size], storage, body)
        size = _KEY_SIZES.get(raw.key_type)
        if size is None:
            problem = f"unknown key type {raw.key_type:#x}"
            raise error(UnsupportedError, problem, what=CERTIFICATE_HEADER.name, storage=storage, offset=body + 0x40, field="key_type")
        at = body + CERTIFICATE_HEADER.size
        if at + size > len(data):
            problem = f"a key of {size:#x} bytes at {at:#x}, the file has {len(data):#x}"
            raise corrupt(problem, what="certificate", storage=storage, offset=offset, field="key_block")
        begin = offset + 4
        padding = data[begin + form.signature_size : body]
        return cls(
            **found,
            signature_type=number,
            signature=data[begin : begin + form.signature_size],
            signature_padding=padding if any(padding) else None,
            key_block=data[at : at + size],
        )

    @property
    def size(self) -> int:
        """Bytes of the certificate."""
        return 4 + len(self.signature) + SIGNATURE_TYPES[self.signature_type].padding_size + CERTIFICATE_HEADER.size + len(self.key_block)

    def to_bytes(self) -> bytes:
        """Return the certificate.

        Raises:
            FormatError: A value does not fit its field, or signature and key do not have the length of their types.
        """
        form, key_size = SIGNATURE_TYPES.get(self.signature_type), _KEY_SIZES.get(self.key_type, -1)
        if form is None:
            raise FormatError(f"unknown type {self.signature_type:#x}", what="certificate", field="signature_type")
        padding = bytes(form.padding_size) if self.signature_padding is None else self.signature_padding
        sizes = {
            "signature": (self.signature, form.signature_size),
            "signature_padding": (padding, form.padding_size),
            "key_block": (self.key_block, key_size),
        }
        for name, (value, size) in sizes.items():
            if len(value) != size:
                needed = f"its type needs {size}" if size >= 0 else f"and the key type {int(self.key_type)} is unknown"
                raise FormatError(f"{len(value)} bytes, {needed}", what="certificate", field=name)
        head = self.signature_type.to_bytes(4, "big")
        return b"".join((head, self.signature, padding, layout_bytes(CERTIFICATE_HEADER, self), self.key_block))


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateChain:
    """A ``.cert``: certificates one behind the other, in any order.

    Example:
        >>> certificate = {"signature_type": "ECDSA SHA-256", "signature": "ab" * 60, "issuer": "Root", "subject": "CA00000003",
        ...                "key_type": "ECDSA", "key_block": "cd" * 120}
        >>> chain = CertificateChain.from_dict({"certificates": [certificate]})
        >>> chain.certificates[0].name, len(chain.to_bytes())
        ('Root-CA00000003', 384)
        >>> CertificateChain.read(chain.to_bytes()) == chain
        True
    """

    format: ClassVar[str] = "certificates"

    certificates: tuple[Certificate, ...] = part(Records(Certificate))

    @classmethod
    def read(cls, source: Storage | Buffer) -> CertificateChain:
        """Read a chain; no signature is checked.

        Args:
            source: A storage, or bytes.

        Raises:
            UnsupportedError: The type of a signature or of a key is unknown.
            CorruptError: It is empty or far too long, or a certificate runs over its end.
        """
        storage, data = source_of(source, cls.format, MOST_BYTES)
        if not data:
            raise corrupt("the file is empty", what=cls.format, storage=storage, offset=0)
        found: list[Certificate] = []
        at = 0
        while at < len(data):
            found.append(Certificate.read(data, storage, at))
            at += found[-1].size
        return cls(certificates=tuple(found))

    def problems(self) -> list[str]:
        """Tell which certificates nobody in the chain vouches for, and which stand twice."""
        names = [each.name for each in self.certificates]
        told = [f"{name!r} stands twice" for name in sorted({name for name in names if names.count(name) > 1})]
        return told + [
            f"{each.name!r} is signed by {each.issuer!r}, which is not in the chain"
            for each in self.certificates
            if each.issuer != "Root" and each.issuer not in names
        ]

    def to_bytes(self) -> bytes:
        """Return the file.

        Raises:
            FormatError: A value does not fit its field.
        """
        return b"".join(each.to_bytes() for each in self.certificates)

    def to_dict(self) -> dict[str, Plain]:
        """Return everything as plain values, for TOML and JSON; see :meth:`from_dict`."""
        return {"format": self.format, **to_table(self)}

    @classmethod
    def from_dict(cls, table: Mapping[str, Any], *, source: str = "") -> CertificateChain:
        """Return the chain that a table of plain values describes: ``certificates``, with all fields of each.

        Args:
            table: The values.
            source: Name of the file they came from, for error messages.

        Raises:
            FormatError: A key is unknown or missing, or a value does not fit; the error names the key.
        """
        path = KeyPath(cls.format, source=source)
        rest = path.begin(table)
        found = cls(**from_table(cls, rest, path))
        path.finish(rest, kinds_of(cls))
        for index, each in enumerate(found.certificates):
            try:
                each.to_bytes()
            except FormatError as failure:
                raise (path / "certificates" / index / (failure.field or "")).error(failure.problem) from failure
        return found
