"""A collection as a JSON document, with stable names."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from oboromi_fs.cli.collecting_views import summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oboromi_fs.cli.collecting_views import Shown
    from oboromi_fs.library import Catalogue, Holding, Item, LibraryTitle, Verification

__all__ = ["document"]

_MOST_TWINS = 20
"""How many of the files with the same are named with each of them."""


def document(titles: Sequence[LibraryTitle], holdings: Sequence[Holding], shown: Shown, catalogue: Catalogue) -> dict[str, Any]:
    """Return the document: titles, files, folders that could not be listed, and numbers."""
    return {
        "titles": [_title(title, shown) for title in titles],
        "files": [_file(holding, shown) for holding in holdings],
        "unlisted": [{"path": shown.raw_path(issue.path), "text": issue.text} for issue in catalogue.issues],
        "summary": summary(titles, holdings),
    }


def _title(title: LibraryTitle, shown: Shown) -> dict[str, Any]:
    return {
        "application_id": f"{title.application_id:016x}",
        "name": title.name(shown.languages),
        "publisher": title.publisher(shown.languages),
        "version": title.version,
        "display_version": title.display_version,
        "required_system_version": title.required_system_version,
        "size": title.size,
        "marks": title.marks,
        "items": [_item(item, shown) for item in title.items],
        "issues": [issue.to_json() | {"path": shown.raw_path(issue.path)} for issue in title.issues],
    }


def _item(item: Item, shown: Shown) -> dict[str, Any]:
    meta = item.meta
    return {
        "kind": item.kind,
        "title_id": f"{meta.title_id:016x}",
        "type": meta.type_name,
        "version": meta.version,
        "display_version": item.names.version if item.names is not None else "",
        "path": shown.raw_path(item.holding.path),
        "meta": meta.path,
        "form": meta.form,
        "size": item.size,
        "contents": len(meta.contents),
        "missing_contents": [content.content_id for content in meta.missing],
        "rights_ids": [ticket.rights_id for ticket in meta.tickets],
        "marks": sorted(item.marks),
        "same_as": [shown.raw_path(twin.holding.path) for twin in islice(item.twins(), _MOST_TWINS)],
    }


def _file(holding: Holding, shown: Shown) -> dict[str, Any]:
    return {
        "path": shown.raw_path(holding.path),
        "form": holding.package.form,
        "size": holding.size,
        "mtime_ns": holding.mtime_ns,
        "titles": [f"{meta.title_id:016x}" for meta in holding.package.metas],
        "missing_keys": list(holding.missing_keys),
        "issues": [issue.to_json() | {"path": shown.raw_path(issue.path)} for issue in holding.issues],
        "verified": _verified(holding.verification),
    }


def _verified(verification: Verification | None) -> dict[str, Any] | None:
    if verification is None:
        return None
    return {
        "when": verification.when,
        "verdict": verification.verdict,
        "ok": verification.ok,
        "failed": verification.failed,
        "skipped": verification.skipped,
        "problems": list(verification.problems),
    }
