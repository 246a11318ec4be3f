"""VCDIFF: what is written is what RFC 3284 says, by a reader of its own; and what is read is checked."""

from __future__ import annotations

import shutil
import subprocess
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs import CorruptError, FormatError, MemoryStorage, NotThisFormatError, OboromiFsError, UnsupportedError
from oboromi_fs.delta import vcdiff
from oboromi_fs.delta.codes import Addresses, code_table, integer
from oboromi_fs.delta.matching import match
from oboromi_fs.delta.vcdiffstorage import VcdiffStorage
from tests.delta.test_matching import noise, versions

if TYPE_CHECKING:
    from pathlib import Path

HEADER = bytes.fromhex("d6c3c40000")


def delta_of(source: bytes, target: bytes, breaks: tuple[int, ...] = ()) -> bytes:
    return b"".join(vcdiff.encode(MemoryStorage(target), match(MemoryStorage(source), MemoryStorage(target), runs=True), breaks))


class Naive:
    """A reader, byte by byte as RFC 3284 tells it; it shares no code with the one that is tested."""

    def __init__(self, delta: bytes) -> None:
        self.delta = delta
        self.at = 5

    def byte(self) -> int:
        self.at += 1
        return self.delta[self.at - 1]

    def number(self) -> int:
        value = 0
        while True:
            byte = self.byte()
            value = value * 128 + byte % 128
            if byte < 128:
                return value

    def applied(self, source: bytes) -> bytes:
        assert self.delta[:5] == HEADER
        out = b""
        while self.at < len(self.delta):
            segment = b""
            if self.byte() == 1:
                size, position = self.number(), self.number()
                segment = source[position : position + size]
                assert len(segment) == size
            end = self.number() + self.at
            out += self.window(bytearray(segment))
            assert self.at == end
        return out

    def window(self, made: bytearray) -> bytes:
        start, size = len(made), self.number()
        assert self.byte() == 0
        sizes = [self.number(), self.number(), self.number()]
        text = list(self.delta[self.at : self.at + sizes[0]])
        self.at += sizes[0]
        codes = self.at
        where = codes + sizes[1]
        end = where + sizes[2]
        near, same, slot = [0] * 4, [0] * 768, 0
        while self.at < codes + sizes[1]:
            code = self.byte()
            assert code < 163  # Pairs are never written.
            mode, short = divmod(code - 19, 16)
            size_in_code = code - 1 if code < 19 else short + 3 if short else 0
            length = size_in_code if code and size_in_code else self.number()
            if code == 0:
                made += bytes([text.pop(0)]) * length
            elif code < 19:
                made += bytes(text[:length])
                del text[:length]
            else:
                kept, self.at = self.at, where
                if mode >= 6:
                    address = same[(mode - 6) * 256 + self.byte()]
                else:
                    base = [0, len(made), *near][mode]
                    value = self.number()
                    address = base - value if mode == 1 else base + value
                where, self.at = self.at, kept
                near[slot], slot = address, (slot + 1) % 4
                same[address % 768] = address
                for index in range(length):
                    made.append(made[address + index])
        assert not text
        assert where == end
        assert len(made) - start == size
        self.at = end
        return bytes(made[start:])


def applied(source: bytes, delta: bytes) -> bytes:
    return Naive(delta).applied(source)


@given(versions(), st.lists(st.integers(0, 700), max_size=3), st.sampled_from([7, 100, 1 << 20]))
def test_what_is_written_is_what_the_rfc_says_and_reads_back(pair: tuple[bytes, bytes], breaks: list[int], window: int) -> None:
    source, target = pair
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vcdiff, "WINDOW", window)
        delta = delta_of(source, target, tuple(breaks))
    assert applied(source, delta) == target
    read = VcdiffStorage(MemoryStorage(source), MemoryStorage(delta), len(target))
    assert read.size == len(target)
    for start in range(0, len(target), 83):
        assert read[start : start + 100] == target[start : start + 100]
    assert read.tobytes() == target


def test_a_delta_byte_by_byte() -> None:
    source = bytes(range(64))
    delta = delta_of(source, b"new " + source)
    # 64 bytes of the source from 0; 13 follow: 68 made, plain, sections of 4, 3 and 1 bytes; ADD 4; COPY 64 in mode 6, as all caches begin
    # with 0.
    assert delta == HEADER + bytes([1, 64, 0, 13, 68, 0, 4, 3, 1]) + b"new " + bytes([5, 19 + 16 * 6, 64, 0])


