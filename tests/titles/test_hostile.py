"""Whatever lies in a package, only our errors and the host's leave; and what is chosen of a family is what a plain rule says."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oboromi_formats.cnmt import MetaType, RecordType
from oboromi_fs import OboromiFsError
from oboromi_fs.builders.cnmt import build_cnmt
from oboromi_fs.titles import FoundContent, FoundMeta, choose, families, open_title
from tests.building import KEYS
from tests.titles import forging
from tests.titles.forging import ADDONS, ID, UPDATE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def use(path: Path) -> None:
    """Open, list, read, load: what somebody would do who trusts a folder."""
    try:
        with open_title(path, keys=KEYS) as title:
            for inner, entry in title.walk():
                if entry.kind == "file":
                    try:
                        title.read_bytes(inner)
                    except (OboromiFsError, OSError):
                        continue
            title.name()
            program = title.load_program()
            for module in program.modules:
                for segment in module.segments:
                    _ = segment.data
            title.romfs_image()
    except (OboromiFsError, OSError):
        pass


@pytest.mark.parametrize("seed", range(60))
def test_damaged_packages(tmp_path: Path, seed: int) -> None:
    files = _packages()
    chance = random.Random(seed)
    for name, data in files.items():
        image = bytearray(data)
        for _ in range(chance.choice((0, 1, 3, 30))):
            # Half of the blows near the start, where tables are.
            at = chance.randrange(min(len(image), 0x800)) if chance.random() < 0.5 else chance.randrange(len(image))
            image[at] = chance.choice((0, 0xFF, image[at] ^ 1 << chance.randrange(8)))
        if chance.random() < 0.2:
            del image[chance.randrange(len(image)) :]
        forging.put(tmp_path, {name: bytes(image)})
    use(tmp_path)


def _packages() -> dict[str, bytes]:
    if not _MADE:
        _MADE["b.nsp"] = forging.nsp(forging.base_title())
        _MADE["u.xci"] = forging.xci({**forging.update_2(**forging.locked(UPDATE)), **forging.permit(UPDATE)})
        _MADE["a.nsp"] = forging.nsp(forging.addon(0, forging.ADDON_1))
    return _MADE


_MADE: dict[str, bytes] = {}


@settings(max_examples=40)
@given(
    edits=st.lists(st.tuples(st.integers(0, 0x7F), st.integers(0, 0xFF)), max_size=6),
    cut=st.integers(0, 0x200),
    swap=st.booleans(),
)
def test_content_metas_that_lie(tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, int]], cut: int, *, swap: bool) -> None:
    """The CNMT is whole as a file of its NCA; what it says is not."""
    folder = tmp_path_factory.mktemp("lies")
    program = forging.base_program() if not _PROGRAM else _PROGRAM[0]
    _PROGRAM[:] = [program]
    data = bytearray(build_cnmt(ID, MetaType.APPLICATION, [program.content(ID)]).to_bytes())
    for at, value in edits:
        data[at % len(data)] = value
    data = data[: max(len(data) - cut, 0)] if swap else data
    image = forging.pfs0({f"Application_{ID:016x}.cnmt": bytes(data)})
    meta = forging.Made("meta", ID, {"data": image})
    forging.put(folder, {"x.nsp": forging.nsp({program.name: program.data, meta.name: meta.data})})
    use(folder)


_PROGRAM: list[forging.Made] = []


METAS = st.builds(
    lambda kind, version, number, whole, place: FoundMeta(
        {MetaType.APPLICATION: ID, MetaType.PATCH: UPDATE, MetaType.ADD_ON_CONTENT: ADDONS[number]}[kind],
        ID,
        kind,
        version,
        f"place {place}",
        "package",
        contents=(FoundContent(RecordType.PROGRAM, f"{kind}{version}", 1, path="x" if whole else None),),
    ),
    st.sampled_from([MetaType.APPLICATION, MetaType.PATCH, MetaType.ADD_ON_CONTENT]),
    st.integers(0, 3),
    st.integers(0, 1),
    st.booleans(),
    st.integers(0, 99),
)


def best(metas: Sequence[FoundMeta]) -> FoundMeta | None:
    """The rule as one would say it: of the newest those that are whole, of these the first."""
    newest = [meta for meta in metas if meta.version == max(each.version for each in metas)]
    return next((meta for meta in newest if not meta.missing), newest[0]) if newest else None


@given(st.lists(METAS, min_size=1, max_size=12), st.none() | st.integers(0, 4))
def test_what_is_chosen(metas: list[FoundMeta], version: int | None) -> None:
    family = families(metas)[ID]
    bases = [meta for meta in metas if meta.type == MetaType.APPLICATION]
    updates = [meta for meta in metas if meta.type == MetaType.PATCH]
    whole = [meta for meta in bases if not meta.missing] or bases
    base = best(whole)
    if version is not None and version not in {meta.version for meta in updates} | ({base.version} if base else set()):
        with pytest.raises(OboromiFsError):
            choose(family, version)
        return
    chosen = choose(family, version)
    assert chosen.base == base
    assert chosen.update == best([meta for meta in updates if version is None or meta.version == version])
    newest = [best([meta for meta in metas if meta.title_id == title]) for title in ADDONS]
    assert [addon.meta for addon in chosen.addons] == [meta for meta in newest if meta is not None]
    taken = [chosen.base, *([best([m for m in updates if m.version == v]) for v in {m.version for m in updates}]), *newest]
    told = sum(issue.kind in ("double", "two-bases", "record") for issue in chosen.issues)
    others = [meta for meta in metas if meta.type == MetaType.ADD_ON_CONTENT and meta.version < max_version(metas, meta.title_id)]
    assert told == len(metas) - len([meta for meta in taken if meta is not None]) - len(others)


def max_version(metas: Sequence[FoundMeta], title: int) -> int:
    return max(meta.version for meta in metas if meta.title_id == title)
