"""Laws of metadata: what can be read comes back, from values and from texts; what cannot is refused; no table of plain values does harm."""

from __future__ import annotations

import json
import random
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs.errors import CorruptError, FormatError, NotThisFormatError, UnsupportedError
from oboromi_fs.metadata import Cnmt, Metadata, Nacp, Npdm, TicketFile, dumps_json, dumps_toml, loads_json, loads_toml
from oboromi_fs.opening import open_fs

TESTDATA = Path(__file__).parent.parent.parent / "testdata"


@cache
def samples() -> dict[str, tuple[type[Any], bytes]]:
    """Name -> class and bytes of every file to begin with."""
    found: dict[str, tuple[type[Any], bytes]] = {"nacp": (Nacp, (TESTDATA / "exe" / "control.nacp").read_bytes())}
    compressed = bytearray(found["nacp"][1])
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    stream = deflater.compress(bytes(compressed[:0x3000]).ljust(0x6000, b"\0")) + deflater.flush()
    compressed[:0x3000] = (len(stream).to_bytes(2, "little") + stream).ljust(0x3000, b"\0")
    compressed[0x3215] = 1
    found["nacp-compressed"] = (Nacp, bytes(compressed))
    for name in ("main_owners", "main_0100abcdef000000"):
        found[name] = (Npdm, (TESTDATA / "exe" / f"{name}.npdm").read_bytes())
    for archive in ("tk_g2", "addon_std"):
        with open_fs(TESTDATA / "nsp" / f"{archive}.nsp", TESTDATA / "keys" / "prod.keys") as fs:
            (entry,) = fs.read_dir("@meta/data")
            found[f"cnmt-{archive}"] = (Cnmt, fs.read_bytes(f"@meta/data/{entry.name}"))
            for member in fs.read_dir():
                if member.name.endswith(".tik"):
                    found["ticket"] = (TicketFile, fs.read_bytes(member.name))
    head = found["cnmt-addon_std"][1]
    for kind, size in ((0x03, 4), (0x81, 0x18), (0x82, 0x18), (0x83, 0x10), (0x84, 0x20)):
        body = bytes(size) + bytes(range(0x38)) + bytes(range(0x10))
        found[f"cnmt-{kind:02x}"] = (Cnmt, head[:0x0C] + bytes([kind, 0, size, 0, 1, 0, 1, 0]) + head[0x14:0x20] + body + bytes(0x24))
    return found


NAMES = (
    *("nacp", "nacp-compressed", "main_owners", "main_0100abcdef000000", "cnmt-tk_g2", "cnmt-addon_std", "ticket"),
    *("cnmt-03", "cnmt-81", "cnmt-82", "cnmt-83", "cnmt-84"),
)


def check(cls: type[Any], data: bytes) -> bool:
    """Whether ``data`` can be read; check that it comes back if it can, and that the right error says so if not."""
    try:
        value: Metadata = cls.read(data)
    except (CorruptError, NotThisFormatError, UnsupportedError):
        return False
    assert value.to_bytes() == data
    for again in (loads_toml(dumps_toml(value), cls), loads_json(dumps_json(value), cls)):
        assert again == value
        assert again.to_bytes() == data
    return True


@pytest.mark.parametrize("name", NAMES)
def test_samples_come_back(name: str) -> None:
    assert check(*samples()[name])


def test_all_samples_are_tried() -> None:
    assert set(NAMES) == set(samples())


def mutated(data: bytes, noise: random.Random, changes: int) -> bytes:
    """Change bytes: anywhere, or where there is something."""
    result = bytearray(data)
    set_at = [index for index, byte in enumerate(data) if byte] or [0]
    for _ in range(changes):
        index = noise.choice(set_at) if noise.random() < 0.5 else noise.randrange(len(result))
        result[index] = noise.choice((0, 1, 2, 4, 8, 16, 32, 64, 128, 255, noise.randrange(256)))
    if noise.random() < 0.15:
        del result[noise.randrange(len(result) + 1) :]
    if noise.random() < 0.15:
        result += noise.randbytes(noise.randrange(64))
    return bytes(result)


@pytest.mark.fuzz
@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 1 << 64), changes=st.integers(0, 24))
def test_mutated_samples_come_back_or_are_refused(name: str, seed: int, changes: int) -> None:
    cls, data = samples()[name]
    check(cls, mutated(data, random.Random(seed), changes))


@pytest.mark.fuzz
@pytest.mark.parametrize("cls", [Nacp, Npdm, Cnmt, TicketFile])
@given(data=st.binary(max_size=0x400))
def test_any_bytes_come_back_or_are_refused(cls: type[Any], data: bytes) -> None:
    check(cls, data)
    check(cls, b"META" + data)
    check(cls, b"\x04\0\1\0" + data.ljust(0x2C0, b"\1"))


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["0x10", "hex:ff", "v1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def slots(table: Any) -> list[tuple[Any, Any]]:
    """Every place of a plain value, however deep: what holds it and its key or index."""
    found: list[tuple[Any, Any]] = []
    pending = [table]
    while pending:
        holder = pending.pop()
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            found.append((holder, key))
            if isinstance(holder[key], dict | list):
                pending.append(holder[key])
    return found


@pytest.mark.fuzz
@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_plain_values_that_are_wrong_are_refused(name: str, data: st.DataObject) -> None:
    cls, raw = samples()[name]
    table = json.loads(json.dumps(cls.read(raw).to_dict()))
    for _ in range(data.draw(st.integers(1, 3))):
        places = slots(table)
        holder, key = places[data.draw(st.integers(0, len(places) - 1))]
        if isinstance(holder, dict) and data.draw(st.booleans()):
            del holder[key]
            if not table:
                break
        else:
            holder[key] = data.draw(plain)
    try:
        value = cls.from_dict(table)
        written = value.to_bytes()
    except FormatError:
        return
    assert check(cls, written)
    assert loads_json(dumps_json(value), cls).to_bytes() == written
    assert loads_toml(dumps_toml(value), cls).to_bytes() == written
