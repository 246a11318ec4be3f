from __future__ import annotations

import errno
import os
import pickle
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs._keynames import CHAINS, SIZES, canonical, family, inputs
from oboromi_fs.errors import (
    CorruptError,
    EntryNotFoundError,
    FormatError,
    IntegrityError,
    MissingKeyError,
    OboromiFsError,
    UnsafePathError,
    UnsupportedError,
)
from oboromi_fs.keys import FIRST_FIRMWARE, KeySet, master_key_revision

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

A, B = "a1" * 16, "b2" * 16
KEY_A, KEY_B = bytes.fromhex(A), bytes.fromhex(B)
RIGHTS = "0100abcdef0000000000000000000005"
WIDE = bytes(range(32)).hex()


def parse(text: str | bytes) -> KeySet:
    return KeySet.parse(text.encode() if isinstance(text, str) else text, "prod.keys")


def constant(byte: int, size: int = 16) -> bytes:
    return bytes([byte]) * size


# ---- derivation: the worked examples of the specification, with made-up constant keys ----

WORKED = {
    "master_key_00": constant(0x11),
    "aes_kek_generation_source": constant(0x22),
    "aes_key_generation_source": constant(0x33),
    "key_area_key_application_source": constant(0x44),
    "titlekek_source": constant(0x55),
    "package2_key_source": constant(0x55),
}


def test_key_area_key_of_the_worked_example() -> None:
    assert KeySet(WORKED).key_area_key(0, 0).hex() == "eaef26b072e5af8e2326d2d0d5680ddd"


def test_without_a_key_generation_source_the_last_step_is_left_out() -> None:
    named = {name: value for name, value in WORKED.items() if name != "aes_key_generation_source"}
    assert KeySet(named).key_area_key(0, 0).hex() == "72b17b09933c206f9e6d325a09a02f3e"


def test_titlekek_and_title_key_of_the_worked_example() -> None:
    keys = KeySet(WORKED)
    assert keys.titlekek(0).hex() == "b4f3c07ef9fc64dd59dae126d1b5dd12"
    assert keys.decrypt_title_key(bytes.fromhex("c25e57127978c8b05378b376b45ad518"), 0) == bytes(range(16))
    assert keys.require("package2_key_00").hex() == "b4f3c07ef9fc64dd59dae126d1b5dd12"


def test_a_title_key_of_another_length_is_refused() -> None:
    with pytest.raises(FormatError, match="title key: has 17 bytes instead of 16"):
        KeySet(WORKED).decrypt_title_key(bytes(17), 0)


def test_kinds_and_revisions_pick_their_own_keys() -> None:
    named = {
        f"key_area_key_{kind}_{rev:02x}": bytes([index, rev] * 8)
        for index, kind in enumerate(["application", "ocean", "system"])
        for rev in (0, 11, 31)
    }
    keys = KeySet(named)
    assert {(kind, rev): keys.key_area_key(kind, rev)[:2] for kind in range(3) for rev in (0, 11, 31)} == {
        (kind, rev): bytes([kind, rev]) for kind in range(3) for rev in (0, 11, 31)
    }


@pytest.mark.parametrize("kind", [-1, 3, 0xFF])
def test_other_kinds_are_refused(kind: int) -> None:
    with pytest.raises(UnsupportedError, match=f"NCA header, field key_area_key_index: {kind} is none of"):
        KeySet(WORKED).key_area_key(kind, 0)


@pytest.mark.parametrize("revision", [-1, 256])
def test_other_revisions_are_refused(revision: int) -> None:
    with pytest.raises(UnsupportedError, match=f"no key has revision {revision}"):
        KeySet(WORKED).titlekek(revision)
    with pytest.raises(UnsupportedError, match=f"no key has revision {revision}"):
        KeySet(WORKED).key_area_key(0, revision)


def ecb(key: bytes, data: bytes) -> bytes:
    from Crypto.Cipher import AES

    return AES.new(key, AES.MODE_ECB).decrypt(data)


def test_master_key_from_mariko() -> None:
    keys = KeySet({"mariko_kek": constant(1), "mariko_master_kek_source_0a": constant(2), "master_key_source": constant(3), **WORKED})
    kek = ecb(constant(1), constant(2))
    assert keys.get("master_kek_0a") == kek
    assert keys.get("master_key_0a") == ecb(kek, constant(3))
    assert keys.titlekek(10) == ecb(ecb(kek, constant(3)), constant(0x55))
    assert keys.get("master_key_0b") is None


def test_sd_card_keys_mix_in_the_seed() -> None:
    seed, source = bytes(range(16)), bytes(range(64, 96))
    keys = KeySet({**WORKED, "sd_card_kek_source": constant(0x44), "sd_card_nca_key_source": source, "sd_seed": seed})
    kek = bytes.fromhex("eaef26b072e5af8e2326d2d0d5680ddd")
    assert keys.require("sd_card_nca_key") == ecb(kek, bytes(x ^ y for x, y in zip(source, seed + seed, strict=True)))
    assert keys.get("sd_card_save_key") is None


def test_sources_of_the_corpus_derive_its_keys(corpus_keys: Path) -> None:
    given_keys = KeySet.load(corpus_keys)
    roots = {name: given_keys.require(name) for name in given_keys.names() if not inputs(name) or name.startswith("master_key_")}
    derived = KeySet(roots)
    checked = [name for name in given_keys.names() if name not in roots]
    assert len(checked) == 1 + 3 * 32 + 32 + 32
    for name in checked:
        assert derived.get(name) == given_keys.get(name), name
        assert (derived.origin(name), given_keys.origin(name)) == ("derived", str(corpus_keys))
    assert given_keys.warnings == ()


