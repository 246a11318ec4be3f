from __future__ import annotations

from pathlib import Path

from tests.command import DATA, KEYS, NSP, WRONG_KEYS, oboromi

TK = DATA / "nsp" / "tk_g2.nsp"
RIGHTS_ID = "0100abcdef0000000000000000000002"


def keys_but(path: Path, *left_out: str) -> tuple[str, str]:
    """A key file without the keys whose names begin with one of these, nor what derives them."""
    lines = Path(KEYS[1]).read_text(encoding="ascii").splitlines()
    kept = [line for line in lines if not line.startswith((*left_out, "master_key_", "aes_", "mariko", "header_kek"))]
    path.write_text("\n".join(kept), encoding="ascii")
    return "--keys", str(path)


def test_list(tmp_path: Path) -> None:
    path = tmp_path / "some.keys"
    path.write_text(f"header_key = {'0b' * 32}\nmaster_key_05 = {'0a' * 16}\ntitlekek_source = {'0c' * 16}\n", encoding="ascii")
    titles = tmp_path / "title.keys"
    titles.write_text(f"{RIGHTS_ID} = {'0d' * 16}\n", encoding="ascii")
    files = ("--keys", str(path), "--keys", str(titles))
    listed = oboromi("keys", "list", *files)
    assert listed.code == 0
    assert [line.split() for line in listed.lines] == [
        ["header_key", str(path)],
        ["master_key_05", str(path)],
        ["titlekek_source", str(path)],
        [RIGHTS_ID, str(titles)],
    ]
    assert ["titlekek_05", "derived"] in [line.split() for line in oboromi("keys", "list", "-v", *files).lines]
    document = oboromi("keys", "list", "--json", *files).json
    assert set(document) == {"files", "searched", "keys", "title_keys"}
    assert document["files"] == [str(path), str(titles)]
    assert document["keys"][0] == {"name": "header_key", "origin": str(path)}
    assert document["title_keys"] == [{"rights_id": RIGHTS_ID, "origin": str(titles)}]


def test_list_without_any() -> None:
    result = oboromi("keys", "list")
    assert (result.code, result.out) == (1, b"")
    assert result.message.startswith("no key: found no key file in /nonexistent/.config/oboromi")


def test_check_with_all_keys() -> None:
    result = oboromi("keys", "check", TK, *KEYS)
    assert result.code == 0
    rows = {line.split()[1]: line.split()[0] for line in result.lines[:-1]}
    assert rows == {RIGHTS_ID: "ticket", "header_key": "given", "key_area_key_application_01": "given", "titlekek_01": "given"}
    assert result.lines[-1] == "4 of 4 keys there, for 5 NCAs"


def test_check_names_what_is_missing(tmp_path: Path) -> None:
    result = oboromi("keys", "check", TK, *keys_but(tmp_path / "a.keys", "titlekek_"))
    assert result.code == 4
    assert [line.split()[:2] for line in result.lines if line.startswith("missing")] == [["missing", "titlekek_01"]]
    assert result.message == f"missing: titlekek_01; looked in {tmp_path / 'a.keys'}; give a key file with --keys or in OBOROMI_KEYS"
    document = oboromi("keys", "check", "--json", TK, *keys_but(tmp_path / "b.keys", "titlekek_", "key_area_key_")).json
    assert (document["ncas"], document["missing"]) == (5, 2)
    by_name = {key["name"]: key for key in document["keys"]}
    assert by_name["titlekek_01"] == {
        "name": "titlekek_01",
        "purpose": "title keys of key generation 2",
        "optional": False,
        "status": "missing",
        "origin": "",
        "needed_by": 3,
    }
    assert by_name["key_area_key_application_01"]["needed_by"] == 2


def test_check_without_header_key() -> None:
    result = oboromi("keys", "check", NSP)
    assert result.code == 4
    assert result.lines[0].split()[:2] == ["missing", "header_key"]
    assert result.lines[-1] == "0 of 1 key there, for 5 NCAs"


def test_check_of_a_title_key_nobody_has(tmp_path: Path) -> None:
    program = "3f3e47ed9d53db2c060f3f7bd32a0bdf.nca"
    (tmp_path / program).write_bytes(oboromi("cat", f"{TK}/{program}").out)
    missing = oboromi("keys", "check", tmp_path / program, *KEYS)
    assert missing.code == 4
    assert ["missing", RIGHTS_ID] in [line.split()[:2] for line in missing.lines]
    given = oboromi("keys", "check", tmp_path / program, *KEYS, "--keys", DATA / "keys" / "title.keys")
    assert given.code == 0
    assert ["given", RIGHTS_ID] in [line.split()[:2] for line in given.lines]


def test_check_goes_to_the_bottom_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c.nsp").write_bytes(Path(NSP).read_bytes())
    assert oboromi("keys", "check", tmp_path, *KEYS).lines[-1].endswith("for 5 NCAs")
    assert oboromi("keys", "check", tmp_path / "a" / "b", *KEYS).lines == oboromi("keys", "check", tmp_path, *KEYS).lines
    assert oboromi("keys", "check", tmp_path).code == 4


def test_check_of_derived_keys(tmp_path: Path) -> None:
    lines = Path(KEYS[1]).read_text(encoding="ascii").splitlines()
    path = tmp_path / "masters.keys"
    path.write_text(
        "\n".join(line for line in lines if not line.startswith(("key_area_key_application_0", "titlekek_0"))), encoding="ascii"
    )
    rows = {line.split()[1]: line.split()[0] for line in oboromi("keys", "check", TK, "--keys", path).lines[:-1]}
    assert rows["titlekek_01"] == rows["key_area_key_application_01"] == "derived"


def test_check_where_the_optional_one_is_missing(tmp_path: Path) -> None:
    result = oboromi("keys", "check", DATA / "xci" / "std.xci", *keys_but(tmp_path / "a.keys", "xci_header_key"))
    assert result.code == 0
    assert [line.split()[:2] for line in result.lines if "(optional)" in line] == [["missing", "xci_header_key"]]


def test_check_with_wrong_keys_is_no_yes() -> None:
    result = oboromi("keys", "check", NSP, *WRONG_KEYS)
    assert result.code == 3
    assert result.err.count(b"header_key is wrong") == 3
    assert result.err.endswith(b"oboromi: and 2 NCAs more that cannot be opened\n")


def test_check_where_none_is_needed() -> None:
    result = oboromi("keys", "check", DATA / "romfs" / "tiny.st.romfs")
    assert (result.code, result.out) == (0, b"")
    assert result.message.endswith("tiny.st.romfs needs no key")
    assert oboromi("keys", "check", "--json", DATA / "romfs" / "tiny.st.romfs").json["keys"] == []