def test_numbers_and_codes() -> None:
    assert integer(0) == b"\0"
    assert integer(127) == b"\x7f"
    assert integer(123456789) == bytes([0x80 + 58, 0x80 + 111, 0x80 + 26, 21])  # The example of RFC 3284, section 2.
    table = code_table()
    assert len(table) == 256
    shown = {0: ((2, 0, 0), (0, 0, 0)), 18: ((1, 17, 0), (0, 0, 0)), 19: ((3, 0, 0), (0, 0, 0)), 162: ((3, 18, 8), (0, 0, 0))}
    shown |= {163: ((1, 1, 0), (3, 4, 0)), 234: ((1, 4, 0), (3, 6, 5)), 235: ((1, 1, 0), (3, 4, 6)), 246: ((1, 4, 0), (3, 4, 8))}
    shown |= {247: ((3, 4, 0), (1, 1, 0)), 255: ((3, 4, 8), (1, 1, 0))}
    assert {code: table[code] for code in shown} == shown


def test_the_caches_of_addresses() -> None:
    addresses = Addresses()
    assert addresses.encode(1000, 5000) == (0, b"\x87\x68")
    assert addresses.encode(1000, 5000) == (6, bytes([232]))
    assert addresses.encode(1001, 5000) == (2, b"\x01")
    assert addresses.encode(4999, 5000) == (1, b"\x01")


def window(*sections: bytes, size: int, source: bytes = b"", head: bytes = b"") -> bytes:
    lengths = b"".join(integer(len(section)) for section in sections)
    body = integer(size) + b"\0" + lengths + b"".join(sections)
    return HEADER + (head or (b"\1" + integer(len(source)) + b"\0" if source else b"\0")) + integer(len(body)) + body


def test_copies_over_themselves_and_pairs_of_instructions() -> None:
    # ADD 1 and COPY 4 (mode 1: 1 before here), then COPY 4 (mode 0) and ADD 1.
    delta = window(b"xy", bytes([163 + 12, 247]), b"\x01\x00", size=10)
    assert VcdiffStorage(MemoryStorage(b""), MemoryStorage(delta)).tobytes() == b"xxxxxxxxxy"


def test_a_copy_from_the_source_into_the_target() -> None:
    delta = window(b"", bytes([19 + 5]), b"\x02", size=8, source=b"abcd")  # COPY 8 from 2: cd, then what was just made.
    assert VcdiffStorage(MemoryStorage(b"abcd"), MemoryStorage(delta)).tobytes() == b"cdcdcdcd"


def test_headers_and_checksums_of_other_tools() -> None:
    text = b"abc"
    plain = bytes([3]) + b"\0" + bytes([3, 1, 0])
    body = plain + zlib.adler32(text).to_bytes(4, "big") + text + bytes([4])
    delta = bytes.fromhex("d6c3c40004 02") + b"hi" + b"\4" + integer(len(body)) + body
    assert VcdiffStorage(MemoryStorage(b""), MemoryStorage(delta)).tobytes() == text
    wrong = delta.replace(b"abc", b"abd")
    with pytest.raises(CorruptError, match="field checksum: what comes out has"):
        VcdiffStorage(MemoryStorage(b""), MemoryStorage(wrong)).tobytes()