def test_given_beats_derived_and_the_difference_is_a_warning() -> None:
    keys = KeySet({**WORKED, "titlekek_00": KEY_A, "titlekek_01": KEY_A, "master_key_01": constant(0x11)}, source="here")
    assert keys.titlekek(0) == KEY_A
    assert keys.warnings == (
        "here: titlekek_00 and 1 more like it are not what master_key_00 and titlekek_source derive; the given value is used",
    )
    single = KeySet({**WORKED, "titlekek_00": KEY_A}, source="here")
    assert single.warnings == ("here: titlekek_00 is not what master_key_00 and titlekek_source derive; the given value is used",)
    assert KeySet({**WORKED, "titlekek_00": bytes.fromhex("b4f3c07ef9fc64dd59dae126d1b5dd12")}).warnings == ()


def test_a_derived_key_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = KeySet(WORKED)
    first = keys.titlekek(0)
    monkeypatch.setattr("oboromi_fs.keys._decrypt", None)
    assert keys.titlekek(0) is first


def test_many_threads_agree() -> None:
    keys = KeySet(WORKED)
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(keys.key_area_key(0, 0))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {value.hex() for value in found} == {"eaef26b072e5af8e2326d2d0d5680ddd"}


def test_every_derivation_is_from_keys_there_are() -> None:
    for target in CHAINS:
        assert target in SIZES
        for source in inputs(target.replace("XX", "0a")):
            assert family(source)[0] in SIZES


# ---- generations ----


def test_revision_is_generation_less_one() -> None:
    assert [master_key_revision(generation) for generation in (0, 1, 2, 3, 0x20)] == [0, 0, 1, 2, 31]


def test_first_firmware() -> None:
    listed = "1:1.0.0 2:3.0.0 3:3.0.1 4:4.0.0 5:5.0.0 6:6.0.0 7:6.2.0 8:7.0.0 9:8.1.0 10:9.0.0 11:9.1.0 12:12.1.0 13:13.0.0 14:14.0.0"
    listed += " 15:15.0.0 16:16.0.0 17:17.0.0 18:18.0.0 19:19.0.0 20:20.0.0 21:21.0.0 22:22.0.0"
    expected = {0: "1.0.0"} | {int(item.split(":")[0]): item.split(":")[1] for item in listed.split()}
    assert expected == FIRST_FIRMWARE


# ---- what a line may look like ----


@pytest.mark.parametrize(
    "line",
    [
        f"sd_seed = {A}",
        f"sd_seed={A}",
        f"sd_seed,{A}",
        f"sd_seed , {A}",
        f" \t sd_seed\t=\t{A} \t",
        f"SD_Seed = {A.upper()}",
        f"sd_seed = {A[:8]} {A[8:16]}\t{A[16:]}",
        f"s d_seed = {A}",
        f"sd_seed = {A} # comment",
        f"sd_seed = {A}\t; comment = 00",
        f"\ufeffsd_seed = {A}",
        f"sd_seed = {A}\r\n",
        f"other\rsd_seed = {A}\rother",
        f"# sd_seed = {B}\n; sd_seed = {B}\n  # sd_seed = {B}\n\t; sd_seed = {B}\nsd_seed = {A}",
        f"sd_seed = {B}\nsd_seed = {A}",
        f"sd_seed = {A}\nsd_seed = 00",
        f"sd_seed = {A}\n# sd_seed = {B}",
        f"\n\n   \nsd_seed = {A}\f\v\n\n",
        f"caf\u00e9\nsd_seed = {A}",
    ],
)
def test_spellings_of_a_line(line: str) -> None:
    assert parse(line).get("sd_seed") == KEY_A


@pytest.mark.parametrize(
    "line",
    [
        "sd_seed",
        "sd_seed =",
        f"sd_seed {A}",
        f"sd_seed = {A}00",
        f"sd_seed = {A[:-1]}",
        f"sd_seed = {A[:-2]}",
        f"sd_seed = {A[:-1]}g",
        f"sd_seed = = {A}",
        f"sd_seed = {A}#comment",
        f"sd_seed # = {A}",
        f"#sd_seed = {A}",
        f";sd_seed = {A}",
        f"sd_seeds = {A}",
        f"= {A}",
        f"sd_seed = 0x{A}",
        f"sd_seed = {A[:-1]}\u0661",
        f"{'sd_seed':5000} = {A}",
    ],
)
def test_lines_that_give_nothing(line: str) -> None:
    keys = parse(line)
    assert keys.get("sd_seed") is None
    assert keys.names() == ()


def test_utf_16_with_its_mark_is_understood() -> None:
    for encoding in ("utf-16-le", "utf-16-be"):
        assert parse(f"\ufeffsd_seed = {A}\r\n".encode(encoding)).get("sd_seed") == KEY_A


def test_a_nul_is_refused_with_its_place() -> None:
    with pytest.raises(CorruptError, match=r"prod\.keys at 0x7: holds a NUL byte"):
        parse(b"sd_seed\0 = " + A.encode())
    with pytest.raises(CorruptError, match=r"prod\.keys at 0x1: holds a NUL"):
        parse(f"sd_seed = {A}".encode("utf-16-le"))


def test_a_line_of_4096_characters_is_read_and_one_of_4097_is_not() -> None:
    assert parse(f"sd_seed ={' ' * (4096 - 9 - 32)}{A}").get("sd_seed") == KEY_A
    assert parse(f"sd_seed ={' ' * (4097 - 9 - 32)}{A}").get("sd_seed") is None
    assert parse(f"# {'x' * 5000}\nsd_seed = {A} # {'x' * 5000}").get("sd_seed") == KEY_A


def test_long_values() -> None:
    pair = bytes(range(256)) * 2 + bytes(16)
    keys = parse(f"eticket_rsa_keypair = {pair.hex()}\npki_root_sign_key_modulus = {(bytes(range(256)) * 2).hex()}\nheader_key = {WIDE}")
    assert keys.get("eticket_rsa_keypair") == pair
    assert keys.require("pki_root_sign_key_modulus")[:3] == b"\0\1\2"
    assert keys.header_key() == bytes(range(32))
    assert keys.warnings == ()


