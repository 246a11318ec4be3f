"""What the package gives, and arguments of a wrong type, which are refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from oboromi_fs import MemoryStorage, patches
from oboromi_fs.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable

STORAGE = MemoryStorage(b"PATCHEOF")


def test_names() -> None:
    assert set(patches.__all__) <= set(dir(patches))
    assert list(patches.__all__) == sorted(patches.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name))
    for name in patches.__all__:
        assert getattr(patches, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        patches.Nonsense  # noqa: B018  # The access is the test.


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda: patches.parse_ips(b"PATCHEOF"), r"storage is a storage, such as MemoryStorage\(data\), and not bytes"),  # type: ignore[arg-type]
        (lambda: patches.is_ips("a.ips"), r"such as what File.open\(path\) returns, and not str"),  # type: ignore[arg-type]
        (lambda: patches.module_of(b"NSO0"), "storage is a storage"),  # type: ignore[arg-type]
        (lambda: patches.make_records(b"a", b"b"), "old is a storage"),  # type: ignore[arg-type]
        (lambda: patches.make_records(STORAGE, b"b"), "new is a storage"),  # type: ignore[arg-type]
        (lambda: patches.PatchedStorage(b"a", []), "source is a storage"),  # type: ignore[arg-type]
        (lambda: patches.PatchedStorage(STORAGE, b"a"), "records are Record values, and not bytes"),  # type: ignore[arg-type]
        (lambda: patches.encode_ips(b"ab"), "records are Record values, and not bytes"),  # type: ignore[arg-type]
        (lambda: patches.apply_patch(b"PATCHEOF", 9), "patch is a Patch, such as parse_ips returns, and not bytes"),  # type: ignore[arg-type]
        (lambda: patches.parse_pchtxt("@nsobid-AA"), "data is bytes, and not str: encode it first"),  # type: ignore[arg-type]
        (lambda: patches.tell_differences("@nsobid-AA"), "data is bytes, and not str"),  # type: ignore[arg-type]
        (lambda: patches.encode_pchtxt(b"AA", []), "build_id is a str, and not bytes"),  # type: ignore[arg-type]
        (lambda: patches.encode_pchtxt("AA", [], title=b"x"), "title is a str, and not bytes"),  # type: ignore[arg-type]
        (lambda: patches.build_id_of(b"AA"), "text is a str, and not bytes"),  # type: ignore[arg-type]
        (lambda: patches.same_build("AA", "AA"), "module_id is bytes, and not str"),  # type: ignore[arg-type]
        (lambda: patches.build_problem("AA", "AA"), "module_id is bytes, and not str"),  # type: ignore[arg-type]
        (lambda: patches.shown("AA"), "module_id is bytes, and not str"),  # type: ignore[arg-type]
        (lambda: patches.stem(b"a.ips"), "name is a str, and not bytes"),  # type: ignore[arg-type]
        (lambda: patches.name_problem(b"a.ips", "yuzu"), "name is a str, and not bytes"),  # type: ignore[arg-type]
    ],
)
def test_arguments_of_a_wrong_type(call: Callable[[], Any], problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: patches.apply_patch(patches.parse_ips(STORAGE), 9, dialect="Yuzu"),  # type: ignore[arg-type]
        lambda: patches.parse_pchtxt(b"@nsobid-AA", "plain"),  # type: ignore[arg-type]
        lambda: patches.build_problem("AA", b"\xaa", "plain"),  # type: ignore[arg-type]
        lambda: patches.name_problem("AA.ips", "reference"),  # type: ignore[arg-type]
    ],
)
def test_unknown_dialects(call: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match="the dialect is one of neutral, atmosphere, yuzu, ryujinx"):
        call()


def test_what_is_no_build_id_is_not_written() -> None:
    for text in ("", "xyz", "AA\n@stop", "A" * 65):
        with pytest.raises(FormatError, match="is no build id"):
            patches.encode_pchtxt(text, [])
