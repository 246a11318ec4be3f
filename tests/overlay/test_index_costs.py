"""What the provider index costs: steps are counted, never timed."""

from __future__ import annotations

import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from oboromi_fs import MemoryFs
from oboromi_fs.overlay.cuts import clashes
from oboromi_fs.overlay.index import ProviderIndex
from oboromi_fs.overlay.layer import Case, Layer
from oboromi_fs.overlay.names import Names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


def loose(name: str, *paths: str, case: Case = "exact") -> Layer:
    return Layer(MemoryFs(dict.fromkeys(paths, b"")), name, case=case)


def spellings(count: int) -> list[str]:
    """One name in different cases, 256 at most."""
    return [format(number, "08b").translate({48: "a", 49: "A"}) for number in range(count)]


def steps(work: Callable[[], object]) -> int:
    """How many steps of Python our own code takes for a piece of work."""
    count = 0

    def trace(frame: Any, event: str, _: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode" and "oboromi_fs" in frame.f_code.co_filename
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(previous)
    return count


def test_V9_settling_costs_as_much_as_there_are_clashes() -> None:
    def of(count: int) -> int:
        paths = [path for number in range(count) for path in (f"n{number}", f"N{number}/x", f"m{number}/x", f"M{number}")]
        mod = Layer(MemoryFs(dict.fromkeys(paths, b"")), "mod", case="fold")
        return steps(lambda: ProviderIndex.build([mod]))

    assert of(200) < 2.5 * of(100)


def test_V9_clashes_of_many_spellings_are_looked_at_once_each() -> None:
    def of(count: int) -> int:
        low, high = loose("low", *spellings(count)), loose("high", *(f"{each}/x" for each in spellings(count)), case="fold")
        names = ProviderIndex.build([low, high]).state
        rows, starts = names.stacks.rows, names.stacks.starts
        return sum(1 for _ in clashes(names.names, names.tree, rows, starts, names.spelled))

    assert of(40) == 2 * of(20) == 4 * of(10)


@pytest.mark.parametrize("case", ["exact", "fold"])
def test_V16_a_batch_costs_as_much_as_it_has_files(case: Case) -> None:
    def of(count: int) -> int:
        files = {"z": b"", **{f"k/.wh.{number}": b"" for number in range(count)}}
        mod = Layer(MemoryFs(files, dirs=[f"d{number}" for number in range(count)]), "mod", case=case)
        index = ProviderIndex.build([loose("base", "z", *(f"e/{number}" for number in range(count))), mod])
        pushes = [*((f"d{number}", 1) for number in range(count)), *(("e", 1) for _ in range(count))]
        return steps(lambda: index.push_provider_batch(pushes))

    assert of(200) < 2.5 * of(100)


def test_V16_pushing_looks_for_no_file_among_all_versions_again_and_again() -> None:
    def of(count: int) -> int:
        """One name in many spellings, as which a source above has files, and many files to go below it."""
        index = ProviderIndex.build([loose("mod", "z", case="fold"), loose("base", *spellings(count))])
        return steps(lambda: index.push_provider_batch([(f"aaaaaaaa/{number}", 0) for number in range(count)]))

    assert of(80) < 2.5 * of(40)


@pytest.mark.parametrize("count", [100, 200])
def test_names_that_come_singly_are_not_gone_through_each_time(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = 0

    def counted(names: Iterable[str], *bounds: int | None) -> Iterator[str]:
        def each() -> Iterator[str]:
            nonlocal taken
            for name in names:
                taken += 1
                yield name

        return islice(each(), *bounds)

    monkeypatch.setattr("oboromi_fs.overlay.names.islice", counted)
    names = Names()
    folder = names.folder("d")
    for number in range(count):
        names.add(folder, [str(number)])
    assert names.add(folder, ["x", "0", "y"]) == [count, 0, count + 1]
    assert names.names == [*map(str, range(count)), "x", "y"]
    assert taken <= 2 * count


def test_V8_many_spellings_of_a_name_are_not_compared_each_with_each() -> None:
    def of(count: int) -> int:
        """Directories and files in many spellings where case counts, deleted ones among them, below one that folds."""
        half = spellings(count)[::2]
        low = loose("low", *(f"d/{each}" for each in spellings(count)), *(f"{each}/{each}" for each in spellings(count)))
        high = loose("high", *(f"d/.wh.{each}" for each in half), *(f"{each}/.wh.{each}" for each in half), "d/b")
        return steps(lambda: ProviderIndex.build([low, high, loose("top", "z/z", "d/AAAAAAAA", case="fold")]))

    assert of(100) < 2.5 * of(50)