def test_title_keys_are_told_from_named_keys() -> None:
    keys = parse(f"{RIGHTS.upper()} = {A}\nsd_seed = {B}\n  {RIGHTS[:-1]}6,{B.upper()} ; name\n {RIGHTS[:-1]}7 = {A[:16]} {A[16:]}\n")
    assert keys.title_key(bytes.fromhex(RIGHTS)) == KEY_A
    assert keys.title_key(bytes.fromhex(RIGHTS[:-1] + "6")) == KEY_B
    assert keys.title_key(bytes.fromhex(RIGHTS[:-1] + "7")) == KEY_A
    assert keys.title_key(bytes(16)) is None
    assert keys.rights_ids() == tuple(bytes.fromhex(RIGHTS[:-1] + digit) for digit in "567")
    assert keys.names() == ("sd_seed",)
    assert bytes.fromhex(RIGHTS) in keys
    assert bytes(16) not in keys
    assert (keys.origin(bytes.fromhex(RIGHTS)), keys.origin(bytes(16))) == ("prod.keys", "")
    assert keys.warnings == ()


def test_the_last_of_two_title_keys_wins_however_it_is_written() -> None:
    for first, last in ((f"{RIGHTS}={B}", f"{RIGHTS} = {A[:2]} {A[2:]}"), (f"{RIGHTS} = {B[:2]} {B[2:]}", f"{RIGHTS}={A}")):
        assert parse(f"{first}\n{last}").title_key(bytes.fromhex(RIGHTS)) == KEY_A


@pytest.mark.parametrize(
    "line", [f"{RIGHTS} = {A}00", f"{RIGHTS} = {A[:-2]}", f"{RIGHTS} = ", f"{RIGHTS}0 = {A}", f"{RIGHTS[:-1]}g = {A}", f"{RIGHTS} = {A}#x"]
)
def test_lines_that_give_no_title_key(line: str) -> None:
    assert parse(line).rights_ids() == ()


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("nca_header_key", "header_key"),
        ("nca_header_key_source", "header_key_source"),
        ("nca_header_kek_source", "header_kek_source"),
        ("nca_key_area_key_application_0A", "key_area_key_application_0a"),
        ("nca_key_area_key_ocean_source", "key_area_key_ocean_source"),
        ("nca_body_keak_system_00", "key_area_key_system_00"),
        ("nca_key_area_key_hw_application_00", "key_area_hw_key_application_00"),
        ("ticket_commonkey_05", "titlekek_05"),
        ("ticket_commonkey_source", "titlekek_source"),
        ("xci_header_key_00", "xci_header_key"),
        ("xci_header_key_01", "xci_header_key_01"),
        ("xci_initial_data_kek_00", "xci_t1_titlekey_kek_00"),
        ("nca_header_sign_key_modulus", "nca_header_sign_key_00_modulus"),
        ("header_sign_key_01_modulus", "nca_header_sign_key_01_modulus"),
        ("header_sign_key_private", "nca_header_sign_key_00_private"),
        ("acid_sign_key_modulus", "acid_sign_key_00_modulus"),
        ("save_mac_key_source", "save_mac_key_source_00"),
    ],
)
def test_other_names_of_the_same_key(theirs: str, ours: str) -> None:
    value = bytes(range(SIZES[family(canonical(theirs))[0]] % 256)) or bytes(256)
    for one, other in ((theirs, ours), (ours, theirs)):
        keys = parse(f"{one} = {value.hex()}")
        assert keys.get(other.upper()) == value
        assert keys.names() == (ours,)
        assert keys.origin(other) == "prod.keys"
        assert other in keys


@pytest.mark.parametrize("pattern", sorted(SIZES))
def test_every_name_is_read_at_its_size_alone(pattern: str) -> None:
    name = pattern.replace("XX", "1f")
    assert parse(f"{name} = {'5a' * SIZES[pattern]}").get(name) == constant(0x5A, SIZES[pattern])
    keys = parse(f"{name} = {'5a' * (SIZES[pattern] - 1)}")
    assert keys.names() == ()
    assert (
        f"{name} in line 1 of prod.keys has {SIZES[pattern] * 2 - 2} hexadecimal digits instead of {SIZES[pattern] * 2}" in keys.warnings[0]
    )


def test_sizes_of_the_specification() -> None:
    wide = {"header_key", "header_key_source", "bis_key_XX", "bis_key_source_XX"}
    wide |= {f"sd_card_{kind}_key{part}" for kind in ("save", "nca", "custom_storage") for part in ("", "_source")}
    assert {name for name, size in SIZES.items() if size == 32} == wide
    assert (SIZES["keyblob_XX"], SIZES["encrypted_keyblob_XX"], SIZES["eticket_rsa_keypair"]) == (0x90, 0xB0, 0x210)
    assert {size for name, size in SIZES.items() if "sign_key" in name} == {256, 512}
    assert set(SIZES.values()) == {16, 32, 0x90, 0xB0, 0x100, 0x200, 0x210}


# ---- what the user is told ----


def test_what_is_wrong_with_a_file_is_a_warning() -> None:
    keys = parse(f"# c\nnonsense\nheader_key = 00\n\nsd_seed = {A[:-1]}x\n{RIGHTS} = 0011\nunknown = 00\n\n=\ntsec_key = {A}")
    assert keys.warnings == (
        "header_key in line 3 of prod.keys has 2 hexadecimal digits instead of 64, and is passed over",
        "sd_seed in line 5 of prod.keys has a value that is not hexadecimal, and is passed over",
        "title key in line 6 of prod.keys has 4 hexadecimal digits instead of 32, and is passed over",
        "prod.keys: lines that are not of the form name = value, or too long, and passed over: 2",
    )
    assert parse(f"sd_seed == {A}\ntsec_key={A}").warnings == (
        "sd_seed in line 1 of prod.keys has a value that is not hexadecimal, and is passed over",
    )
    assert parse(f"# c\n ;c\n\n \t\n;c\n#\n\t#c\ntsec_key={A}").warnings == ()
    assert parse("").warnings == ("prod.keys: no known key in it",)
    assert parse(f"unknown = {A}").warnings == ("prod.keys: no known key in it",)


