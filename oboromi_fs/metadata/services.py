"""Services a program may use or host: the service access table (SAC) of an NPDM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oboromi_formats.npdm import SERVICE_HOST, SERVICE_LENGTH
from oboromi_fs._decode import corrupt
from oboromi_fs.errors import FormatError
from oboromi_fs.metadata.forms import from_table, part, to_table
from oboromi_fs.metadata.kinds import Kind, Number, Switch, Text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oboromi_fs.metadata.keypath import KeyPath, Plain
    from oboromi_fs.protocols import Storage

__all__ = ["Service", "ServicesKind", "read_services", "service_bytes"]

WHAT = "NPDM service access"
_RESERVED = 0xFF ^ SERVICE_HOST ^ SERVICE_LENGTH


@dataclass(frozen=True, slots=True)
class Service:
    """One service.

    Attributes:
        name: 1 to 8 bytes; a ``*`` at the end stands for any rest.
        host: Whether the program may host it; if not, it may use it.
        control: Bits 3 to 6 of the control byte, which have no meaning.
    """

    name: str = part(Text(8, padded=False))
    host: bool = part(Switch(1), default=False)
    control: int = part(Number(8), 0, hide=True)


def read_services(data: bytes, storage: Storage, offset: int) -> tuple[Service, ...]:
    """Read a table.

    Args:
        data: The table.
        storage: Where it comes from, for error messages.
        offset: Where in it.

    Raises:
        CorruptError: A name runs over the table's end.
    """
    services = []
    at, text = 0, Text(8, padded=False)
    while at < len(data):
        control = data[at]
        end = at + 1 + (control & SERVICE_LENGTH) + 1
        if end > len(data):
            problem = f"a name of {end - at - 1} bytes runs over the table's end by {end - len(data)}"
            raise corrupt(problem, what=WHAT, storage=storage, offset=offset + at)
        services.append(Service(text.from_raw(data[at + 1 : end]), bool(control & SERVICE_HOST), control & _RESERVED))
        at = end
    return tuple(services)


def service_bytes(services: Iterable[Service]) -> bytes:
    """Return a table.

    Raises:
        FormatError: A name is empty, or longer than 8 bytes.
    """
    text, pieces = Text(8, padded=False), []
    for service in services:
        name = text.to_raw(service.name)
        if not 1 <= len(name) <= 8:
            raise FormatError(f"{service.name!r} has {len(name)} bytes, 1 to 8 are possible", what=WHAT, field="name")
        if service.control & ~_RESERVED:
            raise FormatError(f"{service.control:#x} has bits other than {_RESERVED:#x}", what=WHAT, field="control")
        pieces.append(bytes([(SERVICE_HOST if service.host else 0) | service.control | len(name) - 1]) + name)
    return b"".join(pieces)


class ServicesKind(Kind):
    """Services in their order; plainly a list of names, and of tables where there is more to say: ``{name = "demo", host = true}``."""

    def plain(self, value: Any) -> Plain:
        """Return the list."""
        return [self._item(service) for service in value]

    def _item(self, service: Service) -> Plain:
        return dict(to_table(service)) if service.host or service.control else Text(8, padded=False).plain(service.name)

    def parse(self, plain: Any, path: KeyPath) -> Any:
        """Return the services of a list of names and tables."""
        services = []
        for at, item in path.items(plain):
            table = {"name": item} if isinstance(item, str) else at.table(item)
            service = Service(**from_table(Service, table, at))
            at.finish(table, ("name", "host", "control"))
            if not service.name:
                raise at.error("a service has a name")
            if service.control & ~_RESERVED:
                raise (at / "control").error(f"{service.control:#x} has bits other than {_RESERVED:#x}")
            services.append(service)
        return tuple(services)
