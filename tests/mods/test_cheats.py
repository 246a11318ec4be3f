"""Files of cheats as each tool reads them, and which files and cheats it takes."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs import MemoryFs, mods
from oboromi_fs.errors import CorruptError
from oboromi_fs.mods.cheatcodes import instructions
from oboromi_fs.mods.cheatfiles import FoundCheats, find_cheats
from oboromi_fs.mods.cheats import Cheat, enabled_key, parse_cheats, parse_enabled, parse_toggles
from oboromi_fs.mods.profiles import PROFILES
from oboromi_fs.storage.filled import FilledStorage
from tests.mods.trees import BUILD, LOWER, PLACES, UPPER, installed, told, tree

if TYPE_CHECKING:
    from oboromi_fs.base import FileSystemBase
    from oboromi_fs.mods.values import ProfileName
    from oboromi_fs.protocols import DirEntry

LOW, UP = "0011223344556677", "00112233445566AA"
SMALL = b"[Lives]\n04000000 00001234 00000063\n"
FULL = b"{Master}\n80000001 20000000\n[Lives]\n04000000 00001234 00000063\n\n[Heading]\n[Time]\n640F0000 00000000 00000001\n"


def words(data: bytes, dialect: ProfileName = "plain") -> dict[str, tuple[int, ...]]:
    return {cheat.name: cheat.words for cheat in parse_cheats(data, dialect)}


def refusal(data: bytes, dialect: ProfileName) -> str:
    with pytest.raises(CorruptError) as caught:
        parse_cheats(data, dialect)
    return str(caught.value)


@pytest.mark.parametrize("dialect", ["atmosphere", "yuzu", "plain"])
def test_E26_what_stands_in_a_file(dialect: ProfileName) -> None:
    assert parse_cheats(FULL, dialect) == (
        Cheat("Master", (0x80000001, 0x20000000), master=True, line=1, enabled=True),
        Cheat("Lives", (0x04000000, 0x1234, 0x63), line=3, enabled=True),
        Cheat("Heading", (), line=6),
        Cheat("Time", (0x640F0000, 0, 1), line=7, enabled=True),
    )


def test_E26_ryujinx_has_no_master_cheat_and_none_is_on_unasked() -> None:
    found = parse_cheats(b"[Lives]\r\n04000000 00001234 00000063\r\n{Master}\r\n20000000", "ryujinx")
    assert [(cheat.name, cheat.words, cheat.enabled) for cheat in found] == [("Lives", (0x04000000, 0x1234, 0x63, 0x20000000), False)]
    assert found[0].problem == "line 3: Ryujinx knows no master cheat, and takes its name for damaged code"
    assert words(b"20000000\n[x]\n20000000", "ryujinx") == {"<default>": (0x20000000,), "x": (0x20000000,)}


@pytest.mark.parametrize("line", [b"[Lives", b"[]", b"[Lives] 04000000", b"[a]b"])
def test_E26_a_malformed_bracket_refuses_the_whole_file_in_ryujinx(line: bytes) -> None:
    assert "line 3" in refusal(b"[ok]\n20000000\n" + line + b"\n20000000\n", "ryujinx")


def test_E26_damaged_code_costs_ryujinx_one_cheat_and_the_console_all() -> None:
    data = b"[a]\n04000000 0000123 00000063\n[b]\n20000000\n[c]\n04000000\n00000000 00000000\n"
    assert [(cheat.name, cheat.problem) for cheat in parse_cheats(data, "ryujinx")] == [
        ("a", "line 2: '0000123' is no word of 8 hexadecimal digits"),
        ("b", ""),
        ("c", "line 6: the instruction has 3 words, and all stand on one line for Ryujinx"),
    ]
    for dialect in ("atmosphere", "yuzu", "plain"):
        assert "line 2: '0000123' is no word of 8 hexadecimal digits" in refusal(data, dialect)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"20000000", "line 1: the word 20000000 stands before any name"),
        (b"[a]\n// no comments\n", "line 2: '//' is neither a name"),
        (b"[a]\n20000000\nlifes = 99\n", "line 3: 'lifes' is neither a name"),
        (b"[a]\n0400000G 00000001\n", "line 2: '0400000G' is no word of 8"),
        (b"[a]\n20000000x1[b]\n", "'20000000x1' is"),
        (b"[a]\n" + b"x" * 100, f"'{'x' * 64}' is neither"),
        (b"[a]\n2000000\n", "line 2: '2000000' is no word"),
        (b"\n\n[a", "line 3: '[' opens a name"),
        (b"{a", "line 1: '{' opens a name"),
        (b"{a}20000000 {b}", "line 1: a second master cheat"),
        (b"\xef\xbb\xbf[a]", "line 1: the text begins with a byte order mark"),
        (b"[a]\n" + b"20000000 " * 257, "line 2: 'a' has more than 256 words"),
    ],
)
@pytest.mark.parametrize("dialect", ["atmosphere", "yuzu"])
def test_E26_what_the_console_and_yuzu_refuse(data: bytes, problem: str, dialect: ProfileName) -> None:
    assert problem in refusal(data, dialect)


def test_E26_limits() -> None:
    assert len(words(b"[a]\n" + b"20000000 " * 256, "atmosphere")["a"]) == 256
    most = b"{m} 20000000 " + b"".join(b"[%d] 20000000 " % number for number in range(127))
    assert len(parse_cheats(most, "atmosphere")) == 128
    assert "more than 127 cheats" in refusal(most + b"[x] 20000000", "atmosphere")
    assert len(parse_cheats(most + b"[x] 20000000", "yuzu")) == 129
    long = b"[" + b"n" * 70 + b"] 20000000"
    assert list(words(long, "atmosphere")) == ["n" * 64]
    assert "a name has 70 bytes" in refusal(long, "yuzu")
    assert "a name has 0 bytes" in refusal(b"[] 20000000", "yuzu")
    assert words(b"[] 20000000", "atmosphere") == {"": (0x20000000,)}
    assert "has 65536 bytes, 65535 are the most" in refusal(b" " * 65536, "atmosphere")
    assert parse_cheats(b" " * 65536, "yuzu") == ()
    assert "are the most" in refusal(b" " * (1 << 20 | 1), "plain")


def test_E26_what_only_some_read() -> None:
    assert words(b"[a]2000000020000000[b]20000000", "atmosphere") == {"a": (0x20000000, 0x20000000), "b": (0x20000000,)}
    assert "with space behind it" in refusal(b"[a]2000000020000000", "yuzu")
    assert "with space behind it" in refusal(b"[a]20000000[b]", "yuzu")
    assert words(b"[a] 20000000", "yuzu") == {"a": (0x20000000,)}
    assert words(b"[a] 20000000\0garbage", "atmosphere") == {"a": (0x20000000,)}
    assert words(b"\xef\xbb\xbf[a] 20000000") == words(b"\xef\xbb\xbf[a]\n20000000", "ryujinx") == {"a": (0x20000000,)}
    assert words(b"20000000") == {"<default>": (0x20000000,)}
    assert words(b"[\xff] 20000000") == {"\udcff": (0x20000000,)}


def test_E26_switches() -> None:
    assert parse_toggles(b"[Lives]\non\n[Time] OFF\n[c]0\n[d] 1 [e] true\n[f] maybe\n") == {
        "Lives": True,
        "Time": False,
        "c": False,
        "d": True,
        "e": True,
    }
    assert parse_toggles(b"\n") == {}
    assert parse_enabled(b"0011223344556677-<Lives Cheat>\r\n\r\nx\n") == {enabled_key(LOW, "Lives"), "x"}


@pytest.mark.parametrize(
    ("data", "problem"),
    [(b"\n\nx", "line 3"), (b"[a]", "line 1"), (b"[a on", "line 1"), (b"[a]\nfalsehood ", "line 1"), (b"[a] on", "end with")],
)
def test_E26_toggles_that_the_console_refuses(data: bytes, problem: str) -> None:
    with pytest.raises(CorruptError, match=problem):
        parse_toggles(data)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("04000000 1 2 20000000", [("store immediate", 3), ("end or else", 1)]),
        ("08000000 1 2 3", [("store immediate", 4)]),
        ("18000000 1 2 3", [("if memory", 4)]),
        ("30000000 5 31000000", [("loop", 2), ("loop", 1)]),
        ("40000000 1 2 58000000 1", [("load immediate", 3), ("load from memory", 2)]),
        ("64000000 1 2 74000000 1 80000001", [("store immediate to register address", 3), ("legacy arithmetic", 2), ("if keys", 1)]),
        ("94000010 94000100 1 98000100 1 2", [("arithmetic", 1), ("arithmetic", 2), ("arithmetic", 3)]),
        ("A4000000 A4000200 1 A4000310 A4000400 1 A4000500 1", [("store register", size) for size in (1, 2, 1, 2, 2)]),
        ("C0410000 1 C0410100 C0410200 1 C0410300 C0410400 1", [("if register", size) for size in (2, 1, 2, 1, 2)]),
        ("C0810400 1 2 C0410500 C0410600 1 2 C0810600 1 2 3", [("if register", size) for size in (3, 1, 3, 4)]),
        ("C1000000 C2000001 C3000001", [("save or restore register", 1), ("save or restore registers", 1), ("static register", 1)]),
        ("C4000000 1 FF000000 FF100000", [("if keys, extended", 2), ("pause", 1), ("resume", 1)]),
        ("FFF40000 1 FFF40100 FFF40200 1 FFF40400", [("log", size) for size in (2, 1, 2, 1)]),
        ("B0000000 D0000000 F0000000", [("unknown", 1)] * 3),
        ("04000000 1", [("store immediate", 3)]),
    ],
)
def test_families_of_instructions(code: str, expected: list[tuple[str, int]]) -> None:
    assert [(each.family, each.size) for each in instructions([int(word, 16) for word in code.split()])] == expected


def test_a_cheat_as_json() -> None:
    (cheat,) = parse_cheats(SMALL)
    assert cheat.to_json() == {
        "name": "Lives",
        "master": False,
        "enabled": True,
        "problem": "",
        "line": 1,
        "words": ["04000000", "00001234", "00000063"],
        "families": ["store immediate"],
    }


def found(name: str, root: FileSystemBase, build_id: bytes | None = None) -> FoundCheats:
    return find_cheats(root, installed(name, root), build_id)


def on(cheats: FoundCheats) -> list[tuple[str, list[str]]]:
    return [(file.path, [cheat.name for cheat in file.cheats if cheat.enabled]) for file in cheats.files]


def test_E26_the_console_asks_in_lower_case() -> None:
    folder = f"{PLACES['atmosphere']}/cheats"
    root = tree({f"{folder}/{UP.lower()}.txt": SMALL, f"{folder}/{UP}.txt": SMALL, f"{folder}/{LOW}.txt": FULL})
    assert on(found("atmosphere", root)) == [
        (f"{folder}/{LOW}.txt", ["Master", "Lives", "Time"]),
        (f"{folder}/{UP.lower()}.txt", ["Lives"]),
    ]
    assert told(installed("atmosphere", root)) == [("case", f"{folder}/{UP}.txt")]
    assert [file.build_id for file in found("atmosphere", root, bytes.fromhex(UP) + bytes(24)).files] == [UP]
    other = found("atmosphere", root, b"\x55" * 32)
    assert other.files == ()
    assert [(notice.reason, notice.path, notice.text) for notice in other.notices] == [
        ("build", f"{folder}/{build}.txt", f"it is for build {build.upper()}, and the module main is of build 5555555555555555")
        for build in (LOW, UP.lower())
    ]


def test_E26_yuzu_asks_in_upper_case_first_and_takes_all_mods() -> None:
    load = f"load/{UPPER}"
    root = tree(
        {
            f"{load}/b/cheats/{UP}.txt": SMALL,
            f"{load}/b/cheats/{UP.lower()}.txt": FULL,
            f"{load}/a/CHEATS/{UP.lower()}.txt": SMALL,
            f"{load}/a/CHEATS/00112233445566Aa.txt": SMALL,
        }
    )
    cheats = found("yuzu", root)
    assert [file.path for file in cheats.files] == [f"{load}/a/CHEATS/{UP.lower()}.txt", f"{load}/b/cheats/{UP}.txt"]
    assert [(notice.reason, notice.path) for notice in cheats.notices] == [("shadowed", f"{load}/b/cheats/{UP.lower()}.txt")]
    assert told(installed("yuzu", root)) == [("case", f"{load}/a/CHEATS/00112233445566Aa.txt")]


def test_E26_a_damaged_file_costs_its_own_cheats_alone() -> None:
    load = f"load/{UPPER}"
    root = tree({f"{load}/a/cheats/{LOW}.txt": b"oops", f"{load}/b/cheats/{LOW}.txt": SMALL})
    cheats = found("yuzu", root)
    assert [file.mod for file in cheats.files] == ["b"]
    assert [(notice.reason, notice.path, notice.mod) for notice in cheats.notices] == [("damaged", f"{load}/a/cheats/{LOW}.txt", "a")]
    assert "line 1" in cheats.notices[0].text


def test_E26_ryujinx_has_what_enabled_txt_names() -> None:
    base = f"mods/contents/{LOWER}"
    root = tree(
        {
            f"{base}/cheats/{UP.lower()}.TXT": FULL[len("{Master}\n80000001 20000000\n") :],
            f"{base}/cheats/enabled.txt": f"{UP}-<Lives Cheat>\n{UP.lower()}-<Time Cheat>\n",
            f"{base}/mod/cheats/{LOW}.txt": SMALL,
            f"{base}/mod/cheats/enabled.txt": f"{LOW}-<Lives Cheat>\n",
        }
    )
    cheats = found("ryujinx", root)
    assert on(cheats) == [(f"{base}/cheats/{UP.lower()}.TXT", ["Lives"]), (f"{base}/mod/cheats/{LOW}.txt", [])]
    assert [(notice.reason, notice.path) for notice in cheats.notices] == [("place", f"{base}/mod/cheats/enabled.txt")]
    card = f"sdcard/atmosphere/contents/{LOWER}/cheats"
    cheats = found("ryujinx", tree({f"{card}/{LOW}.txt": SMALL, f"{card}/enabled.txt": enabled_key(LOW, "Lives")}))
    assert on(cheats) == [(f"{card}/{LOW}.txt", [])]


def test_E26_ryujinx_tells_of_cheats_that_it_leaves_out() -> None:
    path = f"{PLACES['ryujinx']}/cheats/{LOW}.txt"
    cheats = found("ryujinx", tree({path: b"[a]\nnonsense\n[b]\n20000000\n"}))
    assert [(notice.path, notice.ignored, notice.text) for notice in cheats.notices] == [
        (path, False, "'a': line 2: 'nonsense' is no word of 8 hexadecimal digits")
    ]


def test_E26_the_console_switches_off_by_toggles_txt() -> None:
    folder = f"{PLACES['atmosphere']}/cheats"
    files = {f"{folder}/{LOW}.txt": FULL, f"{folder}/toggles.txt": b"[Lives]\nfalse\n[Master]\nfalse\n[Heading]\ntrue\n"}
    assert on(found("atmosphere", tree(files))) == [(f"{folder}/{LOW}.txt", ["Master", "Time"])]
    cheats = found("atmosphere", tree({**files, f"{folder}/toggles.txt": b"[Lives]"}))
    assert on(cheats) == [(f"{folder}/{LOW}.txt", [])]
    assert [(notice.reason, notice.path) for notice in cheats.notices] == [("damaged", f"{folder}/toggles.txt")]


def test_E26_switches_of_another_tool_are_told() -> None:
    for name, switch in (("yuzu", "toggles.txt"), ("yuzu", "enabled.txt"), ("atmosphere", "enabled.txt"), ("ryujinx", "toggles.txt")):
        path = f"{PLACES[name]}/cheats/{switch}"
        assert told(installed(name, tree({path: b""}))) == [("unsupported", path)]


def test_E26_plain_takes_every_switch() -> None:
    folder = f"{PLACES['plain']}/cheats"
    files = {f"{folder}/{UP}.txt": FULL}
    assert on(found("plain", tree(files))) == [(f"{folder}/{UP}.txt", ["Master", "Lives", "Time"])]
    assert on(found("plain", tree({**files, f"{folder}/Toggles.txt": b"[Time] off\n"}))) == [(f"{folder}/{UP}.txt", ["Master", "Lives"])]
    assert on(found("plain", tree({**files, f"{folder}/enabled.txt": enabled_key(UP, "Time")}))) == [
        (f"{folder}/{UP}.txt", ["Master", "Time"])
    ]


def test_E26_more_code_than_runs_is_told() -> None:
    folder = f"{PLACES['atmosphere']}/cheats"
    code = b"".join(b"[%d]\n%s\n" % (number, b"20000000 " * 256) for number in range(4))
    path = f"{folder}/{LOW}.txt"
    assert found("atmosphere", tree({path: code})).notices == ()
    (notice,) = found("atmosphere", tree({path: code + b"[5]\n20000000\n"})).notices
    assert (notice.reason, notice.path, notice.ignored) == ("lost", path, False)


def test_mods_that_are_off_have_no_cheats() -> None:
    root = tree({f"load/{UPPER}/{mod}/cheats/{LOW}.txt": SMALL for mod in "ab"})
    assert [file.mod for file in find_cheats(root, installed("yuzu", root, disabled=("a",))).files] == ["b"]


class Watched(MemoryFs):
    """Notes which directories are listed."""

    listed: tuple[str, ...] = ()

    def _read_dir(self, path: str) -> list[DirEntry]:
        self.listed += (path,)
        return super()._read_dir(path)


def test_only_folders_of_cheats_are_read() -> None:
    folder = f"{PLACES['atmosphere']}/cheats"
    root = Watched({f"{folder}/{BUILD[:8].hex()}.txt": SMALL, f"{PLACES['atmosphere']}/romfs/a/b": b""})
    mods = installed("atmosphere", root)
    before = len(root.listed)
    assert len(find_cheats(root, mods, BUILD).files) == 1
    assert root.listed[before:] == (folder,)


def test_a_file_that_is_too_long_is_not_read() -> None:
    path = f"{PLACES['atmosphere']}/cheats/{LOW}.txt"
    (notice,) = found("atmosphere", tree({path: FilledStorage(1 << 50)})).notices
    assert (notice.reason, notice.text) == ("damaged", "has 1125899906842624 bytes, 65535 are the most")


TEXTS = st.lists(st.sampled_from([b"[", b"]", b"{", b"}", b"a", b"20000000", b"2", b" ", b"\n", b"\r", b"\0", b"\xff", b"/", b"on"])).map(
    b"".join
)


@pytest.mark.fuzz
@given(TEXTS | st.binary(max_size=40), st.sampled_from(PROFILES))
def test_whatever_the_bytes(data: bytes, dialect: ProfileName) -> None:
    cheats: tuple[Cheat, ...] = ()
    refused = ""
    try:
        cheats = parse_cheats(data, dialect)
    except CorruptError as error:
        refused = error.problem
    assert not refused or refused.startswith("line ")
    for cheat in cheats:
        assert sum(len(each.words) for each in instructions(cheat.words)) == len(cheat.words)
        cheat.to_json()
    with suppress(CorruptError):
        parse_toggles(data)
    parse_enabled(data)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="[]{}\r\n\0"), min_size=1, max_size=15).filter(
    lambda name: name == name.strip()
)
CHEATS = st.lists(st.tuples(NAMES, st.lists(st.integers(0x80000000, 0x8FFFFFFF), min_size=1, max_size=5)), max_size=6)


@given(CHEATS)
def test_all_tools_read_a_tidy_file_alike(cheats: list[tuple[str, list[int]]]) -> None:
    text = "".join(f"[{name}]\n{' '.join(f'{word:08X}' for word in code)}\n\n" for name, code in cheats)
    for dialect in PROFILES:
        assert [(cheat.name, list(cheat.words)) for cheat in parse_cheats(text.encode(), dialect)] == cheats


def test_cheats_are_found_from_the_package() -> None:
    assert {"Cheat", "CheatFile", "FoundCheats", "find_cheats", "parse_cheats"} <= set(mods.__all__) <= set(dir(mods))
    assert (mods.find_cheats, mods.parse_cheats, mods.Cheat) == (find_cheats, parse_cheats, Cheat)
