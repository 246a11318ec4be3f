"""Drift: exactly what was changed, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs import Layer, MemoryFs, UnionFs
from oboromi_fs.jobs.locking import lock_union
from oboromi_fs.overlay.drift import DRIFT_KINDS, DriftKind, DriftReport, drift
from oboromi_fs.overlay.lock import Lock, LockEntry, LockError, LockSchemaError

if TYPE_CHECKING:
    from oboromi_fs.overlay.layer import LayerKind

ONE = "01" * 32
TWO = "02" * 32


def lock(*rows: tuple[str, LockEntry], layers: tuple[str, ...] = ("base", "mod"), **options: Any) -> Lock:
    return Lock(dict(rows), layers, **options)


def entry(source: str = "base", digest: str = ONE, size: int = 1, count: int = 1, kind: LayerKind = "directory") -> LockEntry:
    return LockEntry(source, kind, digest, size, count)


def kinds(report: DriftReport) -> list[tuple[str, str]]:
    return [(found.key, found.kind) for found in report.entries]


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (entry(), []),
        (entry("mod"), ["winner_source_changed"]),
        (entry(kind="archive"), ["winner_source_changed"]),
        (entry(digest=TWO), ["winner_hash_changed"]),
        (entry(size=2), ["winner_hash_changed"]),
        (entry(count=2), ["provider_count_changed"]),
        (entry("mod", TWO, 2, 2), ["winner_source_changed", "winner_hash_changed", "provider_count_changed"]),
    ],
)
def test_V25_each_kind_alone_and_three_at_once(new: LockEntry, expected: list[str]) -> None:
    report = drift(lock(("a", entry())), lock(("a", new)))
    assert kinds(report) == [("a", kind) for kind in expected]
    assert bool(report) is bool(expected)
    assert {kind: count for kind, count in report.counts.items() if count} == dict.fromkeys(expected, 1)


def test_V25_added_removed_sorted_and_counted() -> None:
    old = lock(("a/b", entry()), ("a-", entry()), ("same", entry()), ("\udcff", entry()), ("é", entry()))
    new = lock(("same", entry()), ("z", entry("mod")), ("a/b", entry(count=2)), ("B", entry("mod")))
    report = drift(old, new)
    assert kinds(report) == [
        ("B", "added"),
        ("a-", "removed"),
        ("a/b", "provider_count_changed"),
        ("z", "added"),
        ("é", "removed"),
        ("\udcff", "removed"),
    ]
    assert report.counts == {
        "added": 2,
        "removed": 3,
        "winner_source_changed": 0,
        "winner_hash_changed": 0,
        "provider_count_changed": 1,
    }


def test_V25_report_as_json() -> None:
    report = drift(lock(("a", entry()), layers=("base", "old")), lock(("a", entry(digest=TWO)), ("b", entry()), layers=("base", "mod")))
    old = {"source": "base", "kind": "directory", "hash": ONE, "size": 1, "provider_count": 1}
    assert report.to_json() == {
        "drifted": True,
        "counts": {"added": 1, "removed": 0, "winner_source_changed": 0, "winner_hash_changed": 1, "provider_count_changed": 0},
        "layers": {"old": ["base", "old"], "new": ["base", "mod"]},
        "entries": [
            {"key": "a", "kind": "winner_hash_changed", "old": old, "new": old | {"hash": TWO}},
            {"key": "b", "kind": "added", "old": None, "new": old},
        ],
    }
    assert (report.layers_added, report.layers_removed) == (("mod",), ("old",))


def test_V25_another_order_without_effect_is_no_drift() -> None:
    report = drift(lock(("a", entry())), lock(("a", entry()), layers=("mod", "base")))
    assert not report
    assert (report.old_layers, report.new_layers) == (("base", "mod"), ("mod", "base"))


def test_V25_a_wrong_schema_is_an_error() -> None:
    with pytest.raises(LockSchemaError, match=r"^the old lock, field schema_version: 2 is not the schema of this version, 1$"):
        drift(lock(schema_version=2), lock())
    with pytest.raises(LockSchemaError, match=r"^the new lock"):
        drift(lock(), lock(schema_version=0))


def test_V25_different_algorithms_are_an_error_that_says_so() -> None:
    with pytest.raises(LockError, match=r"^locks, field algorithm: blake3 digests cannot be compared with sha256 digests"):
        drift(lock(), lock(algorithm="sha256"))


KEYS = st.text("abé/", min_size=1, max_size=3)
ENTRIES = st.builds(
    LockEntry, st.sampled_from(["base", "mod"]), st.just("directory"), st.sampled_from([ONE, TWO]), st.just(1), st.integers(1, 3)
)
CHANGES = st.sampled_from(["removed", "winner_source_changed", "winner_hash_changed", "provider_count_changed"])


@given(st.dictionaries(KEYS, st.tuples(ENTRIES, st.sets(CHANGES))), st.dictionaries(KEYS, ENTRIES))
def test_V25_drift_reports_exactly_what_was_changed(
    given_rows: dict[str, tuple[LockEntry, set[DriftKind]]], more: dict[str, LockEntry]
) -> None:
    old = Lock({key: row for key, (row, _) in given_rows.items()}, ("base", "mod"))
    new: dict[str, LockEntry] = {}
    expected: list[tuple[str, str]] = []
    for key, (row, changes) in given_rows.items():
        if "removed" in changes:
            expected.append((key, "removed"))
            continue
        source, kind, digest, size, count = row
        if "winner_source_changed" in changes:
            source = "mod" if source == "base" else "base"
        if "winner_hash_changed" in changes:
            digest = TWO if digest == ONE else ONE
        if "provider_count_changed" in changes:
            count += 1
        new[key] = LockEntry(source, kind, digest, size, count)
        expected += [(key, change) for change in changes]
    for key, row in more.items():
        if key not in given_rows:
            new[key] = row
            expected.append((key, "added"))
    report = drift(old, Lock(new, ("base", "mod")))
    expected.sort(key=lambda found: (found[0].encode(), DRIFT_KINDS.index(found[1])))
    assert kinds(report) == expected
    for found in report.entries:
        assert (found.old, found.new) == (old.entries.get(found.key), new.get(found.key))
    assert sum(report.counts.values()) == len(expected)


FILES = st.dictionaries(st.sampled_from(["a", "b", "c/d"]), st.sampled_from([b"1", b"2"]), max_size=3)


@given(st.lists(FILES, min_size=1, max_size=3), st.lists(FILES, min_size=1, max_size=3))
def test_V25_drift_between_two_states_of_a_union(before: list[dict[str, bytes]], after: list[dict[str, bytes]]) -> None:
    """By a naive model: for each path, who wins, with what, among how many."""

    def model(layers: list[dict[str, bytes]], path: str) -> tuple[int, bytes, int] | None:
        having = [number for number, files in enumerate(layers) if path in files]
        return (having[-1], layers[having[-1]][path], len(having)) if having else None

    def locked(layers: list[dict[str, bytes]]) -> Lock:
        return lock_union(UnionFs([Layer(MemoryFs(files), f"{number}") for number, files in enumerate(layers)]))

    expected: list[tuple[str, str]] = []
    for path in ("a", "b", "c/d"):
        old, new = model(before, path), model(after, path)
        if old is None or new is None:
            expected += [(path, "added")] if new else [(path, "removed")] if old else []
            continue
        expected += [(path, kind) for kind, one, other in zip(DRIFT_KINDS[2:], old, new, strict=True) if one != other]
    assert kinds(drift(locked(before), locked(after))) == expected
