"""Locks: the same bytes everywhere, every winner in them, and nothing else read as one."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs import HostFs, Layer, MemoryFs, UnionFs
from oboromi_fs.base import MemoryStorage, StorageBase
from oboromi_fs.errors import CorruptError, EntryNotFoundError, FormatError, LayerError, MappingError, UnsupportedError
from oboromi_fs.jobs.locking import LockInput, lock_union, make_lock
from oboromi_fs.overlay.documents import FORMS, Form, dumps, form_of, loads
from oboromi_fs.overlay.lock import Lock, LockEntry, LockError, LockSchemaError
from tests.overlay.strategies import real_layers, same_case_stacks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.overlay.model import ModelLayer

ABC = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"
"""BLAKE3 of b"abc", from its published test vectors' tool."""
EMPTY = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"

LITERAL = f"""\
{{
  "schema_version": 1,
  "algorithm": "blake3",
  "layers": [
    "base",
    "mods/ä"
  ],
  "entries": {{
    "a-b": {{"source": "base", "kind": "archive", "hash": "{EMPTY}", "size": 0, "provider_count": 1}},
    "a/b": {{"source": "mods/ä", "kind": "directory", "hash": "{ABC}", "size": 3, "provider_count": 2}},
    "caf\\udce9": {{"source": "base", "kind": "archive", "hash": "{ABC}", "size": 3, "provider_count": 1}}
  }}
}}
"""
LITERAL_YAML = f"""\
schema_version: 1
algorithm: "blake3"
layers:
  - "base"
  - "mods/ä"
entries:
  "a-b": {{source: "base", kind: "archive", hash: "{EMPTY}", size: 0, provider_count: 1}}
  "a/b": {{source: "mods/ä", kind: "directory", hash: "{ABC}", size: 3, provider_count: 2}}
  "caf\\\\xe9": {{source: "base", kind: "archive", hash: "{ABC}", size: 3, provider_count: 1}}
"""
LITERAL_TOML = f"""\
schema_version = 1
algorithm = "blake3"
layers = [
  "base",
  "mods/ä",
]

[entries]
"a-b" = {{source = "base", kind = "archive", hash = "{EMPTY}", size = 0, provider_count = 1}}
"a/b" = {{source = "mods/ä", kind = "directory", hash = "{ABC}", size = 3, provider_count = 2}}
"caf\\\\xe9" = {{source = "base", kind = "archive", hash = "{ABC}", size = 3, provider_count = 1}}
"""


def literal_union() -> UnionFs:
    base = Layer(MemoryFs({"caf\udce9": b"abc", "a/b": b"old", "a-b": b""}), "base", kind="archive")
    return UnionFs([base, Layer(MemoryFs({"a/b": b"abc"}), "mods/ä")])


# ---- what is in it ----


def test_V24_lock_literal() -> None:
    lock = lock_union(literal_union())
    assert lock.to_json_text() == LITERAL
    assert lock.to_text("yaml") == LITERAL_YAML
    assert lock.to_text("toml") == LITERAL_TOML
    assert list(lock.entries) == ["a-b", "a/b", "caf\udce9"]
    assert lock.entries["a/b"] == LockEntry("mods/ä", "directory", ABC, 3, 2)


@pytest.mark.parametrize(("form", "text"), [("json", LITERAL), ("yaml", LITERAL_YAML), ("toml", LITERAL_TOML)])
def test_V24_lock_is_read_back(form: Form, text: str) -> None:
    assert Lock.from_text(text, form) == lock_union(literal_union())


def test_V24_sha256_by_name() -> None:
    lock = lock_union(literal_union(), algorithm="sha256")
    assert lock.algorithm == "sha256"
    assert lock.entries["a/b"].digest == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert Lock.from_json_text(lock.to_json_text()) == lock


@given(same_case_stacks())
def test_V24_winner_digest_and_count_of_any_stack(models: list[ModelLayer]) -> None:
    union = UnionFs(real_layers(models))
    lock = lock_union(union)
    assert set(lock.entries) == {path for path, entry in union.walk() if entry.kind == "file"}
    for path, entry in lock.entries.items():
        data, providers = union.read_bytes(path), union.providers(path)
        name = union.layers[providers[-1].source_index].name
        layers = {provider.source_index for provider in providers}  # A layer counts once, however many spellings it has.
        assert entry == LockEntry(name, "directory", blake3(data).hexdigest(), len(data), len(layers))


