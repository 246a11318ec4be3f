from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest

from oboromi_fs.jobs.collection import to_verify, verify_collection
from oboromi_fs.library import Catalogue
from tests.building import KEYS, without
from tests.titles import forging

if TYPE_CHECKING:
    from pathlib import Path

    from oboromi_fs.keys import KeySet
    from oboromi_fs.library import Verification

LOCKED = forging.base_title(**forging.locked(forging.ID))


def verified(folder: Path, kept: Path | None, keys: KeySet = KEYS) -> dict[str, Verification | None]:
    with Catalogue.open(kept, keys) as catalogue:
        catalogue.update([folder])
        wanted = to_verify(catalogue.holdings(), catalogue.keys)
        return {holding.path.removeprefix(f"{folder}"): holding.verification for holding in verify_collection(catalogue, wanted)}


def test_each_place_once(tmp_path: Path) -> None:
    """A folder of loose contents that has a package below it: neither is verified with the other."""
    addon = forging.nsp(forging.addon(0, forging.ADDON_1))
    forging.put(tmp_path, {**forging.base_title(), "below/addon.nsp": addon})
    alone = verified(forging.put(tmp_path / "alone", {"addon.nsp": addon}), None)["/addon.nsp"]
    found = verified(tmp_path, None)
    loose = found[""]
    assert alone is not None
    assert loose is not None
    below = found["/below/addon.nsp"]
    assert below is not None
    assert (below.ok, below.failed, below.skipped, below.verdict) == (alone.ok, 0, 0, "ok")
    assert (loose.failed, loose.skipped, loose.verdict) == (0, 0, "ok")
    whole = verified(forging.put(tmp_path / "whole", forging.base_title()), None)[""]
    assert whole is not None
    assert 0 < loose.ok <= whole.ok


def test_what_fails_is_told(tmp_path: Path) -> None:
    data = bytearray(forging.nsp(forging.base_title()))
    data[len(data) // 2] ^= 1
    forging.put(tmp_path, {"a.nsp": bytes(data), "b.nsp": b"", "c.xci": b"HEAD" * 500})
    found = verified(tmp_path, None)
    assert [each.verdict for each in found.values() if each is not None] == ["failed", "failed", "failed"]
    first = found["/a.nsp"]
    assert first is not None
    assert first.problems
    assert all(problem.startswith(f"{tmp_path}/a.nsp/") for problem in first.problems)


def test_a_key_that_was_missing_and_is_there(tmp_path: Path) -> None:
    kept = tmp_path / "library.sqlite"
    folder = forging.put(
        tmp_path / "dumps", {"a.nsp": forging.nsp({**LOCKED, **forging.permit(forging.ID)}), "b.nsp": forging.nsp(forging.base_title())}
    )
    few = without("titlekek_02")
    found = verified(folder, kept, few)
    lacking = found["/a.nsp"]
    assert lacking is not None
    assert (lacking.verdict, lacking.keys) == ("unsure", ("titlekek_02",))
    assert verified(folder, kept, few) == {}
    again = verified(folder, kept)
    assert list(again) == ["/a.nsp"]
    assert again["/a.nsp"] is not None
    assert again["/a.nsp"].verdict == "ok"
    assert verified(folder, kept) == {}


def test_interrupted_what_was_verified_is_kept(tmp_path: Path) -> None:
    kept = tmp_path / "library.sqlite"
    base = forging.nsp(forging.base_title())
    folder = forging.put(tmp_path / "dumps", {"a.nsp": base, "b.nsp": base, "c.nsp": base})

    def stop(done: int, total: int, path: str) -> None:
        assert 0 <= done <= total == 3 * len(base)
        if "/b.nsp" in path:
            raise KeyboardInterrupt

    with Catalogue.open(kept, KEYS) as catalogue:
        catalogue.update([folder])
        with pytest.raises(KeyboardInterrupt):
            list(verify_collection(catalogue, catalogue.holdings(), progress=stop))
    assert list(verified(folder, kept)) == ["/b.nsp", "/c.nsp"]


def test_an_update_that_is_whole_needs_no_base(tmp_path: Path) -> None:
    """What its patch takes of the base cannot be read; that all of its own bytes are right is known nevertheless."""
    members = forging.update_1()
    data = bytearray(forging.nsp(members))
    data[-0x300] ^= 1
    found = verified(forging.put(tmp_path, {"whole.nsp": forging.nsp(members), "bad.nsp": bytes(data)}), None)
    assert [(path, each.verdict) for path, each in found.items() if each] == [("/bad.nsp", "failed"), ("/whole.nsp", "ok")]


def test_what_the_host_refused_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, kept = forging.put(tmp_path / "dumps", {"a.nsp": forging.nsp(forging.base_title())}), tmp_path / "library.sqlite"
    real = os.open

    def refuse(path: Any, *arguments: Any, **options: Any) -> int:
        if os.fsdecode(path).endswith("a.nsp"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return real(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with Catalogue.open(kept, KEYS) as catalogue:
            catalogue.update([folder])
            (holding,) = catalogue.holdings()
            assert [(issue.kind, issue.text) for issue in holding.issues] == [("refused", "Permission denied")]
        assert [each.verdict for each in verified(folder, kept).values() if each] == ["failed"]
    with Catalogue.open(kept, KEYS) as catalogue:
        catalogue.update([folder])
        assert [title.name() for title in catalogue.titles()] == ["Hazy Moon"]
        assert [holding.verification for holding in catalogue.holdings()] == [None]
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        assert [each.verdict for each in verified(folder, kept).values() if each] == ["failed"]
    assert [each.verdict for each in verified(folder, kept).values() if each] == ["ok"]
