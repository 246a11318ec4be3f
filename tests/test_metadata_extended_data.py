from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_formats.cnmt import MetaType, RecordType
from oboromi_formats.cnmt_extended import UpdateType
from oboromi_fs.errors import CorruptError, FormatError, UnsupportedError
from oboromi_fs.metadata.cnmt import Cnmt
from oboromi_fs.metadata.extended_data import (
    Delta,
    DeltaData,
    DeltaHistory,
    Fragment,
    FragmentSet,
    History,
    HistoryContent,
    PatchData,
    read_data,
)
from oboromi_fs.metadata.records import Content, MetaReference
from oboromi_fs.metadata.text import dumps_json, dumps_toml, loads_json, loads_toml
from oboromi_fs.metadata.variations import SystemUpdateData, Variation

PATCH_ID = 0x0100ABCDEF000800


def delta_header(fragment_sets: int) -> bytes:
    return struct.pack("<QQIIH6x", PATCH_ID, PATCH_ID, 0x10000, 0x20000, fragment_sets)


def fragment_set(fragments: int, *, kind: int = 1, update: int = 0) -> bytes:
    return b"\xaa" * 16 + b"\xbb" * 16 + struct.pack("<IHHIHBB4x", 0x11111111, 0x22, 0x33, 0x44444444, fragments, kind, update)


def patch_data(**counts: int) -> bytes:
    """An update's data with something of each kind; ``counts`` lies in the header."""
    real = {"history": 2, "delta_history": 1, "delta": 1, "fragment_set": 2, "history_content": 3, "delta_content": 1} | counts
    pieces = [struct.pack("<7I", *real.values(), 0)]
    pieces += [
        struct.pack("<QIBBH", PATCH_ID, version, 0x81, 0, 0) + bytes([version & 0xFF]) * 32 + struct.pack("<H6x", count)
        for version, count in ((0x10001, 2), (0x10002, 1))
    ]
    pieces.append(struct.pack("<QQIIQ8x", PATCH_ID, PATCH_ID, 1, 2, 0x123456789A))
    pieces.append(delta_header(2) + struct.pack("<H6x", 1))
    pieces += [fragment_set(2), fragment_set(1, kind=3, update=2)]
    pieces += [bytes([number]) * 16 + struct.pack("<IBBBB", 0x1000 + number, 0x99, 5, 1, number) for number in range(3)]
    pieces.append(b"\xcc" * 32 + b"\xcc" * 16 + struct.pack("<IBBBB", 0x777, 1, 0, 6, 0))
    pieces.append(struct.pack("<6H", 0, 0, 0, 1, 0, 2))
    return b"".join(pieces)


PATCH_DATA = PatchData(
    histories=(
        History(
            id=PATCH_ID,
            version=0x10001,
            type=MetaType.PATCH,
            digest=b"\1" * 32,
            contents=tuple(
                HistoryContent(type=RecordType.PROGRAM, content_id=bytes([n]) * 16, size=0x9900001000 + n, attributes=5, id_offset=n)
                for n in (0, 1)
            ),
        ),
        History(
            id=PATCH_ID,
            version=0x10002,
            type=MetaType.PATCH,
            digest=b"\2" * 32,
            contents=(HistoryContent(type=RecordType.PROGRAM, content_id=b"\2" * 16, size=0x9900001002, attributes=5, id_offset=2),),
        ),
    ),
    delta_histories=(
        DeltaHistory(source_id=PATCH_ID, source_version=1, destination_id=PATCH_ID, destination_version=2, download_size=0x123456789A),
    ),
    deltas=(
        Delta(
            source_id=PATCH_ID,
            source_version=0x10000,
            destination_id=PATCH_ID,
            destination_version=0x20000,
            fragment_sets=(
                FragmentSet(
                    source_content_id=b"\xaa" * 16,
                    source_size=0x2211111111,
                    destination_content_id=b"\xbb" * 16,
                    destination_size=0x3344444444,
                    target_type=RecordType.PROGRAM,
                    update_type=UpdateType.APPLY_AS_DELTA,
                    fragments=(Fragment(content_index=0, fragment_index=0), Fragment(content_index=0, fragment_index=1)),
                ),
                FragmentSet(
                    source_content_id=b"\xaa" * 16,
                    source_size=0x2211111111,
                    destination_content_id=b"\xbb" * 16,
                    destination_size=0x3344444444,
                    target_type=RecordType.CONTROL,
                    update_type=UpdateType.CREATE,
                    fragments=(Fragment(content_index=0, fragment_index=2),),
                ),
            ),
            contents=(Content(type=RecordType.DELTA_FRAGMENT, hash=b"\xcc" * 32, size=0x100000777),),
        ),
    ),
)


