"""What was found of titles: light values, read from headers and content metas alone, that hold no file open."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from oboromi_formats.cnmt import MetaType, RecordType
from oboromi_fs.errors import OboromiFsError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FoundContent", "FoundMeta", "FoundTicket", "Issue", "IssueKind", "Package", "PackageForm"]

IssueKind: TypeAlias = Literal[
    "damaged",  # It cannot be read as what it is.
    "refused",  # The host does not let it be read, which may pass.
    "key",  # A key is absent.
    "missing",  # A content that the content meta lists is not there.
    "record",  # The content meta contradicts itself, or the file.
    "ticket",  # Tickets contradict each other, or the title.
    "two-bases",  # Two bases of one id that are not the same.
    "no-base",  # An update or add-on content, and no base.
    "other-title",  # It belongs to another title.
    "double",  # The same once more; the first counts.
    "version",  # It needs a later version of its title, or is an update that is not newer than its base.
    "no-meta",  # Contents that no content meta lists.
    "unknown",  # No title is in it.
    "mod",  # A mod, or a part of one, that cannot be used.
]
"""What an issue is about, as programs tell it apart."""

PackageForm: TypeAlias = Literal["package", "folder", "extracted"]
"""How a title is stored: in one file (NSP, XCI …); as loose NCAs in a folder; as a folder of what was in them (``exefs romfs …``)."""


@dataclass(frozen=True, slots=True)
class Issue:
    """Something that is not as it should be, and stops nothing else.

    Attributes:
        kind: What it is about.
        path: Where: a host path, which may go on inside a package.
        text: What is wrong, as a person reads it.
        title_id: Of which title, or None where nobody can tell.
        key_name: The key that is absent, of an issue about one.
    """

    kind: IssueKind
    path: str
    text: str
    title_id: int | None = None
    key_name: str = ""

    @classmethod
    def of(cls, wrong: OboromiFsError | OSError, path: str, title_id: int | None = None, *, before: str = "") -> Issue:
        """Return what an error says: of what is there, or of the host that does not let it be read.

        Args:
            wrong: The error.
            path: Where.
            title_id: Of which title.
            before: What the text begins with.
        """
        if isinstance(wrong, OboromiFsError):
            return cls("damaged", path, f"{before}{wrong}", title_id)
        return cls("refused", path, f"{before}{wrong.strerror or wrong}", title_id)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "kind": self.kind,
            "path": self.path,
            "text": self.text,
            "title_id": None if self.title_id is None else f"{self.title_id:016x}",
        }

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


@dataclass(frozen=True, slots=True)
class FoundContent:
    """One content of a title, as its content meta lists it.

    Attributes:
        type: A :class:`~oboromi_formats.cnmt.RecordType`, or another number.
        content_id: What the file's name begins with, 32 hexadecimal digits; empty for a folder of extracted contents.
        size: Bytes it has by the content meta.
        id_offset: Program index: what to add to the title's id for the id of the program.
        sha256: Of the file, by the content meta; empty where there is none.
        path: Where it is below the package, such as ``secure/0123….nca``; None where it is not there.
        stored: Bytes it takes there (an NCZ fewer than ``size``); 0 where it is not there.
    """

    type: int
    content_id: str
    size: int
    id_offset: int = 0
    sha256: bytes = b""
    path: str | None = None
    stored: int = 0


@dataclass(frozen=True, slots=True)
class FoundTicket:
    """A ticket, without its key.

    Attributes:
        path: Where it is below the package.
        rights_id: 32 hexadecimal digits.
        personalised: Whether it is bound to a console.
        digest: The first 16 digits of the SHA-256 of its title key block: two tickets of one rights id should have the same.
    """

    path: str
    rights_id: str
    personalised: bool
    digest: str


@dataclass(frozen=True, slots=True)
class FoundMeta:
    """One version of one title, as it lies in one package.

    Attributes:
        title_id: Its own id.
        application_id: That of the application it belongs to, which is its own for an application.
        type: A :class:`~oboromi_formats.cnmt.MetaType`, or another number.
        version: As the content meta has it, 0 where there is none.
        package: Host path of the package, or of the folder.
        form: How the title is stored there.
        path: Where the Meta NCA is below the package; ``""`` where there is none.
        required_system_version: As the content meta has it; 0 where it says none.
        required_application_version: The same, for add-on content.
        patch_id: The id an application says its update has; None where it does not.
        data_id: The add-on content that an update of data is of; None for other types.
        contents: What it lists, in order, without the Meta NCA.
        tickets: The tickets in the package whose rights ids are of the title.
    """

    title_id: int
    application_id: int
    type: int
    version: int
    package: str
    form: PackageForm
    path: str = ""
    required_system_version: int = 0
    required_application_version: int = 0
    patch_id: int | None = None
    data_id: int | None = None
    contents: tuple[FoundContent, ...] = ()
    tickets: tuple[FoundTicket, ...] = ()

    @property
    def missing(self) -> tuple[FoundContent, ...]:
        """Contents that are listed and not there. Delta fragments, which nobody keeps once they are installed, are none of them."""
        return tuple(each for each in self.contents if each.path is None and each.type != RecordType.DELTA_FRAGMENT)

    @property
    def type_name(self) -> str:
        """The type, as it begins the file name of a content meta."""
        from oboromi_fs.contents import meta_type_name

        return meta_type_name(self.type)

    @property
    def where(self) -> str:
        """Where its Meta NCA is, as a path that goes on inside the package; the package where it has none."""
        return f"{self.package}/{self.path}" if self.path else self.package

    @property
    def label(self) -> str:
        """Id, version and type in a few words."""
        return f"{self.title_id:016x} v{self.version} ({self.type_name})"

    def of_type(self, *types: RecordType) -> Iterator[FoundContent]:
        """Yield its contents of these types that are there, by program index."""
        found = (each for each in self.contents if each.type in types and each.path is not None)
        return iter(sorted(found, key=lambda each: each.id_offset))

    @property
    def is_system(self) -> bool:
        """Whether it is a title of the system, not of a user."""
        return self.type < MetaType.APPLICATION


@dataclass(frozen=True, slots=True)
class Package:
    """Everything that one place holds.

    Attributes:
        path: Host path of the package or folder.
        form: How titles are stored in it.
        metas: The titles, in the order they are met.
        tickets: All tickets in it.
        issues: What is wrong with it.
    """

    path: str
    form: PackageForm
    metas: tuple[FoundMeta, ...] = ()
    tickets: tuple[FoundTicket, ...] = ()
    issues: tuple[Issue, ...] = field(default=())
