"""Files from SD cards: the worked example of the specification, made-up ones, and those that do not open, and why."""

from __future__ import annotations

import hashlib
from struct import pack
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oboromi_fs import (
    CorruptError,
    EntryNotFoundError,
    FormatError,
    IntegrityError,
    KeySet,
    MemoryStorage,
    MissingKeyError,
    Nca,
    NotThisFormatError,
    OboromiFsError,
    UnsafePathError,
    open_fs,
)
from oboromi_fs._forge import FsType, Section, nca
from oboromi_fs.backends.nax0 import Nax0Archive, sd_paths, unwrap
from oboromi_fs.builders.nax0 import build_nax0
from oboromi_fs.testing import check_filesystem
from tests import forged
from tests.command import oboromi
from tests.forged_nax0 import SAVE_KEY, SD_KEY, SD_KEYS, nax0, sd_path

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLE_ID = "000102030405060708090a0b0c0d0e0f"
EXAMPLE = f"/registered/00000000/{EXAMPLE_ID}.nca"
KEYS = KeySet({**forged.KEYS, **SD_KEYS})
NCA = nca([Section(forged.romfs_image(), FsType.ROMFS)], keys=forged.KEYS, content_type=4, program_id=forged.PROGRAM_ID)
NCA_ID = hashlib.sha256(NCA).hexdigest()[:32]
PATH = sd_path(NCA_ID)
"""Contents and what of the card lies around them."""


def archive(data: bytes, *paths: str, keys: KeySet = KEYS) -> Nax0Archive:
    return Nax0Archive(MemoryStorage(data, "a file"), keys, paths=paths)


def card(tmp_path: Path, data: bytes | None = None, path: str = PATH) -> Path:
    """A card with one file."""
    file = tmp_path / "Nintendo" / "Contents" / path[1:]
    file.parent.mkdir(parents=True)
    file.write_bytes(nax0(NCA, path) if data is None else data)
    return file


def test_the_worked_example() -> None:
    header = bytes.fromhex(
        "29ca6b10e6691f566391ea39df34d7d491bc47b6feecc445215a387fa8e9f803"
        "4e41583000000000"
        "54a2f8bdf44b267ab55dc2da254d81b727bd9442e4fdecf55ae3f03f47cc1988"
        "3412000000000000"
    ) + bytes(0x30)
    assert unwrap(header, EXAMPLE, bytes(range(0x20))) == b"\xaa" * 16 + b"\xbb" * 16
    assert unwrap(header, EXAMPLE, bytes(range(1, 0x21))) is None
    assert unwrap(header, EXAMPLE.upper(), bytes(range(0x20))) is None
    content = bytes(range(256)) * 18 + bytes(0x34)
    made = nax0(content, EXAMPLE)
    assert made[:0x80] == header
    assert archive(made, EXAMPLE).read_bytes(f"{EXAMPLE_ID}.nca") == content


def test_the_keys_follow_from_the_seed() -> None:
    """Each by the chain of the specification, worked here by hand."""
    from Crypto.Cipher import AES

    def decrypt(key: bytes, data: bytes) -> bytes:
        return AES.new(key, AES.MODE_ECB).decrypt(data)

    given = {name: bytes([number]) * 16 for number, name in enumerate(_SOURCES, 1)}
    given |= {"sd_card_nca_key_source": bytes(range(32)), "sd_seed": bytes(range(16))}
    kek = decrypt(given["master_key_00"], given["aes_kek_generation_source"])
    sd_kek = decrypt(decrypt(kek, given["sd_card_kek_source"]), given["aes_key_generation_source"])
    masked = bytes(a ^ b for a, b in zip(range(32), bytes(range(16)) * 2, strict=True))
    sd_key = decrypt(sd_kek, masked)
    content = b"a file of a card"
    assert archive(nax0(content, EXAMPLE, sd_key), EXAMPLE, keys=KeySet(given)).read_bytes(f"{EXAMPLE_ID}.nca") == content