def cnmt_of(kind: MetaType, data: bytes) -> Cnmt:
    return Cnmt.from_dict({"title_id": PATCH_ID, "type": int(kind), "extended_data": data.hex()})


def comes_back(cnmt: Cnmt) -> None:
    """Check that a CNMT comes back from its bytes and from texts."""
    data = cnmt.to_bytes()
    assert Cnmt.read(data) == cnmt
    for again in (loads_toml(dumps_toml(cnmt), Cnmt), loads_json(dumps_json(cnmt), Cnmt)):
        assert again.to_bytes() == data


@pytest.mark.parametrize("kind", [MetaType.PATCH, MetaType.DATA_PATCH])
def test_every_field_of_an_update(kind: MetaType) -> None:
    cnmt = cnmt_of(kind, patch_data())
    assert cnmt.history() == PATCH_DATA
    assert PATCH_DATA.to_bytes() == patch_data()
    comes_back(cnmt)


def test_the_text_of_an_update() -> None:
    table: Any = cnmt_of(MetaType.PATCH, patch_data()).to_dict()
    data = table["extended_data"]
    assert [history["version"] for history in data["histories"]] == [0x10001, 0x10002]
    assert data["histories"][1]["contents"] == [
        {"type": "Program", "content_id": "02" * 16, "size": 0x9900001002, "attributes": 5, "id_offset": 2}
    ]
    assert data["deltas"][0]["fragment_sets"][1] == {
        "source_content_id": "aa" * 16,
        "source_size": 0x2211111111,
        "destination_content_id": "bb" * 16,
        "destination_size": 0x3344444444,
        "target_type": "Control",
        "update_type": "Create",
        "fragments": [{"content_index": 0, "fragment_index": 2}],
    }
    assert data["deltas"][0]["contents"] == [
        {"type": "DeltaFragment", "hash": "cc" * 32, "size": 0x100000777, "attributes": 0, "id_offset": 0}
    ]


def test_every_field_of_a_delta() -> None:
    data = delta_header(1) + fragment_set(1) + struct.pack("<HH", 3, 4)
    cnmt = cnmt_of(MetaType.DELTA, data)
    assert cnmt.history() == DeltaData(
        source_id=PATCH_ID,
        source_version=0x10000,
        destination_id=PATCH_ID,
        destination_version=0x20000,
        fragment_sets=(
            FragmentSet(
                source_content_id=b"\xaa" * 16,
                source_size=0x2211111111,
                destination_content_id=b"\xbb" * 16,
                destination_size=0x3344444444,
                target_type=RecordType.PROGRAM,
                fragments=(Fragment(content_index=3, fragment_index=4),),
            ),
        ),
    )
    comes_back(cnmt)


def test_every_field_of_a_system_update() -> None:
    own = struct.pack("<QIBBH", 0x0100000000000816, 0x450, 3, 0, 0)
    data = struct.pack("<II", 2, 2) + struct.pack("<II", 7, 9) + struct.pack("<B3xI24x", 1, 5) + struct.pack("<B3xI24x", 0, 1) + own
    cnmt = cnmt_of(MetaType.SYSTEM_UPDATE, data)
    assert cnmt.history() == SystemUpdateData(
        version=2,
        variations=(Variation(id=7, refer_to_base=True, meta_count=5), Variation(id=9, refer_to_base=False, meta_count=1)),
        metas=(MetaReference(id=0x0100000000000816, version=0x450, type=MetaType.SYSTEM_UPDATE),),
    )
    comes_back(cnmt)


def test_the_first_form_of_a_system_update() -> None:
    cnmt = cnmt_of(MetaType.SYSTEM_UPDATE, struct.pack("<II", 1, 2) + struct.pack("<I28xI28x", 7, 9))
    assert cnmt.history() == SystemUpdateData(version=1, variations=(Variation(id=7), Variation(id=9)))
    comes_back(cnmt)


