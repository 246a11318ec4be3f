from __future__ import annotations

import os
import struct
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from oboromi_formats.nca import Encryption
from oboromi_fs import CorruptError, FormatError, KeySet, MemoryStorage, MissingKeyError, Nca, UnsupportedError
from oboromi_fs._forge import nca as forge_nca
from oboromi_fs.backends.nca import CryptRun, crypt_runs
from oboromi_fs.builders.ncz import NczBuilder, NczOptions
from oboromi_fs.storage.ncz import NczStorage, read_ncz_header
from tests import forged_layers
from tests.forged import EXEFS, KEY_SET, KEYS, RIGHTS_ID, TITLE_KEY, TREE, WRAPPED_TITLE_KEY, program_nca, program_sections, title_key_nca
from tests.forged_ncz import HEAD, crypted
from tests.test_storage_ncz import content

if TYPE_CHECKING:
    from pathlib import Path

KEY, UPPER = b"0123456789abcdef", b"\1\2\3\4\5\6\7\x08"


class Output:
    """Memory that grows as far as it is written."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        self.data.extend(bytes(max(0, offset + len(data) - len(self.data))))
        self.data[offset : offset + len(data)] = data


def built(nca: bytes, runs: list[CryptRun], **options: Any) -> bytes:
    output = Output()
    size = NczBuilder(MemoryStorage(nca), runs, NczOptions(**{"level": 1, **options})).write_at(output)
    assert size == len(output.data)
    return bytes(output.data)


def of_nca(nca: bytes, **options: Any) -> bytes:
    return built(nca, crypt_runs(Nca(MemoryStorage(nca), KEY_SET)), **options)


def records(data: bytes) -> list[tuple[int, int, int]]:
    """Offset, size and kind of each section record, read by hand."""
    (count,) = struct.unpack_from("<Q", data, 0x4008)
    return [struct.unpack_from("<3Q", data, 0x4010 + 0x40 * index) for index in range(count)]


def plain(data: bytes) -> bytes:
    """What an NCZ decompresses to, read by hand."""
    at = 0x4010 + 0x40 * len(records(data))
    if data[at : at + 8] != b"NCZBLOCK":
        reader = zstandard.ZstdDecompressor().decompressobj()
        return reader.decompress(data[at:])
    exponent, count, size = data[at + 11], *struct.unpack_from("<IQ", data, at + 12)
    sizes = struct.unpack_from(f"<{count}I", data, at + 24)
    at += 24 + 4 * count
    out = bytearray()
    for stored in sizes:
        block = data[at : at + stored]
        wanted = min(1 << exponent, size - len(out))
        out += block if stored == wanted else zstandard.ZstdDecompressor().decompress(block, max_output_size=wanted)
        at += stored
    assert (at, len(out)) == (len(data), size)
    return bytes(out)


MODES: list[dict[str, Any]] = [{"exponent": 14}, {"exponent": 20}, {"exponent": None}]


@pytest.mark.parametrize("options", MODES)
@pytest.mark.parametrize("first", [0xC00, 0x4000, 0x6000])
def test_sections_stand_in_the_clear_wherever_the_first_one_is(first: int, options: dict[str, Any]) -> None:
    nca = program_nca(first_section=first)
    data = of_nca(nca, **options)
    spans = records(data)
    ends = [offset + size for offset, size, _ in spans]
    assert [offset for offset, _, _ in spans] == [HEAD, *ends[:-1]]  # Without a gap, from 0x4000 on ...
    assert HEAD + sum(size for _, size, _ in spans) == len(nca)  # ... so that who adds up sizes comes to the right one.
    whole = plain(data)
    for image in (EXEFS["main"], TREE["data/a.bin"], TREE["data/sub/deep/é.bin"]):
        assert image[0x3000:0x3100] in whole or image in whole
    assert data[:HEAD] == nca[:HEAD]
    assert NczStorage(MemoryStorage(data))[:].tobytes() == nca


@pytest.mark.parametrize("options", MODES)
@given(st.data(), st.integers(1, 0x12000), st.integers(0, 50))
def test_there_and_back(options: dict[str, Any], data: st.DataObject, size: int, seed: int) -> None:
    nca = content(HEAD + size, seed)
    runs: list[CryptRun] = []
    at = data.draw(st.sampled_from((0xC00, 0x3800, HEAD, HEAD + 0x800)))
    while at < len(nca) and len(runs) < 5:
        stop = min(at + 16 * data.draw(st.integers(0, 0x600)), len(nca))
        kind = data.draw(st.sampled_from((Encryption.NONE, Encryption.AES_XTS, Encryption.AES_CTR, Encryption.AES_CTR_EX)))
        runs.append(CryptRun(at, stop, kind, KEY, UPPER))
        at = stop + 16 * data.draw(st.sampled_from((0, 0, 1, 0x40)))
    written = built(nca, runs, **options)
    assert NczStorage(MemoryStorage(written))[:].tobytes() == nca
    assert read_ncz_header(MemoryStorage(written)).mode == ("solid" if options["exponent"] is None else "block")


def test_what_does_not_compress_is_stored() -> None:
    nca = os.urandom(HEAD + 0x9000)
    data = built(nca, [], exponent=14)
    assert len(data) == len(nca) + 0x10 + 0x40 + 24 + 3 * 4
    assert plain(data) == nca[HEAD:]


@pytest.mark.parametrize("options", MODES)
def test_the_same_bytes_whatever_the_threads(options: dict[str, Any]) -> None:
    nca = content(HEAD + 0x180000, 3)
    assert built(nca, [], workers=1, **options) == built(nca, [], workers=3, **options)


def test_a_patch_is_in_the_clear_in_every_generation() -> None:
    image = content(0x9000, 8)
    base, _ = forged_layers.whole_section(image)
    nca = forged_layers.update(base, image[:0x4000] + b"new " * 0x800 + image[0x4000:], [forged_layers.Run(0x600)], (3, 9, 4))
    data = of_nca(nca, exponent=14)
    kinds = [kind for _, _, kind in records(data)]
    assert kinds == [4, 4, 4, 4]
    assert b"new " * 0x200 in plain(data)
    assert NczStorage(MemoryStorage(data))[:].tobytes() == nca


def test_plain_layers_of_a_skipping_section_stay_as_they_are() -> None:
    nca = program_nca(5)
    data = of_nca(nca, exponent=14)
    assert 1 in [kind for _, _, kind in records(data)]
    assert TREE["data/a.bin"] in plain(data)
    assert NczStorage(MemoryStorage(data))[:].tobytes() == nca


def test_sections_that_are_not_counted_are_stored_as_they_are() -> None:
    nca = program_nca(Encryption.AES_XTS)
    data = of_nca(nca, exponent=14)
    assert [kind for _, _, kind in records(data)] == [2, 2, 1]
    assert plain(data) == nca[HEAD:]


def test_the_right_one_of_several_keys_is_taken() -> None:
    nca = title_key_nca()
    with pytest.raises(MissingKeyError, match="missing key 0100abcdef000000"):
        crypt_runs(Nca(MemoryStorage(nca), KEY_SET))
    keys = KeySet(KEYS, {RIGHTS_ID: TITLE_KEY})  # Decrypted already, as some lists have it: the second candidate.
    runs = crypt_runs(Nca(MemoryStorage(nca), keys))
    assert TREE["data/a.bin"] in plain(built(nca, runs, exponent=14))


def test_an_ncz_opens_with_its_own_keys() -> None:
    nca = title_key_nca()
    keys = KeySet(KEYS, {RIGHTS_ID: WRAPPED_TITLE_KEY})
    data = built(nca, crypt_runs(Nca(MemoryStorage(nca), keys)), exponent=14)
    header_only = KeySet({"header_key": KEYS["header_key"]})
    opened = Nca(NczStorage(MemoryStorage(data)), header_only)
    assert TREE["data/a.bin"] in opened.section("romfs").image()[:].tobytes()
    with pytest.raises(MissingKeyError):
        Nca(MemoryStorage(nca), header_only).section("romfs").image()


def test_damage_is_told() -> None:
    nca = bytearray(program_nca())
    nca = nca[: len(nca) - 0x400]
    with pytest.raises(CorruptError, match="truncated"):
        of_nca(bytes(nca))
    with pytest.raises(FormatError, match="over another or over the end"):
        built(bytes(HEAD + 0x100), [CryptRun(HEAD, HEAD + 0x200, Encryption.NONE)])
    with pytest.raises(FormatError, match=r"NCZ: 0x4000 bytes; the first 0x4000 of an NCA are never compressed"):
        built(bytes(HEAD), [])


def test_too_many_runs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oboromi_fs.builders.ncz.MOST_SECTIONS", 3)
    runs = [CryptRun(HEAD + at, HEAD + at + 16, Encryption.AES_CTR, KEY, UPPER) for at in range(0, 0x40, 16)]
    with pytest.raises(UnsupportedError, match="4 runs of other encryption; at most 3 are written"):
        built(bytes(HEAD + 0x40), runs)
    assert len(records(built(bytes(HEAD + 0x30), runs[:3]))) == 3


@pytest.mark.parametrize("options", [{"level": 0}, {"level": 23}, {"exponent": 13}, {"exponent": 26}])
def test_options_out_of_range(options: dict[str, int]) -> None:
    with pytest.raises(FormatError, match=r"is none of 1 to 22|the exponent is 14 to 25"):
        NczOptions(**options)


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    class Broken(MemoryStorage):
        def _view(self, start: int, stop: int) -> memoryview:
            if start > 0x20000:
                raise CorruptError("broken", what="test")
            return super()._view(start, stop)

    (tmp_path / "a.ncz").write_bytes(b"before")
    for options in MODES:
        with pytest.raises(CorruptError, match="broken"):
            NczBuilder(Broken(bytes(0x900000)), [], NczOptions(level=1, **options)).write(tmp_path / "a.ncz")
    assert os.listdir(tmp_path) == ["a.ncz"]
    assert (tmp_path / "a.ncz").read_bytes() == b"before"


def test_whoever_breaks_off_waits_for_no_compression(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Zstandard cannot be interrupted, and at the higher levels works on 32 MiB at a time."""
    inside, go_on = threading.Event(), threading.Event()

    class Slow:
        def __init__(self, **_: Any) -> None: ...

        def compressobj(self, **_: Any) -> Slow:
            return self

        def compress(self, data: memoryview) -> bytes:
            if inside.is_set():
                go_on.wait()
            inside.set()
            return bytes(data[:1])

    def interrupted(*_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("oboromi_fs.builders.ncz.zstandard", lambda: SimpleNamespace(ZstdCompressor=Slow))
    try:
        with pytest.raises(KeyboardInterrupt):
            NczBuilder(MemoryStorage(bytes(0x900000)), [], NczOptions(exponent=None)).write(tmp_path / "a.ncz", progress=interrupted)
        assert os.listdir(tmp_path) == []
    finally:
        go_on.set()
        for thread in threading.enumerate():
            if thread.name == "compress":
                thread.join(10)
                assert not thread.is_alive()


def test_progress_comes_to_the_end(tmp_path: Path) -> None:
    nca = content(HEAD + 0x50000, 2)
    for options in MODES:
        told: list[tuple[int, int]] = []

        def tell(done: int, total: int, told: list[tuple[int, int]] = told) -> None:
            told.append((done, total))

        NczBuilder(MemoryStorage(nca), [], NczOptions(level=1, **options)).write(tmp_path / "a.ncz", progress=tell)
        assert told[-1] == (len(nca), len(nca))
        assert told == sorted(told)


def test_gaps_between_sections_are_kept() -> None:
    nca = forge_nca(program_sections(), keys=KEYS, content_type=0, program_id=1, first_section=0x8000)
    nca = nca[:0x5000] + b"between" + nca[0x5007:] + b"behind" * 50
    assert NczStorage(MemoryStorage(of_nca(nca)))[:].tobytes() == nca
    assert crypted(nca, ()) == nca