def test_warnings_are_few_however_bad_the_file() -> None:
    keys = parse("sd_seed = 00\n" * 1000 + f"sd_seed = {A}")
    assert len(keys.warnings) == 21
    assert keys.warnings[-1] == "prod.keys: further values of a wrong length, or not hexadecimal, and passed over: 980"


def test_missing_header_key() -> None:
    with pytest.raises(MissingKeyError) as caught:
        KeySet.default({}).header_key()
    assert str(caught.value) == (
        "missing key header_key, needed for NCA headers (no key file was found; give one with --keys or in OBOROMI_KEYS; "
        "or add master_key_00, aes_kek_generation_source, header_kek_source, aes_key_generation_source and header_key_source, to derive it)"
    )
    assert (caught.value.key_name, caught.value.why) == ("header_key", "NCA headers")


def test_missing_key_area_key_names_generation_firmware_and_file(tmp_path: Path) -> None:
    path = tmp_path / "prod.keys"
    path.write_text(f"aes_kek_generation_source={A}\nkey_area_key_ocean_source={A}\naes_key_generation_source={A}")
    with pytest.raises(MissingKeyError) as caught:
        KeySet.load(path).key_area_key(1, 4)
    assert str(caught.value) == (
        "missing key key_area_key_ocean_04, needed for the key area of an NCA of key generation 5 (first firmware 5.0.0) "
        f"(looked in {path}; or add master_key_04, to derive it with aes_kek_generation_source, key_area_key_ocean_source and "
        "aes_key_generation_source)"
    )


def test_missing_titlekek() -> None:
    with pytest.raises(MissingKeyError) as caught:
        KeySet({"tsec_key": KEY_A}).titlekek(0x1F)
    assert str(caught.value) == (
        "missing key titlekek_1f, needed for title keys of key generation 32 (not among the keys given; "
        "or add master_key_1f and titlekek_source, to derive it)"
    )
    with pytest.raises(MissingKeyError, match=r"key generation 0 or 1 \(first firmware 1\.0\.0\)"):
        KeySet().titlekek(0)


def test_missing_title_key_names_the_rights_id() -> None:
    with pytest.raises(MissingKeyError, match=f"missing key {RIGHTS}, needed for .*title.keys.*ticket") as caught:
        KeySet().require_title_key(bytes.fromhex(RIGHTS))
    assert caught.value.key_name == RIGHTS
    assert KeySet({}, {bytes.fromhex(RIGHTS): KEY_A}).require_title_key(bytes.fromhex(RIGHTS)) == KEY_A


def test_a_key_of_the_wrong_length_is_not_merely_missing() -> None:
    keys = parse("\nsd_seed = 00")
    with pytest.raises(MissingKeyError) as caught:
        keys.require("SD_SEED", "SD-card files")
    assert str(caught.value) == (
        "missing key sd_seed, needed for SD-card files (sd_seed in line 2 of prod.keys has 2 hexadecimal digits instead of 32)"
    )
    with pytest.raises(MissingKeyError, match=r"looked in prod\.keys, good"):
        keys.merged(KeySet.parse(f"sd_seed = {A}".encode(), "good")).require("tsec_key")


def test_without_any_file_the_default_places_are_named(tmp_path: Path) -> None:
    home = str(tmp_path)
    with pytest.raises(MissingKeyError) as caught:
        KeySet.default({"HOME": home, "OBOROMI_KEYS": f"{home}/none"}).require("sd_seed")
    assert caught.value.where == (
        f"no key file was found: looked for prod.keys, title.keys and console.keys in {home}/none, {home}/.config/oboromi, "
        f"{home}/.config/switch, {home}/.switch; give one with --keys or in OBOROMI_KEYS"
    )


def test_xci_header_key_is_optional() -> None:
    assert KeySet().xci_header_key() is None
    assert KeySet({"xci_header_key": KEY_A}).xci_header_key() == KEY_A


def test_no_text_ever_holds_a_value(testdata: Path) -> None:
    secret, wrong = "5e" * 16, "5e" * 7
    path = str(testdata / "keys" / "wrong.keys")
    text = f"header_key = {wrong}\n{secret} = header_key\n{'5e' * 32} = header_key\nsd_seed = {secret}\n{secret} = {wrong}\n"
    text += f"{secret}\nsd_seed {secret}\ntitlekek_00={secret}\n"
    keys = parse(text).merged(KeySet.load(path))
    texts = [repr(keys), str(keys), *keys.warnings, *keys.names(), keys.origin("sd_seed"), *keys.files]
    attempts: list[Callable[[], object]] = [
        keys.header_key,
        lambda: parse(text).header_key(),
        lambda: parse(text).require("tsec_key", "x"),
        lambda: KeySet({"sd_seed": constant(0x5E, 7)}),
        lambda: KeySet.of({"sd_seed": wrong + "x"}),
        lambda: KeySet.of({secret: "sd_seed"}),
        lambda: KeySet.of({"5e" * 32: "sd_seed"}),
        lambda: parse(text + "\0"),
        lambda: keys.decrypt_title_key(constant(0x5E, 7), 0),
    ]
    for attempt in attempts:
        try:
            attempt()
        except OboromiFsError as error:
            texts += [str(error), repr(error)]
    assert len(texts) > 20
    for each in texts:
        assert "5e5e" not in each.lower()
        assert "^^" not in each  # The same bytes as text.