def test_reserved_and_trailing_bytes_are_kept() -> None:
    data = bytearray(patch_data() + b"tail")
    data[0x18] = 5
    data[0x1C + 0x32] = 7
    cnmt = cnmt_of(MetaType.PATCH, bytes(data))
    found = cnmt.history()
    assert isinstance(found, PatchData)
    assert (found.trailing, found.unknown, found.histories[0].unknown) == (b"tail", ((0x18, b"\5"),), ((0x32, b"\7"),))
    comes_back(cnmt)


@pytest.mark.parametrize(
    ("kind", "data", "problem"),
    [
        (MetaType.PATCH, patch_data(history_content=2), "history_content_count is 2, the records it counts for say 3"),
        (MetaType.PATCH, patch_data(fragment_set=1), "fragment_set_count is 1, the records it counts for say 2"),
        (MetaType.PATCH, patch_data(delta_content=0), "delta_content_count is 0, the records it counts for say 1"),
        (MetaType.PATCH, patch_data(history=0xFFFFFFFF), "are left"),
        (MetaType.PATCH, patch_data()[:-1], "3 of CNMT fragment indicator need 0xc bytes, 0xb are left"),
        (MetaType.PATCH, b"\0" * 0x1B, "extended data at 0x0: needs 0x1c bytes"),
        (MetaType.DELTA, delta_header(1), "1 of CNMT fragment set need 0x34 bytes, 0x0 are left"),
        (MetaType.SYSTEM_UPDATE, struct.pack("<II", 3, 0), "version 3: 1 and 2 are known"),
        (MetaType.SYSTEM_UPDATE, struct.pack("<II", 1, 0xFFFFFFFF), "are left"),
        (MetaType.SYSTEM_UPDATE, struct.pack("<III", 2, 1, 1) + struct.pack("<B3xI24x", 0, 0xFFFFFFFF), "are left"),
    ],
)
def test_lying_counts_are_told_and_the_rest_is_read(kind: MetaType, data: bytes, problem: str) -> None:
    cnmt = cnmt_of(kind, data)
    with pytest.raises(CorruptError, match=problem):
        cnmt.history()
    assert cnmt.to_dict()["extended_data"] == data.hex()
    comes_back(cnmt)


def test_more_than_any_title_has() -> None:
    with pytest.raises(UnsupportedError, match="at most 0x100000 are read"):
        read_data(MetaType.PATCH, bytes((1 << 20) + 1))


def test_types_without_such_data() -> None:
    assert cnmt_of(MetaType.APPLICATION, b"\1").history() is None
    assert cnmt_of(MetaType.PATCH, b"").history() is None


@pytest.mark.parametrize(
    ("kind", "table", "problem"),
    [
        ("Application", {}, "no extended data that can be described"),
        ("Patch", {"deltas": [{"source_id": 1}]}, "source_version"),
        ("Patch", {"history": []}, "did you mean histories"),
        ("SystemUpdate", {"variations": [{"id": 1, "refer_to_base": False, "meta_count": 2}]}, "0 of them, the variations say 2"),
    ],
)
def test_errors_name_the_key(kind: str, table: dict[str, Any], problem: str) -> None:
    with pytest.raises(FormatError, match=r"extended_data.*" + problem):
        Cnmt.from_dict({"title_id": 1, "type": kind, "extended_data": table})


@given(kind=st.sampled_from([MetaType.PATCH, MetaType.DELTA, MetaType.SYSTEM_UPDATE]), data=st.data())
def test_any_bytes_come_back(kind: MetaType, data: st.DataObject) -> None:
    if data.draw(st.booleans()):
        blob = data.draw(st.binary(max_size=200))
    else:
        changed = bytearray(patch_data() if kind == MetaType.PATCH else delta_header(1) + fragment_set(2) + bytes(8))
        for at in data.draw(st.lists(st.integers(0, len(changed) - 1), max_size=6)):
            changed[at] = data.draw(st.integers(0, 255))
        blob = bytes(changed)
    cnmt = cnmt_of(kind, blob)
    try:
        found = cnmt.history()
    except FormatError:
        found = None
    assert found is None or found.to_bytes() == blob
    comes_back(cnmt)
