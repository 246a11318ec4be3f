"""Every file system here, alone and nested, passes the suite that anyone can run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from oboromi_fs import (
    File,
    Hfs0Archive,
    HostFs,
    KeySet,
    MemoryFs,
    MemoryStorage,
    Nca,
    NestedFs,
    NspArchive,
    Opener,
    RomFs,
    Storage,
    WindowStorage,
    XciArchive,
    locate,
    open_fs,
)
from oboromi_fs._forge import Encryption, HashType, hfs0, pfs0
from oboromi_fs.backends.nax0 import Nax0Archive
from oboromi_fs.backends.savedata import SaveDataFs
from oboromi_fs.backends.zip import ZipFs
from oboromi_fs.testing import check_filesystem
from tests import forged
from tests.forged_nax0 import SD_KEYS, nax0
from tests.forged_save import save_image
from tests.zips import BZIP2, DEFLATED, LZMA, STORED, honest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from oboromi_fs.file import Access

WHERE = ("memory", "mmap", "pread", "window")


@pytest.fixture(params=WHERE)
def put(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[bytes], Storage]:
    """Gives bytes as a storage: in memory, in a host file in either mode, or in the middle of one."""

    def as_storage(data: bytes) -> Storage:
        if request.param == "memory":
            return MemoryStorage(data)
        path = tmp_path / "archive"
        if request.param == "window":
            path.write_bytes(b"\xee" * 0x123 + data + b"\xee" * 0x77)
            return WindowStorage(File.open(path), 0x123, 0x123 + len(data))
        path.write_bytes(data)
        return File.open(path, access=request.param)

    return as_storage


def host_tree(root: Path, files: dict[str, bytes]) -> Path:
    for path, data in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return root


def test_memory() -> None:
    check_filesystem(MemoryFs(forged.TREE, dirs=forged.EMPTY_DIRS), expected=forged.TREE)
    check_filesystem(MemoryFs())


@pytest.mark.parametrize("access", ["mmap", "pread"])
def test_host(tmp_path: Path, access: Access) -> None:
    root = host_tree(tmp_path, forged.TREE)
    (root / "nothing").mkdir()
    (root / "link.txt").symlink_to("hello.txt")
    (root / "linked").symlink_to("data/sub")
    (root / "loop").symlink_to(".")
    (root / "nowhere").symlink_to("not/there")
    (root / "outside").symlink_to("/")
    expected = {**forged.TREE, "link.txt": b"hello\n", "linked/latin1_\udce9": b"not UTF-8"}
    check_filesystem(HostFs(root, access=access), expected=expected)
    check_filesystem(open_fs(root, {}, access=access), expected=expected)


def test_pfs0(put: Callable[[bytes], Storage]) -> None:
    files = {"main": b"M" * 0x2345, "empty": b"", "\udcff.bin": b"odd name", "sp ace": b"x"}
    check_filesystem(NspArchive(put(pfs0(files))), expected=files)
    check_filesystem(NspArchive(MemoryStorage(pfs0({}))))


def test_hfs0(put: Callable[[bytes], Storage]) -> None:
    files = {"main": b"M" * 0x2345, "empty": b"", "\udcff.bin": b"odd name"}
    check_filesystem(Hfs0Archive(put(hfs0(files))), expected=files)


def test_save_data(put: Callable[[bytes], Storage]) -> None:
    files = {"a.bin": bytes(range(256)) * 9, "dir/b": b"b" * 1000, "dir/sub/c": b"", "dir/sub/d": bytes(3000)}
    check_filesystem(SaveDataFs(put(save_image(files, ["empty"], seed=4, version=0x50000).image), check=True), expected=files)


def test_nax0(put: Callable[[bytes], Storage]) -> None:
    path = "/registered/000000BE/000102030405060708090a0b0c0d0e0f.nca"
    data = b"content of a card" * 3000
    check_filesystem(Nax0Archive(put(nax0(data, path)), KeySet(SD_KEYS), paths=[path]), expected={path[21:]: data})


def test_romfs(put: Callable[[bytes], Storage]) -> None:
    check_filesystem(RomFs(put(forged.romfs_image())), expected=forged.TREE)


def test_romfs_without_hash_tables() -> None:
    image = bytearray(forged.romfs_image())
    for field in (0x10, 0x30):
        image[field : field + 8] = bytes(8)
    check_filesystem(RomFs(MemoryStorage(bytes(image))), expected=forged.TREE)


@pytest.mark.parametrize("key_area", [False, True])
def test_xci(put: Callable[[bytes], Storage], *, key_area: bool) -> None:
    title = forged.title_xci(key_area=key_area)
    check_filesystem(XciArchive(put(title.image)), expected={f"secure/{name}": data for name, data in forged.title_ncas().items()})


ZIP_TREE = {path: data for path, data in forged.TREE.items() if "\udce9" not in path}  # zipfile writes no name that is not text.


@pytest.mark.parametrize("method", [STORED, DEFLATED, BZIP2, LZMA])
def test_zip(put: Callable[[bytes], Storage], method: int) -> None:
    check_filesystem(ZipFs(put(honest(ZIP_TREE, method=method, dirs=forged.EMPTY_DIRS))), expected=ZIP_TREE)
    check_filesystem(ZipFs(put(honest({}))))


def test_zip_over_zip_over_file(put: Callable[[bytes], Storage]) -> None:
    outer = ZipFs(put(honest({"inner.zip": honest(ZIP_TREE), "nothing": b""})))
    check_filesystem(ZipFs(outer.storage("inner.zip")), expected=ZIP_TREE, sample=8)
    expected = {f"inner.zip/{path}": data for path, data in ZIP_TREE.items()}
    check_filesystem(NestedFs(outer, Opener({})), expected=expected, sample=8)


SECTIONS: dict[str, dict[str, Any]] = {
    "plain": {"encryption": Encryption.NONE},
    "ctr": {"encryption": Encryption.CTR},
    "xts": {"encryption": Encryption.XTS},
    "xts from the section": {"encryption": Encryption.XTS, "xts_base": "section"},
    "skip layer hash": {"encryption": Encryption.CTR_SKIP_LAYER_HASH},
    "sha3": {"hash_type": HashType.INTEGRITY_SHA3},
    "sha256 over a romfs": {"hash_type": HashType.SHA256},
    "no hashes": {"hash_type": HashType.NONE},
}


@pytest.mark.parametrize("options", SECTIONS.values(), ids=SECTIONS)
def test_nca_and_the_file_systems_in_it(put: Callable[[bytes], Storage], options: dict[str, Any]) -> None:
    nca = Nca(put(forged.program_nca(**options)), forged.KEY_SET)
    check_filesystem(nca, expected=["exefs", "romfs", "logo"], sample=8)
    check_filesystem(NspArchive(nca.storage("exefs")), expected=forged.EXEFS)
    check_filesystem(RomFs(nca.storage("romfs")), expected=forged.TREE, sample=8)
    check_filesystem(NspArchive(nca.storage("logo")), expected=forged.LOGO)


def test_images_that_check_their_hashes(put: Callable[[bytes], Storage]) -> None:
    nca = Nca(put(forged.program_nca()), forged.KEY_SET)
    check_filesystem(RomFs(nca.section("romfs").image(check=True)), expected=forged.TREE)
    check_filesystem(NspArchive(nca.section("exefs").image(check=True)), expected=forged.EXEFS)


def test_romfs_over_nca_over_nsp_over_file(put: Callable[[bytes], Storage]) -> None:
    title = forged.title_nsp()
    nsp = NspArchive(put(title.image))
    nca = Nca(nsp.storage(title.program), forged.KEY_SET)
    check_filesystem(RomFs(nca.storage("romfs")), expected=forged.TREE)


def test_exefs_over_nca_over_xci_over_file(put: Callable[[bytes], Storage]) -> None:
    title = forged.title_xci()
    card = XciArchive(put(title.image))
    nca = Nca(card.storage(f"secure/{title.program}"), forged.KEY_SET)
    check_filesystem(NspArchive(nca.storage("exefs")), expected=forged.EXEFS)


def inside(title: forged.Title, prefix: str = "") -> dict[str, bytes]:
    below = prefix + title.program
    files = {f"{below}/romfs/{path}": data for path, data in forged.TREE.items()}
    return files | {f"{below}/exefs/{path}": data for path, data in forged.EXEFS.items()}


def test_nested(put: Callable[[bytes], Storage]) -> None:
    opener = Opener(forged.KEYS)
    title = forged.title_nsp()
    aliases = {"@program/romfs/hello.txt": b"hello\n", f"{title.program}/@0/empty": b""}
    check_filesystem(NestedFs(NspArchive(put(title.image)), opener), expected=inside(title) | aliases)
    card = forged.title_xci()
    check_filesystem(NestedFs(XciArchive(put(card.image)), opener), expected=inside(card, "secure/"))
    check_filesystem(NestedFs(Nca(put(forged.program_nca()), forged.KEY_SET), opener), expected=["exefs", "romfs/data/empty"])


@pytest.mark.parametrize("access", ["mmap", "pread"])
def test_open_fs(tmp_path: Path, access: Access) -> None:
    title, card = forged.title_nsp(), forged.title_xci()
    root = host_tree(tmp_path, {"game.nsp": title.image, "cards/card.xci": card.image, "data.romfs": forged.romfs_image()})
    everything = {
        **{f"game.nsp/{path}": data for path, data in inside(title).items()},
        **{f"cards/card.xci/{path}": data for path, data in inside(card, "secure/").items()},
        **{f"data.romfs/{path}": data for path, data in forged.TREE.items()},
    }
    check_filesystem(open_fs(root, forged.KEYS, access=access), expected=everything)
    for path, expected in (
        ("game.nsp", inside(title)),
        ("game.nsp/@program", {f"romfs/{path}": data for path, data in forged.TREE.items()}),
        ("game.nsp/@program/romfs", forged.TREE),
        (
            "game.nsp/@program/romfs/data",
            {path.removeprefix("data/"): data for path, data in forged.TREE.items() if path.startswith("data/")},
        ),
        ("cards/card.xci", inside(card, "secure/")),
        ("cards/card.xci/secure", inside(card)),
    ):
        with open_fs(root / path, forged.KEYS, access=access) as fs:
            check_filesystem(fs, expected=expected, sample=16)
    place = locate(root / "game.nsp", forged.KEYS, access=access)
    check_filesystem(place.fs, expected={f"game.nsp/{path}": data for path, data in inside(title).items()})


def test_a_split_file(tmp_path: Path) -> None:
    title = forged.title_nsp()
    parts = host_tree(tmp_path / "game.nsp", {f"{number:02}": title.image[number * 99_999 : (number + 1) * 99_999] for number in range(9)})
    assert sum(part.stat().st_size for part in parts.iterdir()) == len(title.image)
    with open_fs(parts, forged.KEYS) as fs:
        check_filesystem(fs, expected=inside(title))


@pytest.mark.parametrize("access", ["mmap", "pread"])
def test_archives_of_other_tools(testdata: Path, corpus_keys: Path, manifest: dict[str, Any], access: Access) -> None:
    keys = [corpus_keys, corpus_keys.with_name("title.keys")]
    for name, entry in manifest.items():
        if name.split("/")[0] in ("hfs0", "nca_forged", "nsp", "pfs0", "romfs", "xci"):
            with open_fs(testdata / name, keys, access=access) as fs:
                check_filesystem(fs, expected=[] if name.startswith("nca_forged") else list(entry["files"]), sample=8)