_SOURCES = ("master_key_00", "aes_kek_generation_source", "aes_key_generation_source", "sd_card_kek_source")


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (f"/media/x/Nintendo/Contents{EXAMPLE}", [EXAMPLE, sd_path(EXAMPLE_ID)]),
        (f"C:\\card\\Nintendo\\Contents\\registered\\000000be\\{EXAMPLE_ID.upper()}.NCA", [sd_path(EXAMPLE_ID)]),
        (f"x/registered/000000BE/{EXAMPLE_ID}.nca/00", [sd_path(EXAMPLE_ID)]),
        (f"x/Contents/placehld/000000BE/{EXAMPLE_ID}.nca", [f"/placehld/000000BE/{EXAMPLE_ID}.nca", sd_path(EXAMPLE_ID)]),
        (f"{EXAMPLE_ID}.nca", [sd_path(EXAMPLE_ID)]),
        (f"downloads/{EXAMPLE_ID}.nca", [sd_path(EXAMPLE_ID)]),
        ("Nintendo/save/8000000000000043", ["/8000000000000043"]),
        ("Nintendo/save/8000000000000043/00", ["/8000000000000043"]),
        ("game.nca", []),
        ("", []),
        ("/", []),
        ("00", []),
    ],
)
def test_where_a_file_lies_tells_its_path(place: str, expected: list[str]) -> None:
    assert sd_paths(place) == expected
    assert sd_path(EXAMPLE_ID) == f"/registered/000000BE/{EXAMPLE_ID}.nca"


def test_the_suite() -> None:
    check_filesystem(archive(nax0(NCA, PATH), PATH), expected={f"{NCA_ID}.nca": NCA})
    check_filesystem(archive(nax0(b"", PATH), PATH), expected={f"{NCA_ID}.nca": b""})


@settings(max_examples=50)
@given(st.binary(max_size=300), st.integers(0, 3), st.integers(0, 0xC000), st.integers(0, 0xC000))
def test_every_read_is_that_of_the_content(tail: bytes, units: int, start: int, stop: int) -> None:
    content = bytes(index * 7 & 0xFF for index in range(0x4000)) * units + tail
    storage = archive(nax0(content, PATH), PATH).storage(f"{NCA_ID}.nca")
    assert storage.size == len(content)
    assert storage[start:stop].tobytes() == content[start:stop]


def test_an_nca_of_a_card_opens_by_where_it_lies(tmp_path: Path) -> None:
    file = card(tmp_path)
    for keys in (KEYS, KeySet({**forged.KEYS, "sd_card_nca_key": SD_KEY})):
        with open_fs(file, keys) as fs:
            assert isinstance(fs.fs, Nca)
            assert fs.read_bytes("romfs/hello.txt") == b"hello\n"
    with open_fs(tmp_path / "Nintendo", KEYS) as fs:
        inner = f"Contents{PATH}"
        assert fs.read_bytes(f"{inner}/romfs/hello.txt") == b"hello\n"
        assert fs.read_bytes(f"{inner}/@content") == NCA
        assert fs.read_bytes(f"{inner}/@content/romfs/hello.txt") == b"hello\n"
        assert fs.metadata(f"{inner}/@content").size == len(NCA)
        assert fs.read_bytes(inner)[0x20:0x24] == b"NAX0"
        with pytest.raises(EntryNotFoundError):
            fs.read_bytes(f"{inner}/romfs/@content")


def test_a_file_in_parts(tmp_path: Path) -> None:
    folder = tmp_path / "Nintendo" / "Contents" / PATH[1:]
    folder.mkdir(parents=True)
    data = nax0(NCA, PATH)
    for number, at in enumerate(range(0, len(data), 0x6000)):
        (folder / f"{number:02}").write_bytes(data[at : at + 0x6000])
    with open_fs(folder, KEYS) as fs:
        assert fs.read_bytes("romfs/hello.txt") == b"hello\n"
    with open_fs(tmp_path / "Nintendo" / "Contents", KEYS) as fs:
        assert fs.read_bytes(f"{PATH[1:]}/romfs/hello.txt") == b"hello\n"


