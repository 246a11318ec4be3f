from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs import KeySet, locate
from oboromi_fs._forge import FsType, Section, made_up_bytes, made_up_keys, nacp, nca, nca_name, npdm, pfs0, rights_id, romfs, ticket
from oboromi_fs.base import MemoryStorage
from oboromi_fs.jobs.checks import Check, State
from oboromi_fs.jobs.filechecks import file_steps
from oboromi_fs.jobs.verify import verify
from oboromi_fs.metadata import Cnmt

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM_ID = 0x0100ABCDEF000000
KEYS = made_up_keys("file checks")
TITLE_KEY = made_up_bytes("title key")
JPEG = b"\xff\xd8\xff\xc0\0\x11\x08\1\0\1\0\3" + bytes(9) + b"\xff\xd9"
EXE = ("test.nso", "test.kip", "test.nro", "test_assets.nro", "main_owners.npdm", "control.nacp")

Row = tuple[str, str, str]


def of_file(data: bytes, name: str = "file") -> list[Row]:
    """What verify says of a file: check, status, detail."""
    steps = file_steps("x", name, MemoryStorage(data), State(None))
    found = [check for step in steps for check in step.finish([task() for task in step.tasks])]
    return [(check.check, check.status, check.detail) for check in found]


def verified(path: Path) -> list[Check]:
    place = locate(str(path), KeySet.of(KEYS))
    try:
        return list(verify(place, workers=2))
    finally:
        place.fs.close()


def rows(path: Path, *wanted: str) -> list[Row]:
    """Rows of some checks at a path: where, status, detail."""
    return [(check.path.rpartition("/")[2], check.status, check.detail) for check in verified(path) if check.check in wanted]