def test_repr_counts() -> None:
    assert repr(KeySet.parse(f"sd_seed={A}\n{RIGHTS}={A}".encode(), "x")) == "<KeySet of 1 keys and 1 title keys from 1 files>"


# ---- size ----


def test_title_keys_may_be_many_and_named_keys_may_not() -> None:
    many = b"".join(b"%032x = %032x # name\n" % (number, number) for number in range(20_000))
    keys = parse(many)
    assert len(many) > 1 << 20
    assert (len(keys.rights_ids()), keys.title_key(bytes(14) + b"\x01\x02")) == (20_000, bytes(14) + b"\x01\x02")
    line = b"x" * 1023 + b"\n"
    assert parse(line * 1025).names() == ()  # 1025 * 1023 is just below 1 MiB.
    with pytest.raises(UnsupportedError, match=r"prod\.keys: has more than 1 MiB of lines that are no title keys"):
        parse(line * 1026)
    assert parse(b"#" * (1 << 21)).names() == ()


def test_no_file_is_larger_than_32_mib(tmp_path: Path) -> None:
    largest = b"\n" * (32 << 20)
    assert parse(largest).names() == ()
    with pytest.raises(UnsupportedError, match="is larger than 32 MiB"):
        parse(largest + b"\n")
    path = tmp_path / "prod.keys"
    with path.open("wb") as stream:
        stream.truncate(1 << 40)  # Sparse: reading it all would not fit.
    with pytest.raises(UnsupportedError, match="is larger than 32 MiB"):
        KeySet.load(path)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_key_file_or_a_clean_error(text: bytes) -> None:
    try:
        keys = parse(text)
    except OboromiFsError:
        return
    assert isinstance(keys.warnings, tuple)


@given(st.text(alphabet="0123456789abcdefABCDEF=, \t\r\n\v\f#;_sdexktil", max_size=200))
def test_text_around_a_good_line_does_not_hurt_it(noise: str) -> None:
    assert parse(f"{noise}\nsd_seed = {A}\n").get("sd_seed") == KEY_A
    assert parse(f"{noise}\n{RIGHTS} = {A}").title_key(bytes.fromhex(RIGHTS)) == KEY_A


NAMES = st.sampled_from(sorted(name.replace("XX", revision) for name in SIZES for revision in ("00", "0a")))


@given(
    st.dictionaries(NAMES, st.binary(min_size=16, max_size=16)),
    st.dictionaries(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16)),
)
def test_what_is_written_is_read(values: dict[str, bytes], titles: dict[bytes, bytes]) -> None:
    named = {name: (value * 33)[: SIZES[family(canonical(name))[0]]] for name, value in values.items()}
    lines = [f"{name} = {value.hex()}" for name, value in named.items()] + [f"{key.hex()} = {value.hex()}" for key, value in titles.items()]
    keys = parse("\n".join(lines))
    by_name = {canonical(name): value for name, value in named.items()}
    assert {name: keys.get(name) for name in keys.names()} == by_name
    assert {key: keys.title_key(key) for key in keys.rights_ids()} == titles