def test_V24_a_version_that_is_hidden_does_not_count() -> None:
    layers = [{"x": b"1", "y": b"1"}, {".wh.x": b"", "y": b"1"}, {"x": b"2", "y/z": b"3"}, {"y": b"4"}, {"x": b"5", "y": b"6"}]
    lock = lock_union(UnionFs(map(MemoryFs, layers)))
    assert {key: entry.provider_count for key, entry in lock.entries.items()} == {"x": 2, "y": 2}


# ---- the same everywhere ----

TREE = {f"dir {number % 7}/{name}{number}": b"%d" % number * number for number, name in enumerate("aÄzZ_-.é~あ\udcff!b ()" * 4)}


def put_tree(root: Path, seed: int) -> None:
    order = list(TREE)
    random.Random(seed).shuffle(order)
    for path in order:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(TREE[path])


SCRIPT = """
import sys
from oboromi_fs import HostFs, Layer, UnionFs
from oboromi_fs.jobs.locking import lock_union
union = UnionFs([Layer(HostFs(sys.argv[1]), "base"), Layer(HostFs(sys.argv[2]), "mod", path=sys.argv[2])])
sys.stdout.buffer.write(lock_union(union, workers=int(sys.argv[3])).to_text(sys.argv[4]).encode())
"""


def test_V24_same_bytes_whatever_the_place_order_time_zone_and_locale(tmp_path: Path) -> None:
    digests = set()
    for seed, (zone, locale, workers) in enumerate([("UTC", "C", 1), ("Asia/Tokyo", "C.UTF-8", 3)]):
        base, mod = tmp_path / f"{seed}" / "a", tmp_path / f"other-place-{seed}" / "b"
        put_tree(base, seed)
        put_tree(mod, seed + 100)
        environment = {**os.environ, "TZ": zone, "LC_ALL": locale, "PYTHONHASHSEED": str(seed)}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, base, mod, str(workers), "json"], env=environment, capture_output=True, check=True
        )
        digests.add(hashlib.sha256(done.stdout).hexdigest())
        text = done.stdout.decode()
        assert str(tmp_path) not in text
    assert digests == {"767a5c23f317b6f410cb8d44603f8b05cf797ab6241841270a1f4e0e4ce3a6fd"}


@given(st.permutations(range(5)), st.sampled_from(FORMS))
def test_V24_same_bytes_whatever_the_order_of_the_input(order: list[int], form: Form) -> None:
    rows = [LockInput(key, "layer", "directory", lambda: MemoryStorage(b"abc"), 3, 1) for key in ("a", "a/b", "a-", "é", "\udce9")]
    lock = make_lock([rows[number] for number in order], ["layer"])
    assert lock.to_text(form) == make_lock(rows, ["layer"]).to_text(form)
    assert list(lock.entries) == ["a", "a-", "a/b", "é", "\udce9"]


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8)
RAW = st.binary(min_size=1, max_size=6).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
KEYS = st.lists(
    st.one_of(
        NAMES, RAW, st.sampled_from(["\\", "\\xe9", "\\\\x", '"', "\x7f", "\x85", "\u2028", "\ufeff", "a" * 1500, "true", "1", "é", "~"])
    ),
    min_size=1,
    max_size=3,
).map("/".join)


@given(st.dictionaries(KEYS, st.integers(0, 2**63 - 1), max_size=5), st.sampled_from(FORMS))
def test_V24_any_name_survives_every_form(sizes: dict[str, int], form: Form) -> None:
    from oboromi_fs.paths import normalise  # What a file system lists.

    entries = {normalise(key): LockEntry("la\\yer \udcff", "archive", ABC, size, 7) for key, size in sizes.items() if "\0" not in key}
    entries.pop("", None)
    lock = Lock(entries, ("la\\yer \udcff",), "sha256")
    text = lock.to_text(form)
    assert Lock.from_text(text.encode(), form) == lock
    assert Lock.from_text(text, form).to_text(form) == text


# ---- files that cannot be read ----


class Failing(StorageBase):
    kind = "Failing"

    def __init__(self, size: int, error: Callable[[], Exception], bad: range) -> None:
        self._size = size
        self.error = error
        self.bad = bad

    def _readinto(self, offset: int, target: memoryview) -> None:
        if offset < self.bad.stop and offset + len(target) > self.bad.start:
            raise self.error()
        target[:] = bytes(len(target))


ERRORS: list[tuple[Callable[[], Exception], type[Exception]]] = [
    (lambda: CorruptError("is torn", what="AES"), CorruptError),
    (lambda: OSError(errno.EIO, "input/output error"), OSError),
    (lambda: PermissionError(errno.EACCES, "permission denied", "/somewhere/b"), PermissionError),
    (lambda: EntryNotFoundError("b"), EntryNotFoundError),
    (lambda: MappingError("b", "shrank"), MappingError),
]