def test_the_path_may_be_given(tmp_path: Path) -> None:
    file = tmp_path / "renamed.bin"
    file.write_bytes(nax0(NCA, PATH))
    with pytest.raises(FormatError, match=r"depend on its path there, which its name does not tell: give it \(--sd-path"):
        open_fs(file, KEYS)
    for path in (PATH, PATH[1:], f"Nintendo/Contents{PATH}"):
        with open_fs(file, KEYS, sd_path=path) as fs:
            assert fs.read_bytes("romfs/hello.txt") == b"hello\n"


def test_save_data_has_a_key_of_its_own() -> None:
    data = nax0(b"saved", "/8000000000000043", SAVE_KEY)
    found = archive(data, "/8000000000000043")
    assert (found.content, found.path, found.read_bytes("8000000000000043")) == ("save", "/8000000000000043", b"saved")
    # Of the other kind of key it says that this one is missing.
    with pytest.raises(MissingKeyError, match="sd_card_save_key"):
        archive(data, "/8000000000000043", keys=KeySet({"sd_card_nca_key": SD_KEY}))


@pytest.mark.parametrize(
    ("made", "tried", "keys", "problem"),
    [
        # The path is a possible one: then it is the key.
        (PATH, PATH, {"sd_card_nca_key": bytes(32)}, "that sd_seed is that of another console or card"),
        # The folder does not go with the ID: then it is the path.
        (PATH, f"/registered/000000FF/{NCA_ID}.nca", SD_KEYS, "the path is wrong, for this ID lies in " + PATH[12:20]),
        (PATH, f"/registered/{NCA_ID}.nca", SD_KEYS, "the path is wrong, for this ID lies in " + PATH[12:20]),
        ("/8000000000000043", "/8000000000000044", SD_KEYS, "the path is another, or sd_seed is that of another console or card"),
    ],
)
def test_what_does_not_open_says_why(made: str, tried: str, keys: dict[str, bytes], problem: str) -> None:
    with pytest.raises(IntegrityError, match=problem) as caught:
        archive(nax0(NCA, made, SAVE_KEY if "80000" in made else SD_KEY), tried, keys=KeySet(keys))
    assert (caught.value.field, caught.value.offset) == ("mac", 0)
    assert tried in str(caught.value)


def test_a_missing_key_is_named_with_what_derives_it() -> None:
    with pytest.raises(MissingKeyError, match=r"sd_card_nca_key.*sd_seed"):
        archive(nax0(NCA, PATH), PATH, keys=KeySet({name: bytes(16) for name in _SOURCES} | {"sd_card_nca_key_source": bytes(32)}))


@pytest.mark.parametrize(
    ("edit", "kind", "problem"),
    [
        (lambda data: data[:0x20], NotThisFormatError, "the magic is b''"),
        (lambda data: data[:0x60], CorruptError, "the last 0x20 are missing"),
        (lambda data: data[:-1], CorruptError, "the file at 0x.*: it is truncated"),
        (lambda data: data[:0x48] + pack("<Q", (1 << 64) - 1) + data[0x50:], CorruptError, "it is truncated"),
        (lambda data: data[:0x48] + pack("<Q", len(NCA) - 16) + data[0x50:], IntegrityError, "does not open"),
        (lambda data: data[:0x20] + b"NAX1" + data[0x24:], NotThisFormatError, "the magic is b'NAX1'"),
    ],
)
def test_headers_that_lie_are_told(edit: Any, kind: type[Exception], problem: str) -> None:
    with pytest.raises(kind, match=problem):
        archive(edit(nax0(NCA, PATH)), PATH)


@pytest.mark.parametrize("path", ["/..", "/registered/.", "/", "/a\0b", "/x/"])
def test_a_path_whose_last_part_is_no_name(path: str) -> None:
    fs = archive(nax0(b"content", path), path)
    assert (fs.path, fs.name, fs.read_bytes("content")) == (path, "content", b"content")


def test_a_path_that_is_no_text_is_told() -> None:
    with pytest.raises(UnsafePathError):
        archive(nax0(b"content", EXAMPLE), "/\ud800")
    with pytest.raises(UnsafePathError):
        build_nax0(MemoryStorage(b"content"), "/\ud800", SD_KEY)


