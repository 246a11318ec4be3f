"""Tickets and certificates: who may use a title, and the encrypted title key.

Both begin with a signature type of 4 bytes, a signature and padding whose lengths depend on it, then the body. The type is little-endian
in a ticket and, like all integers there, big-endian in a certificate. Specification: Switchbrew wiki, "Ticket" and "Certificates".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag

from construct import Bytes, Int8ul, Int16ul, Int32ub, Int32ul, Int64ul, Struct

from oboromi_formats.layout import Layout

__all__ = [
    "CERTIFICATE_HEADER",
    "CERTIFICATE_SIGNATURE",
    "KEY_BLOCK_SIZES",
    "LAYOUTS",
    "SIGNATURE_TYPES",
    "TICKET_BODY",
    "TICKET_SIGNATURE",
    "CertificateHeader",
    "CertificateKeyType",
    "LicenseType",
    "PropertyMask",
    "SignatureHead",
    "SignatureType",
    "TicketBody",
    "TitleKeyType",
]


class TitleKeyType(IntEnum):
    """``TicketBody.key_type``."""

    COMMON = 0
    PERSONALISED = 1


class LicenseType(IntEnum):
    """``TicketBody.license_type``."""

    PERMANENT = 0
    DEMO = 1
    TRIAL = 2
    RENTAL = 3
    SUBSCRIPTION = 4
    SERVICE = 5


class PropertyMask(IntFlag):
    """Bits of ``TicketBody.property_mask``."""

    PRE_INSTALL = 0x01
    SHARED_TITLE = 0x02
    ALL_CONTENT = 0x04
    DEVICE_LINK_INDEPENDENT = 0x08
    VOLATILE = 0x10
    E_LICENSE_REQUIRED = 0x20


class CertificateKeyType(IntEnum):
    """``CertificateHeader.key_type``."""

    RSA_4096 = 0
    RSA_2048 = 1
    ECDSA = 2


@dataclass(frozen=True, slots=True)
class SignatureType:
    """What a signature type means for the bytes that follow it; sizes in bytes."""

    algorithm: str
    signature_size: int
    padding_size: int

    @property
    def body_offset(self) -> int:
        """Where the body (of which the issuer is the first field) starts, from the start of the signature type."""
        return 4 + self.signature_size + self.padding_size


SIGNATURE_TYPES = {
    0x10000: SignatureType("RSA-4096 SHA-1", 0x200, 0x3C),
    0x10001: SignatureType("RSA-2048 SHA-1", 0x100, 0x3C),
    0x10002: SignatureType("ECDSA SHA-1", 0x3C, 0x40),
    0x10003: SignatureType("RSA-4096 SHA-256", 0x200, 0x3C),
    0x10004: SignatureType("RSA-2048 SHA-256", 0x100, 0x3C),
    0x10005: SignatureType("ECDSA SHA-256", 0x3C, 0x40),
}
"""``SignatureHead.type`` -> what it means."""

KEY_BLOCK_SIZES = {
    CertificateKeyType.RSA_4096: 0x200 + 4 + 0x34,
    CertificateKeyType.RSA_2048: 0x100 + 4 + 0x34,
    CertificateKeyType.ECDSA: 0x3C + 0x3C,
}
"""``CertificateHeader.key_type`` -> bytes of the public key behind the header: modulus, exponent and padding, or point and padding."""


@dataclass(frozen=True, slots=True)
class SignatureHead:
    """The number that says how long the signature is; a key of ``SIGNATURE_TYPES``."""

    type: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketBody:
    """A ticket from its issuer on.

    ``title_key_block`` begins with the encrypted title key where ``key_type`` is common, and is an RSA block where it is personalised.
    """

    issuer: bytes
    title_key_block: bytes
    format_version: int = 2
    key_type: int = TitleKeyType.COMMON
    ticket_version: int = 0
    license_type: int = LicenseType.PERMANENT
    common_key_id: int
    property_mask: int = 0
    reserved: bytes = bytes(8)
    ticket_id: int = 0
    device_id: int = 0
    rights_id: bytes
    account_id: int = 0
    section_total_size: int = 0
    section_header_offset: int = 0x2C0
    section_count: int = 0
    section_entry_size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateHeader:
    """A certificate from its issuer on; the public key follows."""

    issuer: bytes
    key_type: int
    subject: bytes
    certificate_id: int


TICKET_SIGNATURE = Layout(
    "ticket signature type",
    Struct(
        "type" / Int32ul,  # 0x0: see SIGNATURE_TYPES
    ),
    SignatureHead,
    "What a ticket begins with (Switchbrew wiki, Ticket).",
)

CERTIFICATE_SIGNATURE = Layout(
    "certificate signature type",
    Struct(
        "type" / Int32ub,  # 0x0: see SIGNATURE_TYPES
    ),
    SignatureHead,
    "What a certificate begins with (Switchbrew wiki, Certificates).",
)

TICKET_BODY = Layout(
    "ticket body",
    Struct(
        "issuer" / Bytes(0x40),  # 0x000: NUL-padded text
        "title_key_block" / Bytes(0x100),  # 0x040
        "format_version" / Int8ul,  # 0x140: 2
        "key_type" / Int8ul,  # 0x141: see TitleKeyType
        "ticket_version" / Int16ul,  # 0x142
        "license_type" / Int8ul,  # 0x144: see LicenseType
        "common_key_id" / Int8ul,  # 0x145: the key generation
        "property_mask" / Int16ul,  # 0x146: see PropertyMask
        "reserved" / Bytes(8),  # 0x148
        "ticket_id" / Int64ul,  # 0x150
        "device_id" / Int64ul,  # 0x158
        "rights_id" / Bytes(0x10),  # 0x160
        "account_id" / Int32ul,  # 0x170
        "section_total_size" / Int32ul,  # 0x174
        "section_header_offset" / Int32ul,  # 0x178
        "section_count" / Int16ul,  # 0x17C
        "section_entry_size" / Int16ul,  # 0x17E
    ),
    TicketBody,
    "A ticket behind its signature (Switchbrew wiki, Ticket).",
)

CERTIFICATE_HEADER = Layout(
    "certificate header",
    Struct(
        "issuer" / Bytes(0x40),  # 0x00: NUL-padded text
        "key_type" / Int32ub,  # 0x40: see CertificateKeyType
        "subject" / Bytes(0x40),  # 0x44: NUL-padded text
        "certificate_id" / Int32ub,  # 0x84
    ),
    CertificateHeader,
    "A certificate behind its signature, without its public key (Switchbrew wiki, Certificates).",
)

LAYOUTS = (TICKET_SIGNATURE, CERTIFICATE_SIGNATURE, TICKET_BODY, CERTIFICATE_HEADER)
