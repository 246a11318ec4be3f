from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oboromi_fs.errors import CorruptError
from oboromi_fs.splitparts import parts_listed, split_parts

if TYPE_CHECKING:
    from pathlib import Path


def test_what_somebody_names_is_taken_where_a_listing_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "anything"
    folder.mkdir()
    (folder / "00").write_bytes(b"12")
    (folder / "01").write_bytes(b"345")
    parts = [str(folder / "00"), str(folder / "01")]
    assert (split_parts(str(folder)), parts_listed(str(folder))) == (parts, [])
    named = folder.rename(tmp_path / "a.nsp")
    assert parts_listed(str(named)) == []  # The last part is the longest.
    (named / "00").write_bytes(b"1234")
    assert parts_listed(str(named)) == [str(named / "00"), str(named / "01")]
    (named / "03").write_bytes(b"1")
    assert parts_listed(str(named)) == []
    with pytest.raises(CorruptError, match="part 02 is missing"):
        split_parts(str(named))