def test_one_path_is_one_path() -> None:
    assert Nax0Archive(MemoryStorage(nax0(b"1", EXAMPLE)), KEYS, paths=EXAMPLE).path == EXAMPLE


def test_a_card_file_in_a_card_file_is_a_file() -> None:
    inner = nax0(NCA, PATH)
    fs = open_fs(MemoryStorage(nax0(inner, PATH), f"{NCA_ID}.nca"), KEYS)
    assert fs.fs.kind == "NAX0"  # type: ignore[attr-defined]  # FileSystem has no kind; ours do.
    assert fs.read_bytes(f"{NCA_ID}.nca") == inner


@settings(max_examples=40)
@given(st.integers(0, 0x4100), st.integers(1, 255), st.integers(0, 0x5000))
def test_a_changed_byte_ends_in_an_error_or_is_read(offset: int, mask: int, stop: int) -> None:
    data = bytearray(nax0(b"c" * 0x150, PATH)[: max(stop, 0x60)])
    if offset < len(data):
        data[offset] ^= mask
    try:
        found = archive(bytes(data), PATH)
        found.read_bytes(found.name)
    except (OboromiFsError, OSError):
        pass


# The command


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "prod.keys"
    file.write_text("".join(f"{name} = {value.hex()}\n" for name, value in {**forged.KEYS, **SD_KEYS}.items()))
    return file


def test_the_command(tmp_path: Path, key_file: Path) -> None:
    file = card(tmp_path)
    words = ("--keys", str(key_file))
    assert oboromi(*words, "ls", str(file)).lines == ["romfs"]
    assert oboromi(*words, "cat", f"{file}/romfs/hello.txt").out == b"hello\n"
    assert oboromi(*words, "cat", f"{file}/@content").out == NCA
    told = oboromi(*words, "info", str(file), "--json").json
    assert (told["kind"], told["sd_card"]) == ("nca", {"path": PATH, "content": "nca"})
    assert [key["name"] for key in told["keys"]][:2] == ["sd_card_nca_key", "header_key"]
    assert f"encrypted for an SD card, as nca {PATH}" in oboromi(*words, "info", str(file)).text
    assert f"encrypted for an SD card, as nca {PATH}" in oboromi(*words, "info", str(tmp_path / "Nintendo" / "Contents" / PATH[1:21])).text
    out = tmp_path / "out"
    assert oboromi(*words, "extract", str(file), "-o", str(out)).code == 0
    assert (out / "romfs" / "hello.txt").read_bytes() == b"hello\n"
    checked = oboromi(*words, "verify", str(tmp_path / "Nintendo"))
    assert checked.code == 0, checked.text
    assert any(line.startswith("ok") and "NAX0 header" in line and f"nca as {PATH}" in line for line in checked.lines)
    assert any(line.startswith("ok") and "NCA name" in line for line in checked.lines)
    moved = tmp_path / "moved.bin"
    file.rename(moved)
    assert oboromi(*words, "ls", str(moved)).code == 3
    assert oboromi(*words, "ls", str(moved), "--sd-path", PATH).lines == ["romfs"]
    assert oboromi(*words, "--sd-path", PATH, "ls", str(moved)).lines == ["romfs"]
    without = oboromi("--keys", str(_without(tmp_path)), "ls", str(moved), "--sd-path", PATH)
    assert without.code == 4
    assert "sd_card_nca_key" in without.message


def _without(tmp_path: Path) -> Path:
    folder = tmp_path / "other"
    folder.mkdir()
    file = folder / "prod.keys"
    file.write_text("".join(f"{name} = {value.hex()}\n" for name, value in forged.KEYS.items()))
    return file


def test_extraction_checks_names_of_what_is_inside(tmp_path: Path, key_file: Path) -> None:
    card(tmp_path)
    words = ("--keys", str(key_file), "extract", str(tmp_path / "Nintendo"), "--verify", "-o")
    assert oboromi(*words, str(tmp_path / "flat")).code == 0
    assert oboromi(*words, str(tmp_path / "deep"), "-r").code == 0
    assert (tmp_path / "deep" / "Contents" / PATH[1:] / "romfs" / "hello.txt").read_bytes() == b"hello\n"
