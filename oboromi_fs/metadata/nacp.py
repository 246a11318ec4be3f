"""Control data (NACP) as a value, and as text. Source: Switchbrew wiki, "CNMT", "NPDM", "Control.nacp" and "Ticket"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from oboromi_formats.nacp import (
    COMPRESSED_TITLE_COUNT,
    NACP,
    TITLE_COUNT,
    AddOnContentRegistration,
    ApplicationAttributes,
    AppropriateAgeForChina,
    ContentsAvailabilityPolicy,
    ControlDataCondition,
    ControlDataItem,
    JitFlags,
    Language,
    LanguageFlags,
    LogoHandling,
    LogoType,
    NeighborGroup,
    NetworkServiceLicense,
    ParentalControl,
    PlayLogPolicy,
    PlayLogQueryCapability,
    RatingOrganization,
    RepairFlags,
    RuntimeAddOnContentInstall,
    RuntimeParameterDelivery,
    Screenshot,
    StartupUserAccount,
    StartupUserAccountOption,
    TitlesFormat,
    VideoCapture,
)
from oboromi_fs._decode import corrupt
from oboromi_fs.errors import CorruptError, FormatError
from oboromi_fs.metadata.forms import fields_from_layout, from_table, kinds_of, layout_bytes, part, source_of, to_table
from oboromi_fs.metadata.keypath import KeyPath
from oboromi_fs.metadata.kinds import Array, Choice, Flags, Hex, Kind, Nested, Number, Switch, Text, camel
from oboromi_fs.metadata.languages import best_title
from oboromi_fs.metadata.residue import Residue, ResidueKind, residue_of
from oboromi_fs.metadata.titles import LANGUAGES, ApplicationTitle, TitlesKind, language_number, title_region, titles_of_region

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Buffer

    from oboromi_fs.metadata.keypath import Plain
    from oboromi_fs.protocols import Storage

__all__ = ["Nacp", "RatingsKind"]

MOST_BYTES = 0x10000
"""A longer file is no NACP with something behind it, but something else."""

_UPPER_CASE = {"CERO", "GSRMR", "ESRB", "USK", "PEGI", "ACB", "OFLC"}
_ORGANIZATIONS = {
    **{int(each): each.name if each.name in _UPPER_CASE else camel(each.name) for each in RatingOrganization},
    RatingOrganization.GRAC_GCRB: "GRACGCRB",
    RatingOrganization.PEGI_PORTUGAL: "PEGIPortugal",
    RatingOrganization.PEGI_BBFC: "PEGIBBFC",
    RatingOrganization.IARC_GENERIC: "IARCGeneric",
}
_UNRATED = (-1,) * 0x20


class RatingsKind(Kind):
    """Ages by organisation; plainly a table without those that are unset, which is -1."""

    age = Number(8, signed=True)

    def plain(self, value: Any) -> Plain:
        """Return the table."""
        return {_ORGANIZATIONS.get(number, str(number)): age for number, age in enumerate(value) if age != -1}

    def parse(self, plain: Any, path: KeyPath) -> Any:
        """Return 32 ages."""
        numbers = {name: number for number, name in _ORGANIZATIONS.items()} | {str(number): number for number in range(0x20)}
        ages = list(_UNRATED)
        for name, age in path.table(plain).items():
            if name not in numbers:
                raise (path / name).error(f"no such organisation: use one of {', '.join(_ORGANIZATIONS.values())}")
            ages[numbers[name]] = self.age.parse(age, path / name)
        return tuple(ages)


_ID = Number(64, digits=16)
_SIZE = Number(64)
_GROUP = Nested(NeighborGroup, group_id=_ID, key=Hex(0x10))
_CONDITION = Nested(
    ControlDataCondition,
    count=Number(8),
    types=Array(Number(8), 8),
    items=Array(Nested(ControlDataItem, priority=Number(8), add_on_content_index=Number(16)), 8, ControlDataItem()),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nacp:
    """A ``control.nacp``. Sizes are in bytes; fields of the specification keep its names.

    Attributes:
        titles: By :class:`~oboromi_formats.nacp.Language`; as many as the form has (16 or 32) when read, fewer are filled up when written.
        titles_compressed: The compressed form of ``titles`` as it was read. It is written again as long as it inflates to ``titles``;
            otherwise they are compressed anew.
        file_size: Bytes of the file. Shorter files than 0x4000 end before fields that are zero; longer ones have ``trailing`` behind it.
        trailing: What stands behind the structure.
        unknown: What reserved fields have that is not zero.

    Example:
        From scratch, a name is enough; ``name``, ``publisher``, ``version`` and ``title_id`` stand for the fields made of them.

        >>> nacp = Nacp.from_dict({"name": "My Game", "publisher": "Me", "version": "1.0.0", "title_id": "0x0100feedface0000"})
        >>> nacp.title(), nacp.display_version, hex(nacp.add_on_content_base_id)
        (ApplicationTitle(name='My Game', publisher='Me'), '1.0.0', '0x100feedface1000')
        >>> len(nacp.to_bytes())
        16384
        >>> Nacp.read(nacp.to_bytes()).to_dict() == nacp.to_dict()
        True
        >>> nacp = Nacp.from_dict({"titles": {"Japanese": {"name": "ゲーム", "publisher": "Me"}}, "rating_ages": {"CERO": 12}})
    """

    format: ClassVar[str] = "NACP"

    titles: tuple[ApplicationTitle, ...] = part(TitlesKind(), ())
    isbn: str = part(Text(0x25), "")
    startup_user_account: StartupUserAccount | int = part(Choice(StartupUserAccount), StartupUserAccount.NONE)
    user_account_switch_lock: bool | int = part(Switch(), default=False)
    add_on_content_registration: AddOnContentRegistration | int = part(
        Choice(AddOnContentRegistration), AddOnContentRegistration.ALL_ON_LAUNCH
    )
    attributes: ApplicationAttributes = part(Flags(ApplicationAttributes, 32), ApplicationAttributes(0))
    supported_languages: LanguageFlags = part(Flags(LanguageFlags, 32), LanguageFlags(0))
    parental_control: ParentalControl = part(Flags(ParentalControl, 32), ParentalControl(0))
    screenshot: Screenshot | int = part(Choice(Screenshot), Screenshot.ALLOW)
    video_capture: VideoCapture | int = part(Choice(VideoCapture), VideoCapture.OFF)
    data_loss_confirmation: bool | int = part(Switch(), default=False)
    play_log_policy: PlayLogPolicy | int = part(Choice(PlayLogPolicy), PlayLogPolicy.OPEN)
    presence_group_id: int = part(_ID, 0)
    rating_ages: tuple[int, ...] = part(RatingsKind(), _UNRATED)
    display_version: str = part(Text(0x10), "")
    add_on_content_base_id: int = part(_ID, 0)
    save_data_owner_id: int = part(_ID, 0)
    user_account_save_data_size: int = part(_SIZE, 0)
    user_account_save_data_journal_size: int = part(_SIZE, 0)
    device_save_data_size: int = part(_SIZE, 0)
    device_save_data_journal_size: int = part(_SIZE, 0)
    bcat_delivery_cache_storage_size: int = part(_SIZE, 0)
    application_error_code_category: str = part(Text(8), "")
    local_communication_ids: tuple[int, ...] = part(Array(_ID, 8), (0,) * 8)
    logo_type: LogoType | int = part(Choice(LogoType), LogoType.LICENSED_BY_NINTENDO)
    logo_handling: LogoHandling | int = part(Choice(LogoHandling), LogoHandling.AUTO)
    runtime_add_on_content_install: RuntimeAddOnContentInstall | int = part(
        Choice(RuntimeAddOnContentInstall), RuntimeAddOnContentInstall.DENY
    )
    runtime_parameter_delivery: RuntimeParameterDelivery | int = part(Choice(RuntimeParameterDelivery), RuntimeParameterDelivery.ALWAYS)
    appropriate_age_for_china: AppropriateAgeForChina | int = part(Choice(AppropriateAgeForChina), AppropriateAgeForChina.NONE)
    crash_report: bool | int = part(Switch(), default=False)
    hdcp: bool | int = part(Switch(), default=False)
    pseudo_device_id_seed: int = part(_ID, 0)
    bcat_passphrase: str = part(Text(0x41), "")
    startup_user_account_option: StartupUserAccountOption = part(Flags(StartupUserAccountOption, 8), StartupUserAccountOption(0))
    user_account_save_data_size_max: int = part(_SIZE, 0)
    user_account_save_data_journal_size_max: int = part(_SIZE, 0)
    device_save_data_size_max: int = part(_SIZE, 0)
    device_save_data_journal_size_max: int = part(_SIZE, 0)
    temporary_storage_size: int = part(_SIZE, 0)
    cache_storage_size: int = part(_SIZE, 0)
    cache_storage_journal_size: int = part(_SIZE, 0)
    cache_storage_data_and_journal_size_max: int = part(_SIZE, 0)
    cache_storage_index_max: int = part(Number(16), 0)
    runtime_upgrade: bool | int = part(Switch(), default=False)
    supporting_limited_application_licenses: int = part(Number(32), 0)
    play_log_queryable_application_ids: tuple[int, ...] = part(Array(_ID, 16), (0,) * 16)
    play_log_query_capability: PlayLogQueryCapability | int = part(Choice(PlayLogQueryCapability), PlayLogQueryCapability.NONE)
    repair_flags: RepairFlags = part(Flags(RepairFlags, 8), RepairFlags(0))
    program_index: int = part(Number(8), 0)
    required_network_service_license: NetworkServiceLicense = part(Flags(NetworkServiceLicense, 8), NetworkServiceLicense(0))
    application_error_code_prefix: int = part(Number(8), 0)
    titles_format: TitlesFormat | int = part(Choice(TitlesFormat), TitlesFormat.PLAIN)
    acd_index: int = part(Number(8), 0)
    apparent_platform: int = part(Number(8), 0)
    neighbor_detection_send: NeighborGroup = part(_GROUP, NeighborGroup(), hide=True)
    neighbor_detection_receivable: tuple[NeighborGroup, ...] = part(Array(_GROUP, 16, NeighborGroup()), (NeighborGroup(),) * 16, hide=True)
    jit_flags: JitFlags = part(Flags(JitFlags, 64), JitFlags(0))
    jit_memory_size: int = part(_SIZE, 0)
    required_add_on_contents_set: bytes = part(Hex(0x40), bytes(0x40), hide=True)
    play_report_permission: int = part(Number(8), 0)
    crash_screenshot_for_prod: bool | int = part(Switch(), default=False)
    crash_screenshot_for_dev: bool | int = part(Switch(), default=False)
    contents_availability_policy: ContentsAvailabilityPolicy | int = part(
        Choice(ContentsAvailabilityPolicy), ContentsAvailabilityPolicy.NO_POLICY
    )
    supported_languages_for_nx_add_on: int = part(Number(8), 0)
    accessible_launch_required_versions: tuple[int, ...] = part(Array(_SIZE, 8), (0,) * 8)
    control_data_condition: ControlDataCondition = part(_CONDITION, ControlDataCondition(), hide=True)
    initial_program_index: int = part(Number(8), 0)
    accessible_program_index_flags: int = part(Number(32), 0)
    album_file_export: int = part(Number(8), 0)
    save_data_certificate: bytes = part(Hex(0x80), bytes(0x80), hide=True)
    has_in_game_voice_chat: bool | int = part(Switch(), default=False)
    supported_extra_add_on_content_flags: int = part(Number(32), 0)
    has_karaoke_feature: bool | int = part(Switch(), default=False)
    platform_specific_region: bytes = part(Hex(0x400), bytes(0x400), hide=True)
    titles_compressed: bytes = part(Hex(), b"", hide=True)
    file_size: int = part(Number(16), NACP.size, hide=True)
    trailing: bytes = part(Hex(), b"", hide=True)
    unknown: Residue = part(ResidueKind(NACP.size), (), hide=True)

    @classmethod
    def read(cls, source: Storage | Buffer) -> Nacp:
        """Read a NACP; what a file lacks of 0x4000 bytes reads as zeros.

        Args:
            source: A storage, or bytes.

        Raises:
            CorruptError: It is empty or far too long, or compressed titles do not inflate.
        """
        storage, data = source_of(source, cls.format, MOST_BYTES)
        if not data:
            raise corrupt("the file is empty", what=cls.format, storage=storage, offset=0)
        whole = data[: NACP.size].ljust(NACP.size, b"\0")
        found, raw, unknown = fields_from_layout(cls, NACP, whole, storage, replaced=("titles",))
        try:
            titles, compressed = titles_of_region(raw.titles, raw.titles_format)
        except CorruptError as failure:
            raise corrupt(failure.problem, what=failure.what, storage=storage, offset=0, field=failure.field) from failure
        unknown = residue_of(raw.titles, title_region(titles, raw.titles_format, compressed)) + unknown
        size = min(len(data), NACP.size)
        return cls(**found, titles=titles, titles_compressed=compressed, file_size=size, trailing=data[NACP.size :], unknown=unknown)

    def to_bytes(self) -> bytes:
        """Return the file.

        Raises:
            FormatError: A value does not fit its field, or ``file_size`` cuts off what is not zero.
        """
        region = title_region(self.titles, self.titles_format, self.titles_compressed)
        data = layout_bytes(NACP, self, self.unknown, titles=region)
        if not 0 < self.file_size <= len(data) or any(data[self.file_size :]):
            end = len(data.rstrip(b"\0"))
            raise FormatError(f"{self.file_size:#x} bytes, there is something up to {end:#x}", what=self.format, field="file_size")
        if self.trailing and self.file_size < len(data):
            raise FormatError(f"something trails a file of {self.file_size:#x} bytes", what=self.format, field="trailing")
        return data[: self.file_size] + self.trailing

    def to_dict(self) -> dict[str, Plain]:
        """Return everything as plain values, for TOML and JSON; see :meth:`from_dict`."""
        return {"format": self.format, **to_table(self)}

    @classmethod
    def from_dict(cls, table: Mapping[str, Any], *, source: str = "") -> Nacp:
        """Return the NACP that a table of plain values describes.

        Every key may be left out. Besides those that :meth:`to_dict` gives there are four that stand for others: ``name`` and ``publisher``
        for a title in each of ``supported_languages`` (AmericanEnglish, unless told) that has none, ``version`` for ``display_version``,
        and ``title_id`` for the ids of presence group, add-on contents, save data and local communication. ``supported_languages`` are by
        default those that have a title.

        Args:
            table: The values.
            source: Name of the file they came from, for error messages.

        Raises:
            FormatError: A key is unknown, or a value does not fit; the error names the key.
        """
        path = KeyPath(cls.format, source=source)
        rest = path.begin(table)
        _spread_title(rest, path)
        defaults: dict[str, Any] = {}
        if "title_id" in rest:
            title_id = _ID.parse(rest.pop("title_id"), path / "title_id")
            defaults = {
                "presence_group_id": title_id,
                "add_on_content_base_id": (title_id & ~0xFFF) + 0x1000,
                "save_data_owner_id": title_id,
                "local_communication_ids": (title_id,) * 8,
            }
        if "version" in rest:
            rest.setdefault("display_version", rest.pop("version"))
        found = from_table(cls, rest, path, defaults)
        path.finish(rest, (*kinds_of(cls), "name", "publisher", "title_id", "version"))
        titles, form = found.pop("titles", ()), found.get("titles_format", TitlesFormat.PLAIN)
        room = {TitlesFormat.PLAIN: TITLE_COUNT, TitlesFormat.COMPRESSED: COMPRESSED_TITLE_COUNT}.get(form, 0)
        if len(titles) > room:
            raise (path / "titles" / str(len(titles) - 1)).error(f"there is room for {room} languages")
        languages = sum(1 << number for number, title in enumerate(titles[:TITLE_COUNT]) if title)
        found.setdefault("supported_languages", LanguageFlags(languages))
        return cls(titles=titles + (ApplicationTitle(),) * (room - len(titles)), **found)

    def title(self, language: Language | str = Language.AMERICAN_ENGLISH) -> ApplicationTitle | None:
        """Return what to call the application: in a language, else in American English, else in the first that has a title.

        Args:
            language: The preferred one, also by its name (``"Japanese"``).

        Returns:
            The title as it is shown; None if there is none at all.
        """
        wanted = language_number(language) if isinstance(language, str) else int(language)
        found = best_title(self.titles, () if wanted is None else (wanted,))
        return None if found is None else found[0]


def _spread_title(table: dict[str, Any], path: KeyPath) -> None:
    """Turn ``name`` and ``publisher`` into titles of all languages that have none."""
    title = {key: table.pop(key) for key in ("name", "publisher") if key in table}
    if not title:
        return
    languages = Flags(LanguageFlags, 32).parse(table.get("supported_languages", ["AmericanEnglish"]), path / "supported_languages")
    titles = path.table(table.get("titles", {}))
    for number, name in enumerate(LANGUAGES):
        if languages >> number & 1:
            titles.setdefault(name, title)
    table["titles"] = titles