def put(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


# Executables


@pytest.fixture
def exe(testdata: Path) -> dict[str, bytes]:
    return {name: (testdata / "exe" / name).read_bytes() for name in EXE}


def test_an_nso(exe: dict[str, bytes]) -> None:
    good = exe["test.nso"]
    assert of_file(good) == [("NSO layout", "ok", ""), *(("NSO segment hash", "ok", name) for name in ("text", "ro", "data"))]
    assert of_file(put(good, 0xA0, b"\0"))[1] == ("NSO segment hash", "failed", "text does not have the hash of the header")
    unhashed = of_file(put(good, 0x0C, b"\x07"))
    assert unhashed[1:] == [("NSO segment hash", "note", f"{name} has no hash; it can be read") for name in ("text", "ro", "data")]


def test_an_nso_that_is_damaged_is_checked_as_far_as_it_goes(exe: dict[str, bytes]) -> None:
    good = exe["test.nso"]
    found = of_file(put(good, 0x1D0, b"\xff\xff\xff"))  # In ro, compressed.
    assert [status for _, status, _ in found] == ["ok", "ok", "failed", "ok"]
    found = of_file(put(good, 0x24, bytes(4)))  # Where ro lies in memory.
    assert found[0] == ("NSO layout", "failed", "ro at 0x0 in memory overlaps what ends at 0x1000")
    assert [status for _, status, _ in found[1:]] == ["ok", "ok", "ok"]
    assert of_file(good[:0x80])[0][:2] == ("NSO layout", "failed")
    assert of_file(good[:0x200])[0][:2] == ("NSO layout", "failed")
    assert of_file(put(good, 0x18, b"\xff\xff\xff\xff"))[1][1] == "failed"  # Text of 4 GiB.


def test_a_kip(exe: dict[str, bytes]) -> None:
    good = exe["test.kip"]
    detail = "fakekip: they decompress to what the header says"
    assert of_file(good) == [("KIP layout", "ok", ""), ("KIP segments", "ok", detail)]
    damaged = of_file(put(good, 0x3A0, b"\xff" * 12))  # The end of text, where its footer is.
    assert damaged[0][1] == "ok"
    assert ("KIP segments", "failed") in [row[:2] for row in damaged]
    overlapping = of_file(put(good, 0x30, bytes(4)))
    assert overlapping[0] == ("KIP layout", "failed", "ro at 0x0 in memory overlaps what ends at 0x1000")


def test_a_bundle(exe: dict[str, bytes]) -> None:
    kip = exe["test.kip"]
    bundle = b"INI1" + struct.pack("<III", 0x10 + 2 * len(kip), 2, 0) + 2 * kip
    assert [row[:2] for row in of_file(bundle)] == [
        ("INI1 programs", "ok"),
        ("KIP layout", "ok"),
        ("KIP segments", "ok"),
        ("KIP layout", "ok"),
        ("KIP segments", "ok"),
    ]
    ((check, status, detail),) = of_file(put(bundle, 8, b"\3"))
    assert (check, status) == ("INI1 programs", "failed")
    assert "program 2 of 3" in detail
    assert of_file(put(bundle, 4, b"\xff\xff"))[0][:2] == ("INI1 programs", "failed")


def test_an_nro(tmp_path: Path, exe: dict[str, bytes]) -> None:
    good = exe["test_assets.nro"]
    path = tmp_path / "a.nro"
    path.write_bytes(good)
    assert rows(path, "NRO layout", "NACP", "RomFS tables", "icon") == [
        ("a.nro", "ok", ""),
        ("icon.jpg", "note", "not a JPEG that can be read: it has no frame header"),
        ("control.nacp", "ok", "Fake Game ゲーム 1.2.3"),
        ("romfs", "ok", "3 files, 2 directories"),
    ]
    path.write_bytes(good[:-1])
    found = rows(path, "NRO layout", "NRO assets")
    assert ("a.nro", "failed", "asset romfs ends at 0x17f19, the file at 0x17f18") in found
    path.write_bytes(put(good, 0x28, bytes(4)))
    assert rows(path, "NRO layout")[0][2] == "ro at 0x0 in memory overlaps what ends at 0x1000"


# Metadata by themselves


@pytest.mark.parametrize(
    ("name", "check", "detail"),
    [("main_owners.npdm", "NPDM", "program 0100abcdef000000"), ("control.nacp", "NACP", "Fake Game ゲーム 1.2.3")],
)
def test_metadata(exe: dict[str, bytes], name: str, check: str, detail: str) -> None:
    assert of_file(exe[name], name) == [(check, "ok", detail)]


def test_metadata_that_cannot_be_read(exe: dict[str, bytes]) -> None:
    assert of_file(exe["main_owners.npdm"][:-1], "main.npdm")[0][:2] == ("NPDM", "failed")
    assert of_file(b"none", "main.npdm")[0][:2] == ("NPDM", "failed")
    assert of_file(b"", "control.nacp") == [("NACP", "failed", "NACP of memory at 0x0: the file is empty")]
    assert of_file(bytes(0x10), "a.cnmt")[0][:2] == ("CNMT", "failed")
    assert of_file(b"\x07\0\1\0" + bytes(0x300), "a.tik")[0][:2] == ("ticket", "skipped")
    assert of_file(b"\0\1\0\4", "a.cert")[0][:2] == ("certificates", "failed")
    assert of_file(b"anything", "a.txt") == []


def test_control_data_of_another_size(exe: dict[str, bytes]) -> None:
    assert of_file(exe["control.nacp"][:0x3100], "control.nacp") == [
        ("NACP", "ok", "Fake Game ゲーム 1.2.3"),
        ("NACP", "note", "has 0x3100 bytes, and should have 0x4000"),
    ]


def test_very_many_findings_are_counted() -> None:
    contents = [{"type": "Program", "hash": f"{number:064x}", "content_id": "ff" * 16, "size": 1} for number in range(50)]
    cnmt = Cnmt.from_dict({"title_id": PROGRAM_ID, "type": "Application", "contents": contents})
    found = of_file(cnmt.to_bytes(), "a.cnmt")
    assert len(found) == 9
    assert found[-1] == ("CNMT", "failed", "and 140 more of the kind")


# In packages


def program(main: bytes, meta: bytes, program_id: int = PROGRAM_ID, **options: Any) -> bytes:
    exefs = pfs0({"main": main, "main.npdm": meta})
    return nca([Section(exefs, FsType.PARTITION)], keys=KEYS, content_type=0, program_id=program_id, **options)


def written(tmp_path: Path, image: bytes) -> Path:
    path = tmp_path / nca_name(image)
    path.write_bytes(image)
    return path


def test_a_program(tmp_path: Path, exe: dict[str, bytes]) -> None:
    found = rows(written(tmp_path, program(exe["test.nso"], npdm(PROGRAM_ID))), "NPDM", "NSO layout", "NSO segment hash")
    assert [row[:2] for row in found] == [*[("main", "ok")] * 4, ("main.npdm", "ok")]


def test_a_program_of_another_title(tmp_path: Path, exe: dict[str, bytes]) -> None:
    path = written(tmp_path, program(exe["test.nso"], npdm(PROGRAM_ID + 0x1000)))
    detail = "is for program 0100abcdef001000, the NCA's header says 0100abcdef000000"
    assert ("main.npdm", "failed", detail) in rows(path, "NPDM")


def test_damage_in_a_program_does_not_end_the_rest(tmp_path: Path, exe: dict[str, bytes]) -> None:
    path = written(tmp_path, program(put(exe["test.nso"], 0x1D0, b"\xff\xff\xff"), b"META"))
    found = rows(path, "NPDM", "NSO segment hash", "hash tree", "NCA name")
    assert [row[:2] for row in found if row[1] == "failed"] == [("main", "failed"), ("main.npdm", "failed")]
    assert sum(status == "ok" for _, status, _ in found) == 4


def test_a_program_without_description(tmp_path: Path, exe: dict[str, bytes]) -> None:
    image = nca([Section(pfs0({"main": exe["test.nso"]}), FsType.PARTITION)], keys=KEYS, content_type=0, program_id=PROGRAM_ID)
    assert rows(written(tmp_path, image), "NPDM") == [("exefs", "note", "there is no main.npdm: no console runs it")]


def control(files: dict[str, bytes]) -> bytes:
    return nca([Section(romfs(files), FsType.ROMFS)], keys=KEYS, content_type=2, program_id=PROGRAM_ID)


def test_control_data_and_icons(tmp_path: Path) -> None:
    data = nacp("Game", "Me", languages=(0, 2))
    path = written(tmp_path, control({"control.nacp": data, "icon_AmericanEnglish.dat": JPEG, "icon_Dutch.dat": b"GIF"}))
    assert rows(path, "NACP", "icon") == [
        ("control.nacp", "ok", "Game 1.0.0"),
        ("icon_AmericanEnglish.dat", "ok", ""),
        ("icon_Dutch.dat", "note", "not a JPEG that can be read: it does not begin like one"),
        ("romfs", "note", "there is none in Japanese, which it supports"),
    ]
    path = written(tmp_path, control({"icon_Dutch.dat": JPEG}))
    assert rows(path, "NACP") == [("romfs", "note", "there is no control.nacp: nothing says what the title is called")]
    path = written(tmp_path, control({"control.nacp": b""}))
    assert [row[:2] for row in rows(path, "NACP")] == [("control.nacp", "failed")]


def meta(files: dict[str, bytes]) -> bytes:
    return nca([Section(pfs0(files), FsType.PARTITION)], keys=KEYS, content_type=1, program_id=PROGRAM_ID)


def test_content_meta(tmp_path: Path) -> None:
    good = Cnmt.from_dict({"title_id": PROGRAM_ID, "type": "Application", "contents": [{"type": "Data", "hash": "ab" * 32, "size": 1}]})
    path = tmp_path / "a.cnmt.nca"
    path.write_bytes(meta({good.file_name: good.to_bytes()}))
    assert rows(path, "CNMT") == [(good.file_name, "ok", "0100abcdef000000 v0, 1 content")]
    path.write_bytes(meta({"Patch_0100abcdef000800.cnmt": good.to_bytes()}))
    assert rows(path, "CNMT")[1] == ("Patch_0100abcdef000800.cnmt", "note", f"is called so, and says it is {good.file_name}")
    path.write_bytes(meta({}))
    assert rows(path, "CNMT") == [("data", "failed", "a Meta NCA holds one content meta, this one 0")]
    path.write_bytes(meta({good.file_name: good.to_bytes()[:-1]}))
    assert [row[:2] for row in rows(path, "CNMT")] == [(good.file_name, "failed")]


# Tickets


def package(tmp_path: Path, tickets: dict[str, bytes], *, program_id: int = PROGRAM_ID, rights: bytes, generation: int = 5) -> Path:
    image = program(b"m" * 99, npdm(program_id), program_id, key_generation=generation, rights_id=rights, title_key=TITLE_KEY)
    path = tmp_path / "game.nsp"
    path.write_bytes(pfs0({nca_name(image): image, **tickets}))
    return path


RIGHTS = rights_id(PROGRAM_ID, 5)
GOOD = ticket(RIGHTS, bytes(range(16)), 5)


def ticket_rows(path: Path) -> list[Row]:
    return [(name if name.endswith(".tik") else "nca", status, detail) for name, status, detail in rows(path, "ticket")]


def test_a_ticket_and_the_nca_that_needs_it(tmp_path: Path) -> None:
    name = f"{RIGHTS.hex()}.tik"
    assert ticket_rows(package(tmp_path, {name: GOOD}, rights=RIGHTS)) == [
        (name, "ok", f"common, of {RIGHTS.hex()}"),
        ("nca", "ok", f"{RIGHTS.hex()}, key generation 5"),
    ]


def test_no_ticket(tmp_path: Path) -> None:
    detail = f"there is no ticket of {RIGHTS.hex()}: whoever opens it needs the title key from elsewhere"
    assert ticket_rows(package(tmp_path, {}, rights=RIGHTS)) == [("nca", "note", detail)]


def test_a_ticket_by_another_name_and_one_that_nobody_needs(tmp_path: Path) -> None:
    other = rights_id(PROGRAM_ID + 0x1000, 5)
    tickets = {"a.tik": GOOD, f"{other.hex()}.tik": ticket(other, bytes(16), 5)}
    found = ticket_rows(package(tmp_path, tickets, rights=RIGHTS))
    assert ("a.tik", "note", f"is called so, and is for {RIGHTS.hex()}") in found
    assert (f"{other.hex()}.tik", "note", "no NCA here needs it") in found


def test_tickets_that_contradict_each_other(tmp_path: Path) -> None:
    name = f"{RIGHTS.hex()}.tik"
    found = ticket_rows(package(tmp_path, {name: GOOD, "z.tik": ticket(RIGHTS, bytes(16), 5)}, rights=RIGHTS))
    assert ("z.tik", "failed", f"has another title key than {name}, and the same rights id") in found


def test_key_generations_that_contradict_each_other(tmp_path: Path) -> None:
    name = f"{RIGHTS.hex()}.tik"
    found = ticket_rows(package(tmp_path, {name: GOOD}, rights=RIGHTS, generation=6))
    assert ("nca", "failed", "its rights id is for key generation 5, its header for 6") in found
    found = ticket_rows(package(tmp_path, {name: ticket(RIGHTS, bytes(16), 4)}, rights=RIGHTS))
    assert found[0] == (name, "failed", "is for key generation 4, and its rights id for 5")
    assert ("nca", "failed", "its ticket is for key generation 4, its header for 5") in found


def test_a_rights_id_of_another_title(tmp_path: Path) -> None:
    found = ticket_rows(package(tmp_path, {}, rights=RIGHTS, program_id=PROGRAM_ID + 0x10000))
    detail = f"its rights id {RIGHTS.hex()} is of another title than its program id 0100abcdef010000"
    assert found == [("nca", "failed", detail)]


def test_a_ticket_cut_short_does_not_end_the_rest(tmp_path: Path) -> None:
    path = package(tmp_path, {f"{RIGHTS.hex()}.tik": GOOD[:-1], "b.cert": b""}, rights=RIGHTS)
    found = [(check.check, check.status) for check in verified(path)]
    assert ("ticket", "failed") in found
    assert ("certificates", "failed") in found
    assert ("NCA name", "ok") in found


# Anything


@given(data=st.data())
def test_any_change_is_checked(testdata: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(EXE))
    blob = bytearray((testdata / "exe" / name).read_bytes())
    for at in data.draw(st.lists(st.integers(0, min(len(blob), 0x400) - 1), max_size=6)):
        blob[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([len(blob), 0, 0x14, 0x80, 0x100, len(blob) - 1]))
    for _, status, detail in of_file(bytes(blob[:cut]), name):
        assert status in {"ok", "failed", "skipped", "note"}
        assert detail or status == "ok"


def test_a_record_of_another_kind_than_its_nca(tmp_path: Path) -> None:
    image = program(b"m" * 99, npdm(PROGRAM_ID))
    name = nca_name(image)
    record = {"type": "Control", "hash": hashlib.sha256(image).hexdigest(), "size": len(image)}
    cnmt = Cnmt.from_dict({"title_id": PROGRAM_ID, "type": "Application", "contents": [record]})
    about = meta({cnmt.file_name: cnmt.to_bytes()})
    path = tmp_path / "game.nsp"
    path.write_bytes(pfs0({name: image, "a.cnmt.nca": about}))
    detail = "of 0100abcdef000000 v0 (Application): the record says Control, the NCA's header program"
    assert [row for row in rows(path, "CNMT record") if row[1] == "failed"] == [(name, "failed", detail)]


def test_an_nca_that_no_content_meta_lists(tmp_path: Path) -> None:
    cnmt = Cnmt.from_dict({"title_id": PROGRAM_ID, "type": "Application"})
    image = program(b"m" * 99, npdm(PROGRAM_ID))
    path = tmp_path / "game.nsp"
    path.write_bytes(pfs0({nca_name(image): image, "a.cnmt.nca": meta({cnmt.file_name: cnmt.to_bytes()})}))
    assert rows(path, "CNMT record") == [(nca_name(image), "note", "no content meta here lists it")]
