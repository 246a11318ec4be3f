from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

import oboromi_fs.metadata
from oboromi_fs.errors import FormatError
from oboromi_fs.metadata import ApplicationTitle, Cnmt, Nacp, Npdm, TicketFile, dumps_json, dumps_toml, from_dict, loads_json, loads_toml

if TYPE_CHECKING:
    from pathlib import Path

    from oboromi_fs.metadata import Metadata

SMALL: list[Metadata] = [
    Nacp.from_dict({"name": "N"}),
    Npdm.from_dict({"program_id": 1}),
    Cnmt.from_dict({"title_id": 1, "type": "Application"}),
    TicketFile.from_dict({"rights_id": "00" * 16, "title_key": "00" * 16}),
]


@pytest.mark.parametrize("value", SMALL, ids=lambda value: value.format)
def test_a_text_says_what_it_describes(value: Metadata) -> None:
    toml, text = dumps_toml(value), dumps_json(value)
    assert toml.startswith(f'format = "{value.format}"\n')
    assert text.startswith(f'{{\n  "format": "{value.format}",\n')
    assert text.endswith("}\n")
    assert tomllib.loads(toml) == json.loads(text) == value.to_dict()
    for again in (loads_toml(toml), loads_json(text), loads_json(dumps_json(value, indent=None)), from_dict(value.to_dict())):
        assert type(again) is type(value)
        assert again == value


def test_json_in_one_line() -> None:
    assert dumps_json(SMALL[0], indent=None).count("\n") == 1


def test_toml_of_an_npdm(testdata: Path) -> None:
    text = dumps_toml(Npdm.read((testdata / "exe" / "main_owners.npdm").read_bytes()))
    assert text.startswith(
        'format = "NPDM"\n'
        'program_id = "0x0100abcdef000000"\n'
        'name = "fakeapp"\n'
        'product_code = ""\n'
        "version = 0\n"
        "signature_key_generation = 0\n"
        'flags = [\n    "Is64Bit",\n]\n'
        'address_space = "36Bit"\n'
    )
    assert '\nservices = [\n    { name = "fake:*", host = true },\n    "acc:u0",\n    "fsp-srv",\n' in text
    assert '\n[[kernel_capabilities]]\nkind = "HandleTable"\nsize = 512\n' in text
    assert text.endswith(
        "[aci0.file_access]\n"
        'content_owner_ids = [\n    "0x0100abcdef000000",\n]\n'
        'save_data_owners = [\n    { id = "0x0100abcdef000000", access = "Read" },\n]\n'
    )


@pytest.mark.parametrize("name", ["a\tb\nc\r\x01\x7f\u2028\"'\\é漢😀", "\0x", "hex:", "", " "])
def test_characters_that_texts_escape(name: str) -> None:
    nacp = Nacp.read(Nacp(titles=(ApplicationTitle(name),)).to_bytes())
    assert nacp.titles[0].name == name
    assert loads_toml(dumps_toml(nacp), Nacp) == nacp
    assert loads_json(dumps_json(nacp), Nacp) == nacp


@pytest.mark.parametrize("name", ["\x9b2J\x7f", "\u202egnp", "\u2028\\\x85", "\u2066\x1b"])
def test_a_text_does_not_steer_a_terminal(name: str) -> None:
    """What is obeyed, and need not be escaped in TOML or JSON, is escaped."""
    nacp = Nacp(titles=(ApplicationTitle(name),))
    for text, read in ((dumps_toml(nacp), loads_toml), (dumps_json(nacp), loads_json)):
        assert all(char.isprintable() or char == "\n" for char in text)
        assert read(text, Nacp).titles[0].name == name


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name = ", "TOML of x.toml: it cannot be read: "),
        ('name = "a"\nname = "b"', "TOML of x.toml: it cannot be read: "),
        ("a = " + "9" * 5000, "TOML of x.toml: it cannot be read: "),
        ("a = " + "[" * 100000, "TOML of x.toml: it cannot be read: "),
        ('name = "a"', "format of x.toml: None is not one of NACP, NPDM, CNMT, ticket"),
        ('format = "ELF"', "format of x.toml: 'ELF' is not one of NACP, NPDM, CNMT, ticket"),
        ("format = 1979-05-27", "format of x.toml: datetime.date(1979, 5, 27) is not one of"),
        ('format = "NACP"\nname = 1979-05-27', "[titles.AmericanEnglish] name of x.toml: datetime.date(1979, 5, 27) is not a text"),
        ('format = "NACP"\nhdcp = 1.5', "hdcp of x.toml: 1.5 is neither true nor false"),
        ('format = "NACP"\nhdcp = nan', "hdcp of x.toml: nan is neither true nor false"),
        ('format = "NACP"\nhdcp = 0x' + "f" * 5000, "hdcp of x.toml: 0xfffffffffffffffffffffffffffffffffff... is not between 0 and 255"),
        ('format = "NACP"\nisbn = 0x' + "f" * 5000, "isbn of x.toml: 0xfffffffffffffffffffffffffffffffffff... is not a text"),
        ('format = "NACP"\nisbn = [0x' + "f" * 5000 + "]", "isbn of x.toml: a list is not a text"),
    ],
)
def test_toml_that_is_wrong(text: str, problem: str) -> None:
    with pytest.raises(FormatError) as caught:
        loads_toml(text, source="x.toml")
    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "JSON of x.json: it cannot be read: "),
        ('{"a": 1, "a": 2}', "JSON of x.json: it cannot be read: 'a' stands twice"),
        ("[" * 100000, "JSON of x.json: it cannot be read: "),
        ("9" * 5000, "JSON of x.json: it cannot be read: "),
        ("[]", "format of x.json: None is not one of"),
        ('{"format": ["NACP"]}', "format of x.json: ['NACP'] is not one of"),
        ('{"format": "NACP", "isbn": null}', "isbn of x.json: None is not a text"),
        ('{"format": "NACP", "isbn": "\\ud800"}', "isbn of x.json: holds half of a surrogate pair"),
        ('{"format": "NACP", "hdcp": NaN}', "hdcp of x.json: nan is neither true nor false"),
    ],
)
def test_json_that_is_wrong(text: str, problem: str) -> None:
    with pytest.raises(FormatError) as caught:
        loads_json(text, source="x.json")
    assert str(caught.value).startswith(problem)


def test_a_text_of_another_format() -> None:
    with pytest.raises(FormatError, match="format: 'NACP' is not 'NPDM'"):
        loads_toml('format = "NACP"', Npdm)
    with pytest.raises(FormatError, match="NACP: 5 is not a table"):
        loads_json("5", Nacp)


def test_what_the_package_gives() -> None:
    names: Any = oboromi_fs.metadata.__all__
    assert sorted(names) == [
        "ApplicationTitle",
        "Certificate",
        "CertificateChain",
        "Cnmt",
        "Metadata",
        "Nacp",
        "Npdm",
        "TicketFile",
        "check_icon",
        "dumps_json",
        "dumps_toml",
        "from_dict",
        "icons",
        "jpeg_size",
        "loads_json",
        "loads_toml",
    ]
    assert all(hasattr(oboromi_fs.metadata, name) for name in names)
