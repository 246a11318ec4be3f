from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs.backends.memory import MemoryFs
from oboromi_fs.errors import OboromiFsError
from oboromi_fs.jobs.describe import describe, firmware_text, nodes
from oboromi_fs.opening import Location, NestedFs, Opener, locate
from tests.command import DATA, KEYS, NSP


def description(path: Path | str, *keys: Path | str) -> dict[str, Any]:
    place = locate(path, opener=Opener(keys or [KEYS[1]]))
    try:
        return describe(place)
    finally:
        place.fs.close()


@pytest.mark.parametrize(
    "path", sorted(path for path in DATA.glob("*/*") if path.suffix in (".nsp", ".xci", ".nca", ".romfs", ".pfs0", ".hfs0"))
)
def test_every_sample_is_described_as_json(path: Path) -> None:
    keys = DATA / "bktr" / "keys" / "prod.keys" if path.parent.name == "bktr" else KEYS[1]
    found = description(path, keys)
    assert json.loads(json.dumps(found)) == found
    for node in nodes(found):
        assert {"path", "kind", "size"} <= set(node)
        assert "problems" not in node, node
    assert found["size"] == path.stat().st_size


def test_title_ids_come_with_their_archives() -> None:
    found = description(DATA / "xci" / "multi.xci")
    assert [(title["type"], title["title_id"], title.get("name")) for title in found["titles"]] == [
        ("Application", "0100abcdef000000", "Fake Game ゲーム"),
        ("AddOnContent", "0100abcdef001001", None),
        ("AddOnContent", "0100abcdef001001", None),
    ]


@given(st.integers(0, 0x1FFF), st.integers(0, 255))
def test_damage_anywhere_in_the_headers_raises_only_our_errors(at: int, value: int) -> None:
    image = bytearray(Path(NSP).read_bytes())
    image[at] = value
    folder = MemoryFs({"a.nsp": bytes(image)})
    try:
        found = describe(Location(NestedFs(folder, Opener([KEYS[1]])), "a.nsp", "a.nsp", "a.nsp"))
    except OboromiFsError:
        return
    json.dumps(found)


def test_archives_that_hold_each_other_end(tmp_path: Path) -> None:
    image = b"END."
    for _ in range(3):
        rows = b"".join(struct.pack("<qqII", 0, len(image), number * 7, 0) for number in range(40))
        names = b"".join(b"%02d.nsp\0" % number for number in range(40))
        image = struct.pack("<4sIII", b"PFS0", 40, len(names), 0) + rows + names + image
    path = tmp_path / "bomb.nsp"
    path.write_bytes(image)
    assert sum(1 for _ in nodes(description(path))) < 40 * 4


def test_firmware_text() -> None:
    assert [firmware_text(version) for version in (0, 0x04230004, 0x04000000, 0x50000000)] == ["0.0.0", "1.2.3-4", "1.0.0", "20.0.0"]
