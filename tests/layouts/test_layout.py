"""What holds for every layout of every format."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from construct import Bytes, Int8ul, Int16ul, Struct
from hypothesis import given
from hypothesis import strategies as st

import oboromi_formats
from oboromi_formats.layout import Layout, Table, array, record
from oboromi_fs._decode import decode_bytes, dtype, encode

if TYPE_CHECKING:
    from types import ModuleType

MODULES = [
    importlib.import_module(f"oboromi_formats.{each.name}")
    for each in pkgutil.iter_modules(oboromi_formats.__path__)
    if each.name != "layout"
]
DECLARED = [each for module in MODULES for each in module.LAYOUTS]
LAYOUTS: list[Layout[Any]] = [each for each in DECLARED if isinstance(each, Layout)]
TABLES: list[Table] = [each for each in DECLARED if isinstance(each, Table)]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_a_module_lists_everything_it_declares(module: ModuleType) -> None:
    declared = [value for value in vars(module).values() if isinstance(value, Layout | Table)]
    assert list(map(id, module.LAYOUTS)) == list(map(id, declared))
    assert module.__doc__ is not None
    assert "pecification" in module.__doc__


def test_names_are_unique_and_every_layout_is_documented() -> None:
    assert len({each.name for each in DECLARED}) == len(DECLARED)
    assert all(each.doc.endswith(").") for each in DECLARED)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_values_are_frozen_slotted_dataclasses(layout: Layout[Any]) -> None:
    assert dataclasses.is_dataclass(layout.value)
    assert "__slots__" in vars(layout.value)
    value = decode_bytes(layout, bytes(layout.size))
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, dataclasses.fields(value)[0].name, None)
    assert isinstance(hash(value), int)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
@given(data=st.data())
def test_no_byte_is_lost(layout: Layout[Any], data: st.DataObject) -> None:
    if layout.size <= 0x1000:
        raw = data.draw(st.binary(min_size=layout.size, max_size=layout.size))
    else:  # More than hypothesis draws byte by byte.
        raw = random.Random(data.draw(st.integers(0, 1 << 32))).randbytes(layout.size)
    assert encode(layout, decode_bytes(layout, raw)) == raw


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_row_format_and_dtype_agree(table: Table) -> None:
    assert table.row_size == dtype(table).itemsize
    assert dtype(table).names == tuple(name for name, _ in table.fields)


@dataclass(frozen=True, slots=True)
class Inner:
    x: int
    y: int = 7


@dataclass(frozen=True, slots=True)
class Outer:
    tag: bytes
    points: tuple[Inner, ...]
    extra: int = 9


OUTER = Layout("outer", Struct("tag" / Bytes(1), "points" / array(2, record(Inner, "x" / Int8ul, "y" / Int16ul))), Outer)


def test_nested_records_become_dataclasses_and_tuples() -> None:
    value = OUTER.parse(b"t\x01\x02\x00\x03\x04\x00")
    assert value == Outer(b"t", (Inner(1, 2), Inner(3, 4)), 9)
    assert OUTER.build(value) == b"t\x01\x02\x00\x03\x04\x00"
    assert OUTER.size == 7


def test_a_struct_and_a_dataclass_that_disagree_are_refused() -> None:
    with pytest.raises(TypeError, match=r"Inner and its Struct disagree: not in the dataclass \['z'\], not in the Struct \['x'\]"):
        Layout("wrong", Struct("z" / Int8ul), Inner)
    with pytest.raises(TypeError, match=r"not in the dataclass \[\], not in the Struct \['x'\]"):
        Layout("wrong", Struct("y" / Int8ul), Inner)
    with pytest.raises(TypeError, match=r"not in the dataclass \['z'\], not in the Struct \[\]"):
        record(Inner, "x" / Int8ul, "z" / Int8ul)


@pytest.mark.parametrize(
    ("kind", "code"),
    [("u1", "B"), ("i1", "b"), ("<u2", "H"), ("<i2", "h"), ("<u4", "I"), ("<i4", "i"), ("<u8", "Q"), ("<i8", "q"), ("V5", "5s")],
)
def test_field_types(kind: str, code: str) -> None:
    table = Table("one", (("field", kind),))
    assert table.row_format == f"<{code}"
    assert table.row_size == dtype(table).itemsize


@pytest.mark.parametrize("kind", [">u4", "S32", "u4", "V", "V-1", ""])
def test_other_field_types_are_refused(kind: str) -> None:
    with pytest.raises(TypeError, match="no field type"):
        Table("wrong", (("field", kind),))


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_what_is_read_at_once_is_what_construct_reads_field_by_field(layout: Layout[Any]) -> None:
    data = random.Random(layout.name).randbytes(layout.size)
    for each in (data, bytes(layout.size), b"\xff" * layout.size, memoryview(data + b"more")):
        try:
            slowly = layout.parse_slowly(each)
        except Exception as wrong:  # noqa: BLE001  # Whatever it is, it must be the same.
            with pytest.raises(type(wrong)):
                layout.parse(each)
        else:
            assert layout.parse(each) == slowly
            assert list(map(type, _leaves(layout.parse(each)))) == list(map(type, _leaves(slowly)))
    assert any(each._unpack is not None for each in LAYOUTS)


def _leaves(value: Any) -> list[Any]:
    if dataclasses.is_dataclass(value):
        return [leaf for each in dataclasses.fields(value) for leaf in _leaves(getattr(value, each.name))]
    return [leaf for each in value for leaf in _leaves(each)] if isinstance(value, tuple) else [value]