@pytest.mark.parametrize(
    ("delta", "error", "message"),
    [
        (b"", NotThisFormatError, "does not begin with D6 C3 C4"),
        (b"PK\3\4....", NotThisFormatError, "does not begin"),
        (HEADER[:4], CorruptError, "ends in its header"),
        (b"\xd6\xc3\xc4S\0", UnsupportedError, "field version: is version 0x53"),
        (b"\xd6\xc3\xc4\0\1\0", UnsupportedError, "secondary compression"),
        (b"\xd6\xc3\xc4\0\2\0", UnsupportedError, "a code table of its own"),
        (b"\xd6\xc3\xc4\0\x08", CorruptError, "unknown bits"),
        (b"\xd6\xc3\xc4\0\4\x50", CorruptError, "80 bytes, and the delta ends after 0"),
        (window(size=0, head=b"\2\0\0"), UnsupportedError, "made from earlier ones"),
        (window(size=0, head=b"\x08"), CorruptError, "Win_Indicator: has unknown bits: 0x8"),
        (window(size=0, head=b"\1\x08\0"), CorruptError, "0x8 bytes at 0x0 of the source are needed, which has 0x4"),
        (window(size=0, head=b"\1" + b"\xff" * 12), CorruptError, "more than 63 bits"),
        (HEADER + b"\0\x7f", CorruptError, "0x7f bytes, and 0x0 are left"),
        (HEADER + b"\0\x81", CorruptError, "ends in the middle"),
        (window(b"", b"", b"", size=1 << 30), UnsupportedError, "a window of 0x40000000 bytes"),
        (window(b"", b"", size=1), CorruptError, "ends in the middle"),
        (HEADER + bytes([0, 6, 1, 0, 1, 1, 1, 65]), CorruptError, "sections of 0x3 bytes in 0x1"),
        (window(b"a", b"\2", b"", size=2), CorruptError, "target window size: 0x1 bytes are left"),
        (window(b"ab", b"\2", b"", size=1), CorruptError, "length of data: 0x1 bytes are left"),
        (window(b"a", b"\2", b"x", size=1), CorruptError, "length of addresses: 0x1 bytes are left"),
        (window(b"a", b"\3", b"", size=2), CorruptError, "0x2 bytes are needed, 0x1 are left"),
        (window(b"ab", b"\3", b"", size=1), CorruptError, "0x2 bytes are made, and the window has room for 0x1"),
        (window(b"", b"\x14", b"\0", size=4), CorruptError, "field address: 0x0 is not before 0x0"),
        (window(b"", b"\x14", b"", size=4), CorruptError, "field address: ends in the middle"),
    ],
)
def test_what_is_wrong_is_told(delta: bytes, error: type[FormatError], message: str) -> None:
    with pytest.raises(error, match=message):
        VcdiffStorage(MemoryStorage(b"abcd"), MemoryStorage(delta)).tobytes()


def test_the_size_is_held_to() -> None:
    delta = window(b"ab", b"\3", b"", size=2)
    with pytest.raises(CorruptError, match="the windows make more than 1 bytes"):
        VcdiffStorage(MemoryStorage(b""), MemoryStorage(delta), 1)
    with pytest.raises(CorruptError, match="the windows make 2 bytes, and not 3"):
        VcdiffStorage(MemoryStorage(b""), MemoryStorage(delta), 3)


@pytest.mark.fuzz
@given(versions(), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=4), st.integers(0, 400))
def test_damaged_deltas_fail_as_they_should(pair: tuple[bytes, bytes], edits: list[tuple[int, int]], cut: int) -> None:
    source, target = pair
    delta = bytearray(delta_of(source, target))
    for at, value in edits:
        delta[at % len(delta)] = value
    for text in (bytes(delta), bytes(delta[: cut % len(delta)])):
        try:
            read = VcdiffStorage(MemoryStorage(source), MemoryStorage(text), len(target))
            assert len(read.tobytes()) == len(target)
            read.place(len(target) // 2)
        except OboromiFsError as error:
            assert str(error)  # noqa: PT017  # That there may be none is the other half.


@pytest.mark.skipif(not shutil.which("xdelta3"), reason="xdelta3 is not installed")
def test_xdelta3_reads_what_is_written_and_the_other_way_round(tmp_path: Path) -> None:
    old = noise(1, 300_000) + bytes(5000)
    new = old[100_000:] + b"new" + bytes(777) + old[:100_000] + old[:50] * 20
    for name, data in (("old", old), ("new", new), ("delta", delta_of(old, new))):
        (tmp_path / name).write_bytes(data)
    subprocess.run(["xdelta3", "-d", "-s", "old", "delta", "made"], check=True, cwd=tmp_path)
    assert (tmp_path / "made").read_bytes() == new
    subprocess.run(["xdelta3", "-e", "-S", "none", "-s", "old", "new", "theirs"], check=True, cwd=tmp_path)
    assert VcdiffStorage(MemoryStorage(old), MemoryStorage((tmp_path / "theirs").read_bytes())).tobytes() == new
