"""A title as an SD card holds it: every content a NAX0 file, each in the folder that its id leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs import KeySet
from oboromi_fs.titles import open_title
from tests.building import VALUES
from tests.forged_nax0 import SD_KEYS, nax0, sd_path
from tests.titles import forging

if TYPE_CHECKING:
    from pathlib import Path


def test_a_title_on_a_card(tmp_path: Path) -> None:
    for name, data in {**forging.base_title(), **forging.update_2()}.items():
        path = sd_path(name[:32])
        forging.put(tmp_path / "Nintendo" / "Contents", {path[1:]: nax0(data, path)})
    with open_title(tmp_path, keys=KeySet({**VALUES, **SD_KEYS})) as title:
        assert title.issues == ()
        assert title.read_bytes("romfs/data/new.txt") == b"update 2 new\n"
        assert title.read_bytes("exefs/main") == forging.EXEFS_2["main"]
