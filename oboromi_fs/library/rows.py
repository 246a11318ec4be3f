"""Holdings as text for the catalogue, and back. What comes back is checked: a catalogue is a file that anybody may have written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args

from oboromi_fs.library.holdings import FileStamp, Holding, TitleNames, Verification
from oboromi_fs.titles.found import FoundContent, FoundMeta, FoundTicket, Issue, IssueKind, Package, PackageForm

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NotARow", "holding_of", "stamp_text", "text_of", "verification_of", "verification_text"]

T = TypeVar("T")

_FORMS = frozenset(get_args(PackageForm))
_KINDS = frozenset(get_args(IssueKind))
_TOO_MUCH = 1 << 64
"""More than any number that a file can give."""


class NotARow(Exception):  # noqa: N818  # A signal to look again, not an error.
    """The text is not what :func:`text_of` writes."""


def stamp_text(stamp: tuple[FileStamp, ...]) -> str:
    """Return a stamp as text; two are equal where the stamps are."""
    return json.dumps(stamp, separators=(",", ":"))


def text_of(holding: Holding) -> str:
    """Return what was found, without the stamp and what verifying came to."""
    package = holding.package
    metas = [
        (
            meta.title_id,
            meta.application_id,
            meta.type,
            meta.version,
            meta.path,
            meta.required_system_version,
            meta.required_application_version,
            meta.patch_id,
            meta.data_id,
            [(each.type, each.content_id, each.size, each.id_offset, each.sha256.hex(), each.path, each.stored) for each in meta.contents],
            [package.tickets.index(ticket) for ticket in meta.tickets if ticket in package.tickets],
            name,
        )
        for meta, name in zip(package.metas, (*holding.names, *[None] * len(package.metas)), strict=False)
    ]
    issues = [(issue.kind, issue.path, issue.text, issue.title_id, issue.key_name) for issue in package.issues]
    found = [package.form, metas, [(each.path, each.rights_id, each.personalised, each.digest) for each in package.tickets], issues]
    return json.dumps(found, separators=(",", ":"))


def holding_of(path: str, stamp: tuple[FileStamp, ...], text: str, verification: Verification | None = None) -> Holding:
    """Return what :func:`text_of` wrote.

    Raises:
        NotARow: It did not write this.
    """
    return _checked(lambda: _holding(path, stamp, json.loads(text), verification))


def verification_text(verification: Verification) -> str:
    """Return what verifying came to, as text."""
    return json.dumps(
        (verification.when, verification.ok, verification.failed, verification.skipped, verification.problems, verification.keys)
    )


def verification_of(text: str) -> Verification:
    """Return what :func:`verification_text` wrote.

    Raises:
        NotARow: It did not write this.
    """

    def read() -> Verification:
        when, ok, failed, skipped, problems, keys = json.loads(text)
        return Verification(_number(when), _number(ok), _number(failed), _number(skipped), _texts(problems), _texts(keys))

    return _checked(read)


def _checked(read: Callable[[], T]) -> T:
    try:
        return read()
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as wrong:
        raise NotARow from wrong


def _holding(path: str, stamp: tuple[FileStamp, ...], found: Any, verification: Verification | None) -> Holding:
    form, metas, tickets, issues = found
    if form not in _FORMS:
        raise ValueError(form)
    held = tuple(
        FoundTicket(_text(inner), _text(rights_id), bool(personal), _text(digest)) for inner, rights_id, personal, digest in tickets
    )
    package = Package(
        path,
        cast("PackageForm", form),
        tuple(_meta(path, form, row, held) for row in metas),
        held,
        tuple(_issue(row) for row in issues),
    )
    return Holding(stamp, package, tuple(_names(row[11]) for row in metas), verification)


def _meta(path: str, form: PackageForm, row: Any, tickets: tuple[FoundTicket, ...]) -> FoundMeta:
    title_id, application_id, kind, version, inner, system, application, patch_id, data_id, contents, owned, _ = row
    return FoundMeta(
        _number(title_id),
        _number(application_id),
        _number(kind),
        _number(version),
        path,
        form,
        _text(inner),
        _number(system),
        _number(application),
        None if patch_id is None else _number(patch_id),
        None if data_id is None else _number(data_id),
        tuple(
            FoundContent(
                _number(number),
                _text(content_id),
                _number(size),
                _number(offset),
                bytes.fromhex(digest),
                None if where is None else _text(where),
                _number(stored),
            )
            for number, content_id, size, offset, digest, where, stored in contents
        ),
        tuple(tickets[_number(number)] for number in owned),
    )


def _names(row: Any) -> TitleNames | None:
    if row is None:
        return None
    names, version = row
    return TitleNames(tuple((_number(language), _text(name), _text(publisher)) for language, name, publisher in names), _text(version))


def _issue(row: Any) -> Issue:
    kind, path, text, title_id, key_name = row
    if kind not in _KINDS:
        raise ValueError(kind)
    return Issue(cast("IssueKind", kind), _text(path), _text(text), None if title_id is None else _number(title_id), _text(key_name))


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < _TOO_MUCH:
        raise TypeError(value)
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError(value)
    return value


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(_text(value) for value in values)