@pytest.mark.parametrize(("error", "kind"), ERRORS)
@pytest.mark.parametrize("archive", [False, True])
def test_V24_an_unreadable_file_is_an_error_that_names_key_and_layer(
    error: Callable[[], Exception], kind: type[Exception], *, archive: bool
) -> None:
    storage = Failing(30, error, range(10, 20))
    windows = {"a": storage.window(0, 10), "b": storage.window(10, 20), "c": storage.window(20, 30)}
    rows = [LockInput(key, "mod", "archive" if archive else "directory", lambda w=window: w, 10, 1) for key, window in windows.items()]  # type: ignore[misc]
    with pytest.raises(kind) as caught:
        make_lock(rows)
    assert "while hashing 'b' of layer 'mod'" in str(caught.value) + "".join(getattr(caught.value, "__notes__", []))
    rows[1] = LockInput("b", "mod", "directory", lambda: MemoryStorage(bytes(10)), 10, 1)
    assert set(make_lock(rows).entries) == {"a", "b", "c"}, "damage between the files does no harm"


def test_V24_a_file_that_changes_its_size_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")

    class Growing(HostFs):
        def host_path(self, path: str) -> str:
            if path == "a":
                (tmp_path / "a").write_bytes(b"abcdef")
            return super().host_path(path)

    union = UnionFs([Layer(Growing(tmp_path), "mod")])
    with pytest.raises(MappingError, match=r"it had 3 bytes, and has 6 \(while hashing 'a' of layer 'mod'\)"):
        lock_union(union)


def test_V24_a_split_file_is_one(tmp_path: Path) -> None:
    for name, data in {"game.nsp/00": b"a", "game.nsp/01": b"b", "card.xc0": b"ab", "card.xc1": b"c"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    lock = lock_union(UnionFs([Layer(HostFs(tmp_path), "mod")]))
    assert {key: (entry.size, entry.digest) for key, entry in lock.entries.items()} == {
        "card.xc0": (3, ABC),
        "game.nsp": (2, blake3(b"ab").hexdigest()),
    }


def test_V24_a_layer_that_the_union_passes_over_is_an_error() -> None:
    class Torn(MemoryFs):
        def _read_dir(self, path: str) -> Any:
            if path == "x":
                raise CorruptError("is torn", what="table")
            return super()._read_dir(path)

    union = UnionFs([Layer(MemoryFs({"a": b""}), "base"), Layer(Torn({"x/y": b""}), "mod")], forgiving=True)
    with pytest.raises(CorruptError, match=r"table: is torn .*layer 'mod'"):
        lock_union(union)


def test_V24_two_winners_of_one_path() -> None:
    row = LockInput("a", "mod", "directory", lambda: MemoryStorage(b""), 0, 1)
    with pytest.raises(LayerError, match="layer 'mod': the path 'a' has two winners"):
        make_lock([row, row._replace()])
    with pytest.raises(LayerError, match="layer 'mod': wins 'a', and is none of the layers"):
        make_lock([row], ["base"])


def test_V24_progress_and_many_bytes(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(9 << 20))
    (tmp_path / "small").write_bytes(b"abc")
    told: list[tuple[int, int]] = []
    lock = lock_union(UnionFs([Layer(HostFs(tmp_path), "mod")]), progress=lambda done, total, _: told.append((done, total)))
    assert told[-1] == (9 * 1024 * 1024 + 3, 9 * 1024 * 1024 + 3)
    assert lock.entries["large"].digest == blake3(bytes(9 << 20)).hexdigest()


# ---- files ----


def test_V24_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = lock_union(literal_union())
    for name, text in (("a.lock", LITERAL), ("a.yaml", LITERAL_YAML), ("a.TOML", LITERAL_TOML)):
        lock.write(tmp_path / name)
        assert (tmp_path / name).read_bytes() == text.encode()
        assert Lock.read(tmp_path / name) == lock
    (tmp_path / "a.lock").write_text("old")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "no room")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="no room") as caught:
            lock.write(tmp_path / "a.lock")
    assert caught.value.filename == str(tmp_path / "a.lock")
    assert sorted(os.listdir(tmp_path)) == ["a.TOML", "a.lock", "a.yaml"]
    assert (tmp_path / "a.lock").read_text() == "old"
    with pytest.raises(IsADirectoryError):
        lock.write(tmp_path)
    with pytest.raises(FileNotFoundError):
        Lock.read(tmp_path / "none")


