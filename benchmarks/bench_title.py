"""Titles: opening one that lies in ten files, and loading its program, in a process of its own.

``python benchmarks/bench_title.py`` forges a base, two updates and seven add-ons as ten files in memory, and times a process that opens the
title and lists it, beside one that starts CPython and ends. Our modules are compiled before the clock runs, as an installed package's are.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from side_by_side import workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parent.parent
LIMIT = 0.3
"""Seconds, where CPython starts in 20 ms."""
REFERENCE = 0.020
OPEN = "from oboromi_fs.titles import open_title; title = open_title({folder!r}, keys={keys!r})"
STEPS = {
    "CPython": "pass",
    "open": OPEN,
    "open, list": OPEN + "; title.read_dir()",
    "open, load": OPEN + "; [bytes(segment.data[:1]) for module in title.load_program().modules for segment in module.segments]",
    "open, read": OPEN + "; title.read_bytes('romfs/a.bin')",
}


def make(root: Path) -> int:
    """Forge the title, as the tests do; return the number of files."""
    sys.path.insert(0, str(ROOT))
    from tests.building import VALUES
    from tests.titles import forging

    files = {
        "base.xci": forging.xci(forging.base_title()),
        "update1.nsp": forging.nsp(forging.update_1()),
        "update2.nsp": forging.nsp({**forging.update_2(**forging.locked(forging.UPDATE)), **forging.permit(forging.UPDATE)}),
        "addon0.nsp": forging.nsp(forging.addon(0, forging.ADDON_1)),
        "addon1.nsp": forging.nsp(forging.addon(1, forging.ADDON_2)),
    }
    for number in range(2, 7):
        files[f"addon{number}.nsp"] = forging.nsp(forging.addon_of(forging.ID + 0x1001 + number, forging.ADDON_2))
    forging.put(root / "title", files)
    lines = [f"{name} = {value.hex()}" for name, value in VALUES.items()]
    (root / "prod.keys").write_text("\n".join(lines))
    return len(files)


def timed(script: str, root: Path) -> float:
    """Seconds of a process that runs a script, from its start to its end."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "formats"))), "PYTHONPYCACHEPREFIX": str(root / "compiled")}
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)
    return time.perf_counter() - start


def main(arguments: Sequence[str]) -> int:
    """Measure; the exit code says whether the limit is kept."""
    runs = int(arguments[0]) if arguments else 15
    with workspace() as root:
        count = make(root)
        folder, keys = str(root / "title"), str(root / "prod.keys")
        scripts = {name: script.format(folder=folder, keys=keys) for name, script in STEPS.items()}
        for script in scripts.values():
            timed(script, root)
        found: dict[str, list[float]] = {name: [] for name in scripts}
        for _ in range(runs):
            for name, script in scripts.items():
                found[name].append(timed(script, root))
    start = median(found["CPython"])
    for name, times in found.items():
        print(f"{name:12} {median(times) * 1000:7.1f} ms   {median(times) / start:5.1f} times CPython's start")
    took = median(found["open, list"])
    allowed = LIMIT * start / REFERENCE
    print(f"{count} files: {took:.3f} s, where {LIMIT} s at a start of {REFERENCE * 1000:.0f} ms are {allowed:.3f} s here")
    return 0 if took < allowed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