# ---- files ----


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Make a folder of key files: file name -> text."""

    def make(name: str, **files: str) -> Path:
        path = tmp_path / name
        path.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            (path / file.replace("__", ".")).write_text(text)
        return path

    return make


def test_load_tells_files_apart_by_content(testdata: Path) -> None:
    keys = KeySet.load(testdata / "keys" / "title.keys", str(testdata / "keys" / "prod.keys"))
    assert repr(keys) == "<KeySet of 210 keys and 7 title keys from 2 files>"
    assert keys.require_title_key(bytes.fromhex("0100abcdef0008000000000000000005")).hex() == "929c532dae4c02569edd3e3d12ac0a01"
    assert keys.files == keys.searched == (str(testdata / "keys" / "title.keys"), str(testdata / "keys" / "prod.keys"))
    assert KeySet.load(os.fsencode(testdata / "keys" / "prod.keys")).names() == keys.names()
    assert KeySet.load().files == ()


def test_a_later_file_wins(folder: Callable[..., Path]) -> None:
    path = folder("k", a=f"sd_seed={A}\ntsec_key={A}\n{RIGHTS}={A}", b=f"sd_seed={B}\n{RIGHTS}={B}")
    keys = KeySet.load(path / "a", path / "b")
    assert (keys.get("sd_seed"), keys.get("tsec_key"), keys.title_key(bytes.fromhex(RIGHTS))) == (KEY_B, KEY_A, KEY_B)
    assert (keys.origin("sd_seed"), keys.origin("tsec_key")) == (str(path / "b"), str(path / "a"))
    assert keys.origin(bytes.fromhex(RIGHTS)) == str(path / "b")
    other = KeySet.load(path / "b", path / "a")
    assert (other.get("sd_seed"), other.origin("sd_seed")) == (KEY_A, str(path / "a"))


def test_a_folder_stands_for_its_key_files(folder: Callable[..., Path]) -> None:
    path = folder(
        "k",
        prod__keys=f"tsec_key={A}",
        title__keys=f"{RIGHTS}={A}",
        console__keys=f"sd_seed={A}",
        dev__keys=f"tsec_key={B}\nmariko_kek={B}",
        x__keys="bad",
    )
    keys = KeySet.load(path)
    assert keys.names() == ("sd_seed", "tsec_key")
    assert (keys.get("tsec_key"), keys.title_key(bytes.fromhex(RIGHTS))) == (KEY_A, KEY_A)
    assert sorted(keys.files) == [str(path / name) for name in ("console.keys", "prod.keys", "title.keys")]
    assert keys.searched == (str(path),)


def test_dev_keys_stand_in_for_prod_keys(folder: Callable[..., Path]) -> None:
    assert KeySet.load(folder("k", dev__keys=f"tsec_key={B}", title__keys=f"{RIGHTS}={A}")).get("tsec_key") == KEY_B


def test_what_the_user_wrote_wins_over_what_was_generated(folder: Callable[..., Path]) -> None:
    path = folder(
        "k",
        prod__keys=f"tsec_key={A}",
        prod__keys_autogenerated=f"tsec_key={B}\nmariko_kek={B}",
        console__keys_autogenerated=f"tsec_key={B}\nsd_seed={B}",
        title__keys_autogenerated=f"{RIGHTS}={A}",
    )
    keys = KeySet.load(path)
    assert (keys.get("tsec_key"), keys.get("mariko_kek"), keys.get("sd_seed")) == (KEY_A, KEY_B, KEY_B)
    assert keys.title_key(bytes.fromhex(RIGHTS)) == KEY_A


def test_a_folder_without_key_files(tmp_path: Path) -> None:
    with pytest.raises(EntryNotFoundError, match=r"no prod\.keys, title\.keys, console\.keys or dev\.keys in folder") as caught:
        KeySet.load(tmp_path)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, str(tmp_path))


def test_what_is_no_key_file(tmp_path: Path) -> None:
    with pytest.raises(EntryNotFoundError, match=r"no such key file: '.*absent'"):
        KeySet.load(tmp_path / "absent")
    with pytest.raises(UnsupportedError, match=f"^{os.devnull}: is a device, not a key file$"):
        KeySet.load(os.devnull)
    with pytest.raises(UnsafePathError):
        KeySet.load("a\0b")
    with pytest.raises(UnsafePathError):
        KeySet.load("a\ud800b")
    (tmp_path / "prod.keys").mkdir()
    with pytest.raises(UnsupportedError, match=r"prod\.keys: is a folder, not a key file"):
        KeySet.load(tmp_path)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(OSError, match="loop"):
        KeySet.load(loop)


def test_a_pipe_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    text = f"sd_seed = {A}\n" + f"{RIGHTS} = {A}\n" * 3000  # More than a pipe holds at once.
    writer = threading.Thread(target=path.write_text, args=(text,), daemon=True)  # If nobody reads, it waits forever.
    writer.start()
    keys = KeySet.load(path)
    writer.join()
    assert (keys.get("sd_seed"), len(keys.rights_ids())) == (KEY_A, 1)


# ---- the usual places ----


def test_places_in_order(folder: Callable[..., Path], tmp_path: Path) -> None:
    def seed(letter: str) -> str:
        return f"sd_seed = {letter * 32}"

    environ = {"HOME": str(tmp_path)}
    places = [(".switch", "1"), (".config/switch", "2"), (".config/oboromi", "3")]
    for place, letter in places:
        path = folder(place, prod__keys=seed(letter))
        keys = KeySet.default(environ)
        assert keys.require("sd_seed").hex() == letter * 32
        assert keys.files == (str(path / "prod.keys"),)
    environ["OBOROMI_KEYS"] = str(folder("env", prod__keys=seed("4")))
    assert KeySet.default(environ).require("sd_seed").hex() == "4" * 32
    environ["OBOROMI_KEYS"] = str(folder("env", mine=seed("5")) / "mine")
    keys = KeySet.default(environ)
    assert keys.require("sd_seed").hex() == "5" * 32
    assert keys.files == (environ["OBOROMI_KEYS"],)
    explicit = [folder("option", prod__keys=seed("6"))]
    keys = KeySet.default(environ, explicit)
    assert keys.require("sd_seed").hex() == "6" * 32
    assert keys.searched[:2] == (str(explicit[0]), environ["OBOROMI_KEYS"])
    explicit.append(folder("option2", prod__keys=seed("7")))
    assert KeySet.default(environ, explicit).require("sd_seed").hex() == "7" * 32
    assert keys.warnings == ()


def test_the_configuration_folder_may_be_elsewhere(folder: Callable[..., Path], tmp_path: Path) -> None:
    folder(".config/switch", prod__keys=f"sd_seed={A}")
    folder("xdg/switch", prod__keys=f"sd_seed={B}")
    assert KeySet.default({"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "xdg")}).get("sd_seed") == KEY_B
    assert KeySet.default({"HOME": str(tmp_path), "XDG_CONFIG_HOME": "xdg"}).get("sd_seed") == KEY_A
    assert KeySet.default({"XDG_CONFIG_HOME": str(tmp_path / "xdg")}).get("sd_seed") == KEY_B
    assert KeySet.default({"USERPROFILE": str(tmp_path)}).get("sd_seed") == KEY_A


def test_without_a_home_nothing_here_is_taken(folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for place in (".switch", ".config/switch", "home/.switch"):
        folder(place, prod__keys=f"sd_seed={A}")
    for environ in ({}, {"HOME": ""}, {"HOME": "home"}, {"HOME": "", "XDG_CONFIG_HOME": "", "OBOROMI_KEYS": os.pathsep}):
        keys = KeySet.default(environ)
        assert (keys.files, keys.searched, keys.warnings) == ((), (), ())


def test_each_file_name_comes_from_the_first_place_that_has_it(folder: Callable[..., Path], tmp_path: Path) -> None:
    folder(".config/oboromi", title__keys=f"{RIGHTS}={A}")
    folder(".config/switch", prod__keys=f"sd_seed={A}", title__keys=f"{RIGHTS}={B}\n{bytes(16).hex()}={B}")
    folder(".switch", prod__keys=f"sd_seed={B}\ntsec_key={B}", console__keys=f"device_key={A}\nsd_seed={B}", dev__keys=f"mariko_kek={B}")
    keys = KeySet.default({"HOME": str(tmp_path)})
    assert keys.names() == ("device_key", "sd_seed")
    assert (keys.get("sd_seed"), keys.title_key(bytes.fromhex(RIGHTS)), keys.title_key(bytes(16))) == (KEY_A, KEY_A, None)


def test_dev_keys_only_without_prod_keys_anywhere(folder: Callable[..., Path], tmp_path: Path) -> None:
    folder(".config/oboromi", dev__keys=f"sd_seed={A}")
    folder(".switch", dev__keys=f"sd_seed={B}")
    environ = {"HOME": str(tmp_path)}
    assert KeySet.default(environ).get("sd_seed") == KEY_A
    folder(".switch", prod__keys=f"tsec_key={A}")
    assert KeySet.default(environ).names() == ("tsec_key",)
    environ["OBOROMI_KEYS"] = str(folder("dev", dev__keys=f"mariko_kek={A}") / "dev.keys")
    assert KeySet.default(environ).names() == ("mariko_kek",)


def test_the_environment_names_files_and_folders_first_wins(folder: Callable[..., Path], tmp_path: Path) -> None:
    one = folder("one", prod__keys=f"sd_seed={A}", console__keys=f"tsec_key={A}\nmariko_kek={A}")
    two = folder("two", mine=f"sd_seed={B}\ntsec_key={B}\ndevice_key={B}")
    folder(".switch", prod__keys="tsec_key=" + "cc" * 16, title__keys=f"{RIGHTS}={A}")

    def found(*places: str) -> list[str]:
        keys = KeySet.default({"HOME": str(tmp_path), "OBOROMI_KEYS": os.pathsep.join(places)})
        assert keys.title_key(bytes.fromhex(RIGHTS)) == KEY_A
        return [keys.require(name).hex()[:1] for name in ("sd_seed", "tsec_key", "device_key")]

    assert found(str(one), str(two / "mine")) == ["a", "a", "b"]
    assert found(str(two / "mine"), str(one)) == ["b", "b", "b"]


def test_a_file_of_another_name_stands_for_what_it_holds(folder: Callable[..., Path], tmp_path: Path) -> None:
    folder(".switch", prod__keys=f"sd_seed={B}", title__keys=f"{bytes(16).hex()}={B}")
    path = folder("k", titles=f"{RIGHTS}={A}", console__keys=f"tsec_key={A}", both=f"{RIGHTS}={A}\ntsec_key={A}")

    def default(name: str) -> KeySet:
        return KeySet.default({"HOME": str(tmp_path), "OBOROMI_KEYS": str(path / name)})

    assert (default("titles").rights_ids(), default("titles").names()) == ((bytes.fromhex(RIGHTS),), ("sd_seed",))
    assert (default("console.keys").names(), default("console.keys").rights_ids()) == (("sd_seed", "tsec_key"), (bytes(16),))
    assert (default("both").names(), default("both").rights_ids()) == (("tsec_key",), (bytes.fromhex(RIGHTS),))


def test_what_cannot_be_read_by_default_is_a_warning(folder: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / ".config/oboromi/prod.keys").mkdir(parents=True)
    folder(".config/switch", prod__keys="\0")
    folder(".switch", prod__keys=f"sd_seed={A}")
    environ = {"HOME": str(tmp_path), "OBOROMI_KEYS": os.pathsep.join([str(tmp_path / "absent"), os.devnull])}
    keys = KeySet.default(environ)
    assert keys.get("sd_seed") == KEY_A
    assert keys.warnings == (
        f"key file passed over: no such key file: '{tmp_path}/absent'",
        f"key file passed over: {os.devnull}: is a device, not a key file",
        f"key file passed over: {tmp_path}/.config/oboromi/prod.keys: is a folder, not a key file",
        f"key file passed over: {tmp_path}/.config/switch/prod.keys at 0x0: holds a NUL byte; a key file is ASCII text",
    )
    with pytest.raises(EntryNotFoundError):
        KeySet.default(environ, [tmp_path / "absent"])


def test_a_home_that_is_a_file_is_no_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("")
    assert KeySet.default({"HOME": str(home)}).warnings == ()


def test_the_process_environment_is_the_default(folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBOROMI_KEYS", str(folder("k", prod__keys=f"sd_seed={A}")))
    assert KeySet.default().get("sd_seed") == KEY_A
    assert KeySet.of(None).get("sd_seed") == KEY_A


# ---- whatever a caller holds ----


def test_of(folder: Callable[..., Path]) -> None:
    path = folder("k", a=f"sd_seed={A}", b=f"tsec_key={A}")
    keys = KeySet({"sd_seed": KEY_A})
    assert KeySet.of(keys) is keys
    for value in (
        path / "a",
        str(path / "a"),
        os.fsencode(path / "a"),
        [path / "a"],
        {"sd_seed": A},
        {"SD_SEED": KEY_A},
        {"sd_seed": bytearray(KEY_A)},
    ):
        assert KeySet.of(value).names() == ("sd_seed",)
        assert KeySet.of(value).get("sd_seed") == KEY_A
    assert KeySet.of(path / name for name in "ab").names() == ("sd_seed", "tsec_key")
    assert KeySet.of([]).names() == ()
    titles = KeySet.of({RIGHTS.upper(): A, bytes(16): KEY_B})
    assert (titles.title_key(bytes.fromhex(RIGHTS)), titles.title_key(bytes(16)), titles.names()) == (KEY_A, KEY_B, ())
    assert titles.origin(bytes(16)) == "given directly"


def test_of_checks_values() -> None:
    with pytest.raises(FormatError, match="key sd_seed: is not hexadecimal"):
        KeySet.of({"sd_seed": "xyz"})
    with pytest.raises(FormatError, match="key titlekek_0a: has 15 bytes instead of 16"):
        KeySet.of({"ticket_commonkey_0A": A[2:]})
    for titles in ({bytes(16): bytes(15)}, {bytes(15): bytes(16)}):
        with pytest.raises(FormatError, match="both must have 16"):
            KeySet({}, titles)
    with pytest.raises(TypeError):
        KeySet.of({"sd_seed": 16})


def test_a_caller_may_give_names_we_do_not_know() -> None:
    assert KeySet({"my_key": b"abc"}).get("MY_KEY") == b"abc"


def test_a_key_set_does_not_change() -> None:
    named, titles = {"sd_seed": KEY_A}, {bytes(16): KEY_A}
    keys = KeySet(named, titles)
    named["sd_seed"] = titles[bytes(16)] = KEY_B
    keys.merged(KeySet({"sd_seed": KEY_B}, {bytes(16): KEY_B}))
    assert (keys.get("sd_seed"), keys.title_key(bytes(16))) == (KEY_A, KEY_A)


def test_merged_takes_the_other() -> None:
    one = KeySet.parse(f"sd_seed={A}\ntsec_key={A}\nheader_key=00\n{bytes(16).hex()}={A}".encode(), "one")
    two = KeySet({"sd_seed": KEY_B, "header_key": bytes(32)}, {bytes(16): KEY_B}, source="two")
    both = one.merged(two)
    assert (both.get("sd_seed"), both.get("tsec_key"), both.title_key(bytes(16)), both.header_key()) == (KEY_B, KEY_A, KEY_B, bytes(32))
    assert (both.origin("sd_seed"), both.origin("tsec_key"), both.origin(bytes(16))) == ("two", "one", "two")
    assert both.warnings == ("header_key in line 3 of one has 2 hexadecimal digits instead of 64, and is passed over",)
    assert both.files == ("one",)


def test_names_given_and_derived() -> None:
    keys = KeySet(WORKED)
    assert keys.names() == tuple(sorted(WORKED))
    extra = set(keys.names(derived=True)) - set(keys.names())
    assert extra == {"key_area_key_application_00", "package2_key_00", "titlekek_00"}
    assert [keys.origin(name) for name in ("titlekek_00", "titlekek_01", "master_key_00")] == ["derived", "", "given directly"]
    assert all(keys.get(name) for name in extra)
    assert "titlekek_01" not in keys


def test_survives_pickling() -> None:
    keys: KeySet = pickle.loads(pickle.dumps(KeySet(WORKED)))
    assert keys.titlekek(0).hex() == "b4f3c07ef9fc64dd59dae126d1b5dd12"


# ---- personalised tickets, with a made-up RSA key ----

P = int(
    "f87e6aec5779b7f4e9d3686aeb3ee12aefd246a710566b456d82583bfa784a9adb2b46a1ca09db0d2386c6d2fc4a4dff280182c83d6f0839ab8174f3e2f61c83"
    "2ec0795a04dd212d4b03d1799691bf0f95d9e350cf00dfa17f32550586421ca49d08854e1ec19de0daf77f02462ea4056354225ba548105de28213b49d531ccb",
    16,
)
Q = int(
    "fb3c01686c33b20674305dcfe518cb59738a89ff011aab5112761ef33c04a0c7e7230c3f6468174dc60d7ecb3e9f398c7f0bff534df470a69d950f9038c43b36"
    "a1189bf5953ef3301e1559a9136efe1893892b4c247962c65a920dd8e21ad7649376a463f15dcde168c73e1c1a3e702b7261d5c7f5ed459dd68d3f337e95b84f",
    16,
)


def key_pair(p: int = P, q: int = Q) -> bytes:
    private = pow(0x10001, -1, (p - 1) * (q - 1))
    return private.to_bytes(0x100, "big") + (p * q).to_bytes(0x100, "big") + (0x10001).to_bytes(4, "big") + bytes(12)


def wrap(message: bytes) -> bytes:
    from Crypto.Cipher import PKCS1_OAEP
    from Crypto.Hash import SHA256
    from Crypto.PublicKey import RSA

    return PKCS1_OAEP.new(RSA.construct((P * Q, 0x10001)), SHA256).encrypt(message)


def test_a_personalised_block_gives_the_wrapped_title_key() -> None:
    keys = KeySet({"eticket_rsa_keypair": key_pair()})
    assert keys.unwrap_personalised(wrap(KEY_A)) == KEY_A
    assert keys.unwrap_personalised(wrap(bytes(7) + KEY_B)) == KEY_B


def test_a_ticket_of_another_console() -> None:
    keys = KeySet({"eticket_rsa_keypair": key_pair()})
    for block in (bytes(0x100), b"\xff" * 0x100, wrap(b"short")):
        with pytest.raises(IntegrityError, match="made for another console"):
            keys.unwrap_personalised(block)


def test_bad_personalised_input() -> None:
    with pytest.raises(MissingKeyError, match="missing key eticket_rsa_keypair, needed for personalised tickets"):
        KeySet().unwrap_personalised(bytes(0x100))
    with pytest.raises(CorruptError, match="has 0xff bytes instead of 0x100"):
        KeySet({"eticket_rsa_keypair": key_pair()}).unwrap_personalised(bytes(0xFF))
    for pair in (bytes(0x210), b"\xff" * 0x210, bytes(range(0x10)) * 0x21, key_pair()[:0x200] + bytes(16)):
        with pytest.raises(CorruptError, match="key eticket_rsa_keypair: is no RSA key pair"):
            KeySet({"eticket_rsa_keypair": pair}).unwrap_personalised(bytes(0x100))


# ---- start-up ----


def test_reading_keys_imports_no_cryptography(corpus_keys: Path) -> None:
    program = (
        "import sys; from oboromi_fs.keys import KeySet; keys = KeySet.load(sys.argv[1]); keys.header_key(); 'titlekek_00' in keys; "
        "print([name for name in ('Crypto', 'numpy', 'construct', 'rich', 'pathlib', 'tempfile', 'logging') if name in sys.modules])"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-S", "-c", program, str(corpus_keys)], env=environ, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