def broken(**changes: Any) -> str:
    document = json.loads(LITERAL) | changes
    return json.dumps({key: value for key, value in document.items() if value is not None})


def broken_row(key: str = "a", **changes: Any) -> str:
    row = {"source": "base", "kind": "archive", "hash": ABC, "size": 3, "provider_count": 1} | changes
    return broken(entries={key: {name: value for name, value in row.items() if value is not ...}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lock of my.lock: is no JSON that can be read: Expecting value: line 1 column 1 (char 0)"),
        ("[]", "lock of my.lock: is no table"),
        ("[" * 100_000, "lock of my.lock: is no JSON that can be read: maximum recursion depth exceeded"),
        (b"\xff{}", "lock of my.lock at 0x0: is not UTF-8"),
        ('{"a": 1, "a": 2}', "lock of my.lock: is no JSON that can be read: the key 'a' stands twice"),
        ("{}", "lock of my.lock, field schema_version: is missing"),
        (broken(schema_version=True), "lock of my.lock, field schema_version: True is no whole number"),
        (broken(schema_version="1"), "lock of my.lock, field schema_version: '1' is no whole number"),
        (broken(schema_version=2), "lock of my.lock, field schema_version: 2 is not the schema of this version, 1: write the lock anew"),
        ('{"schema_version": ' + "9" * 5000 + "}", "lock of my.lock: is no JSON that can be read: Exceeds the limit"),
        (broken(algorithm=None), "lock of my.lock, field algorithm: is missing"),
        (broken(algorithm="md5"), "lock of my.lock, field algorithm: 'md5' is not one of blake3, sha256"),
        (broken(algorithm=["blake3"]), "lock of my.lock, field algorithm: a list is not one of blake3, sha256"),
        (broken(host="me"), "lock of my.lock, field 'host': is unknown; there are schema_version, algorithm, layers, entries"),
        (broken(layers="base"), "lock of my.lock, field layers: 'base' is no list"),
        (broken(layers=["base", 5]), "lock of my.lock, field layers[1]: 5 is no text"),
        (broken(layers=["base", "base"]), "lock of my.lock, field layers[1]: another layer is called 'base'"),
        (broken(layers=["base\ud800"]), "lock of my.lock, field layers[0]: 'base\\ud800' holds a surrogate that stands for no byte"),
        (broken(entries=[]), "lock of my.lock, field entries: a list is no table"),
        (broken(entries={"a": 1}), "lock of my.lock, field entries['a']: 1 is no table"),
        (broken_row("../a"), "lock of my.lock, field entries['../a']: is no path as locks spell them"),
        (broken_row("/a"), "lock of my.lock, field entries['/a']: is no path as locks spell them"),
        (broken_row(""), "lock of my.lock, field entries['']: is no path as locks spell them"),
        (broken_row("a\0"), "lock of my.lock, field entries['a\\x00']: holds a NUL"),
        (broken_row("\udcc3\udca9"), "lock of my.lock, field entries['\\udcc3\\udca9']: is no path as locks spell them"),
        (broken_row(source="mods/b"), "lock of my.lock, field entries['a'].source: 'mods/b' is not one of the layers"),
        (broken_row(source=[]), "lock of my.lock, field entries['a'].source: a list is not one of the layers"),
        (broken_row(kind="file"), "lock of my.lock, field entries['a'].kind: 'file' is not one of directory, archive"),
        (broken_row(kind={}), "lock of my.lock, field entries['a'].kind: a dict is not one of directory, archive"),
        (broken_row(hash=ABC.upper()), "lock of my.lock, field entries['a'].hash: '6437B3"),
        (broken_row(hash=ABC[1:]), "is not 64 hexadecimal digits in lower case"),
        (broken_row(hash=None), "lock of my.lock, field entries['a'].hash: None is not 64"),
        (broken_row(hash=...), "lock of my.lock, field entries['a'].hash: is missing"),
        (broken_row(size=-1), "lock of my.lock, field entries['a'].size: -1 is no size in bytes"),
        (broken_row(size=1.5), "lock of my.lock, field entries['a'].size: 1.5 is no size in bytes"),
        (broken_row(size=2**63), "lock of my.lock, field entries['a'].size: 9223372036854775808 is no size in bytes"),
        (broken_row(provider_count=0), "lock of my.lock, field entries['a'].provider_count: 0 is no number of versions"),
        (broken_row(provider_count=False), "lock of my.lock, field entries['a'].provider_count: False is no number of versions"),
        (broken_row(mtime=1), "lock of my.lock, field entries['a'].'mtime': is unknown; there are source, kind"),
    ],
)
def test_V24_what_is_no_lock_says_file_and_field(text: str | bytes, message: str) -> None:
    with pytest.raises(LockError) as caught:
        Lock.from_json_text(text, source="my.lock")
    assert message in str(caught.value)


