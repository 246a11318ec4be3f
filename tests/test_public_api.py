"""The public face, pinned: what is here may be relied on, and nothing comes or goes by accident."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import oboromi_fs
import oboromi_fs.testing

ROOT = Path(__file__).parent.parent

PUBLIC = [
    "ClosedError",
    "ContentMeta",
    "CorruptError",
    "DirEntry",
    "DirectoryNotEmptyEntryError",
    "EntryExistsError",
    "EntryNotFoundError",
    "Extent",
    "File",
    "FileSystem",
    "FileSystemBase",
    "FormatError",
    "Hfs0Archive",
    "HostFs",
    "IntegrityError",
    "IsADirectoryEntryError",
    "KeySet",
    "Layer",
    "LayerError",
    "LoadedProgram",
    "Location",
    "MappingError",
    "MemoryFs",
    "MemoryStorage",
    "Metadata",
    "MissingBaseError",
    "MissingKeyError",
    "Nax0Archive",
    "Nca",
    "NcaSection",
    "NestedFs",
    "NotADirectoryEntryError",
    "NotThisFormatError",
    "NspArchive",
    "OboromiFsError",
    "Opener",
    "Place",
    "ProviderIndex",
    "ReadOnlyError",
    "RomFs",
    "SaveDataFs",
    "Storage",
    "StorageBase",
    "StorageFile",
    "Ticket",
    "Title",
    "UnionFs",
    "UnsafePathError",
    "UnsupportedError",
    "UpperLayer",
    "VFile",
    "WindowStorage",
    "WritableUnionFs",
    "XciArchive",
    "ZipFs",
    "__version__",
    "load_program",
    "locate",
    "open_fs",
    "open_title",
]

SIGNATURES = {
    "open_fs": "(path, keys=None, *, access='auto', base=None, sd_path=None)",
    "locate": "(path, keys=None, *, access='auto', opener=None)",
    "File.open": "(path, *, access='auto')",
    "NspArchive": "(source)",
    "Hfs0Archive": "(source)",
    "RomFs": "(source)",
    "XciArchive": "(source, keys=None)",
    "Nax0Archive": "(source, keys=None, *, paths=None)",
    "SaveDataFs": "(source, *, check=False)",
    "Nca": "(source, keys=None, *, tickets=None, base=None)",
    "HostFs": "(root, *, access='auto')",
    "MemoryFs": "(files=None, dirs=())",
    "MemoryStorage": "(data, name='memory')",
    "WindowStorage": "(parent, start, stop)",
    "StorageFile": "(storage, name='')",
    "NestedFs": "(fs, opener=None, *, owned=(), beside=None)",
    "Opener": "(keys=None, *, access='auto', check=False, base=None, sd_path=None)",
    "open_title": "(paths, *, keys=None, title_id=None, version=None, mods=None, profile=None, opener=None)",
    "load_program": "(exefs, *, romfs=None, program_id=0)",
    "Title.load_program": "(self, program=None)",
    "Title.romfs_image": "(self, program=None)",
    "FileSystem.open": "(self, path, /)",
    "FileSystem.read_dir": "(self, path='', /)",
    "FileSystem.metadata": "(self, path, /)",
    "FileSystem.storage": "(self, path, /)",
    "Storage.readinto_at": "(self, offset, buffer, /)",
    "Storage.window": "(self, start, stop, /)",
    "Storage.place": "(self, offset=0, /)",
    "testing.check_filesystem": "(fs, *, expected=(), sample=48, limit=1048576, entries=20000, threads=4, seed=0)",
}

FIELDS = {
    "DirEntry": ("name", "kind", "size"),
    "Extent": ("path", "storage", "offset", "size"),
    "Place": ("storage", "offset", "stored"),
    "Metadata": ("kind", "size", "mtime_ns"),
    "Location": ("fs", "path", "display", "host"),
}


def test_names() -> None:
    assert oboromi_fs.__all__ == sorted(PUBLIC)
    assert set(PUBLIC) <= set(dir(oboromi_fs))
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        oboromi_fs.Nonsense  # noqa: B018  # The access is the test.


@pytest.mark.parametrize("name", PUBLIC)
def test_every_name_is_there_and_explained(name: str) -> None:
    value = getattr(oboromi_fs, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert value.__name__ == name
        assert len(inspect.getdoc(value) or "") > 10


@pytest.mark.parametrize(("name", "expected"), SIGNATURES.items())
def test_signatures(name: str, expected: str) -> None:
    value: object = oboromi_fs
    for part in name.split("."):
        value = getattr(value, part)
    assert callable(value)
    signature = inspect.signature(value)
    plain = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()]
    assert str(signature.replace(parameters=plain, return_annotation=inspect.Signature.empty)) == expected


@pytest.mark.parametrize(("name", "fields"), FIELDS.items())
def test_fields_of_values(name: str, fields: tuple[str, ...]) -> None:
    value = getattr(oboromi_fs, name)
    assert tuple(getattr(value, "_fields", None) or value.__dataclass_fields__) == fields


def test_star_import() -> None:
    namespace: dict[str, object] = {}
    exec("from oboromi_fs import *", namespace)
    assert set(PUBLIC) <= set(namespace)


def test_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(?:\.?(?:a|b|rc|dev)\d+)?", oboromi_fs.__version__)


def modules() -> list[str]:
    return [module.name for module in pkgutil.walk_packages(oboromi_fs.__path__, "oboromi_fs.") if not module.name.endswith("__main__")]


@pytest.mark.parametrize("name", modules())
def test_every_module_says_what_it_is_and_gives(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    given = getattr(module, "__all__", [])
    assert len(set(given)) == len(given)
    for each in given:
        assert hasattr(module, each), each


HEAVY = ("numpy", "construct", "rich", "Crypto", "concurrent.futures", "tempfile", "hashlib", "pathlib")


RARE = tuple(f"oboromi_fs.{name}" for name in ("backends.hfs0", "backends.nro", "backends.savedata", "backends.zip", "tickets"))


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import oboromi_fs", HEAVY),
        ("import oboromi_fs.protocols, oboromi_fs.errors, oboromi_fs.paths, oboromi_fs.base, oboromi_fs.file", HEAVY),
        ("from oboromi_fs import File; File.open(__import__('sys').argv[1])[:16].tobytes()", HEAVY),
        (
            "from oboromi_fs import open_fs; open_fs(__import__('sys').argv[1], {}).read_dir()",
            ("numpy", "rich", "Crypto", "tempfile", *RARE),
        ),
    ],
)
def test_imports_cost_what_is_used(statement: str, absent: tuple[str, ...]) -> None:
    script = f"import sys; before = set(sys.modules); {statement}; print(*sorted(set(sys.modules) - before))"
    command = [sys.executable, "-c", script, str(ROOT / "testdata" / "nsp" / "std_g1.nsp")]
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'formats'}", "PATH": ""}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert [name for name in absent if name in done.stdout.split()] == []
