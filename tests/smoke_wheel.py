"""What a user gets: build the wheel, install it alone in an empty environment, and use it there.

Run by ``make test``. The environment sees neither the project's folder nor the tools of its tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

IMPORT_SCRIPT = """
import importlib.metadata, json, sys
import oboromi_formats, oboromi_fs
from oboromi_fs import open_fs

for package in (oboromi_formats, oboromi_fs):
    assert package.__file__.startswith(sys.prefix), package.__file__
assert importlib.metadata.version("oboromi-fs") == oboromi_fs.__version__
with open_fs(sys.argv[1]) as fs:
    print(json.dumps({path: entry.size for path, entry in fs.walk() if entry.kind == "file"}))
"""


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command away from the project, and give what it prints; its messages stay visible."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(command, cwd=cwd, env=clean, check=True, stdout=subprocess.PIPE, text=True).stdout


def check_contents(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    version = wheel.name.split("-")[1]
    tops = {name.split("/")[0] for name in names}
    assert tops == {"oboromi_formats", "oboromi_fs", f"oboromi_fs-{version}.dist-info"}, tops
    for needed in ("oboromi_formats/py.typed", "oboromi_fs/py.typed", f"oboromi_fs-{version}.dist-info/licenses/LICENSE"):
        assert needed in names, f"{needed} is not in the wheel"
    code = {path.relative_to(base).as_posix() for base in (ROOT, ROOT / "formats") for path in base.glob("oboromi_*/**/*.py")}
    assert code <= set(names), f"not in the wheel: {sorted(code - set(names))}"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="oboromi-wheel-") as name:
        away = Path(name).resolve()
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
        run(*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", away, ROOT, cwd=away)
        (wheel,) = away.glob("*.whl")
        check_contents(wheel)

        venv.create(away / "env", with_pip=False)
        bin_dir = away / "env" / "bin"
        constraints = ("--constraint", ROOT / "constraints-dev.txt")
        run(*pip, "--python", bin_dir / "python", "install", "--quiet", *constraints, wheel, cwd=away)

        version = wheel.name.split("-")[1]
        assert version in run(bin_dir / "oboromi", "--version", cwd=away).split()
        assert run(bin_dir / "oboromi", "demo", away / "demo", cwd=away).strip()
        archive = "romfs/tiny.st.romfs"
        expected = json.loads((ROOT / "testdata" / "manifest.json").read_text(encoding="utf-8"))[archive]["files"]
        found = json.loads(run(bin_dir / "python", "-c", IMPORT_SCRIPT, ROOT / "testdata" / archive, cwd=away))
        assert found == {path: entry["size"] for path, entry in expected.items()}, found
        print(f"{wheel.name}: built, installed alone, and works")


if __name__ == "__main__":
    main()