def test_V25_a_wrong_schema_is_an_error_of_its_own() -> None:
    with pytest.raises(LockSchemaError) as caught:
        Lock.from_json_text(broken(schema_version=2))
    assert isinstance(caught.value, UnsupportedError)
    with pytest.raises(LockSchemaError):  # Whatever else a later schema has.
        Lock.from_json_text('{"schema_version": 2, "winners": []}')


def test_a_huge_lock_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "huge", "wb") as file:
        file.truncate((1 << 30) + 1)
    with pytest.raises(LockError, match="huge: has 1073741825 bytes; a lock has 1073741824 at most"):
        Lock.read(tmp_path / "huge")


# ---- documents ----


@pytest.mark.parametrize(
    ("form", "text", "message"),
    [
        ("yaml", "[" * 1_000_000, "is nested more than 64 levels deep"),
        ("yaml", "- " * 1_000_000, "is nested more than 64 levels deep"),
        ("yaml", "a: &x [1]\nb: *x", "anchors and aliases are not read (line 1)"),
        ("yaml", "a: !!python/object:os.system 1", "tags are not read (line 1)"),
        ("yaml", "a: 1\na: 2", "the key 'a' stands twice"),
        ("yaml", "[a, b]: 2", "a key must be a text, not ['a', 'b']"),
        ("yaml", "1: 2", "a key must be a text, not 1"),
        ("yaml", "a: 1\n---\nb: 2", "one document is needed, there are 2"),
        ("yaml", "", "one document is needed, there are 0"),
        ("yaml", "a: {b: c}}", "is no YAML that can be read"),
        ("yaml", "a: \x00", "is no YAML that can be read"),
        ("yaml", 'a: "\\\\x4"', "a backslash is followed by another"),
        ("yaml", 'a: "\\\\x41"', "a backslash is followed by another"),
        ("yaml", "text", "is no table"),
        ("toml", "a = 1\na = 2", "is no TOML that can be read"),
        ("toml", "a = " + "[" * 100_000, "is no TOML that can be read"),
        ("toml", "a = '\\'", "a backslash is followed by another"),
        ("json", '{"a": }', "is no JSON that can be read"),
    ],
)
def test_documents_that_cannot_be_read(form: Form, text: str, message: str) -> None:
    with pytest.raises(FormatError, match=r"^doc of file") as caught:
        loads(text, form, what="doc", source="file")
    assert message in str(caught.value)


def test_yaml_as_people_write_it() -> None:
    text = "a: 1\nb: [true, false, null, x y, '1', -5, 007]\n# remark\nc:\n  - d: caf\\xe9\n"
    assert loads(text, "yaml") == {"a": 1, "b": [True, False, None, "x y", "1", -5, "007"], "c": [{"d": "caf\udce9"}]}


VALUES = st.recursive(
    st.one_of(st.integers(-(10**20), 10**20), st.booleans(), RAW, NAMES),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.one_of(KEYS, NAMES), inner, max_size=3)),
    max_leaves=8,
)


@given(st.dictionaries(st.one_of(NAMES, KEYS), VALUES, max_size=4), st.sampled_from(FORMS))
def test_any_document_is_read_back(document: dict[str, Any], form: Form) -> None:
    if form == "toml":  # Numbers there have 64 bits, as readers of other languages have.
        document = json.loads(json.dumps(document), parse_int=lambda digits: int(digits) % 2**60)
    text = dumps(document, form)
    assert loads(text, form) == document
    assert loads(text.encode(), form) == document


def test_a_document_too_deep_to_be_written() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    for form in FORMS:
        with pytest.raises(UnsupportedError, match="is nested too deeply to be written"):
            dumps(deep, form)


def test_forms_by_name() -> None:
    assert [form_of(name) for name in ("a.yaml", "b.YML", "c.toml", "d.json", "lock", "toml")] == [
        "yaml",
        "yaml",
        "toml",
        "json",
        "json",
        "toml",
    ]


def test_V24_a_layer_of_several_spellings_is_one_provider() -> None:
    union = UnionFs([Layer(MemoryFs({"A.txt": b"1", "a.txt": b"2"}), "mod", case="fold")])
    assert [entry.provider_count for entry in lock_union(union).entries.values()] == [1]
