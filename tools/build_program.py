"""Build testdata/program anew: compile the sources, link them into an NSO, and pack that into an NSP with its RomFS.

Run from the root of a checkout, where ``aarch64-linux-gnu-gcc`` is installed (Debian: gcc-aarch64-linux-gnu). ``--check`` compiles and
packs into memory, and tells whether the result is what is there.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

from oboromi_formats.cnmt import MetaType
from oboromi_fs import HostFs, KeySet, MemoryFs, Storage
from oboromi_fs.builders.cnmt import build_cnmt, content_of, meta_image
from oboromi_fs.builders.nca import NcaBuilder, nca_layout
from oboromi_fs.builders.nso import build_nso
from oboromi_fs.builders.nsp import build_nsp
from oboromi_fs.builders.pfs0 import build_pfs0
from oboromi_fs.builders.romfs import RomFsImage
from oboromi_fs.metadata import Nacp, Npdm

FOLDER = Path(__file__).parent.parent / "testdata" / "program"
TITLE = 0x0100FEEDC0DE0000
COMPILER = "aarch64-linux-gnu-gcc"
OPTIONS = (
    *("-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-mgeneral-regs-only", "-mcpu=cortex-a57"),
    *("-ffreestanding", "-fno-builtin", "-fPIE", "-fvisibility=hidden", "-fno-stack-protector", "-fno-asynchronous-unwind-tables"),
    *("-nostdlib", "-static", "-Wl,-T,link.ld", "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments"),
)


def run(*command: str) -> str:
    """Run a program of the compiler's in the folder of the sources; return what it prints."""
    return subprocess.run(command, cwd=FOLDER, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603  # All is said above.


def compiled(folder: Path) -> dict[str, bytes]:
    """Return text, ro and data of the linked program, and the size of its bss as text."""
    elf = folder / "hello.elf"
    run(COMPILER, *OPTIONS, "start.S", "hello.c", "-o", str(elf))
    parts = {}
    for name, section in (("text", ".text"), ("ro", ".rodata"), ("data", ".data")):
        target = folder / name
        run(COMPILER.replace("gcc", "objcopy"), "-O", "binary", "-j", section, str(elf), str(target))
        parts[name] = target.read_bytes()
    listing = run(COMPILER.replace("gcc", "size"), "-A", "-d", str(elf))
    parts["bss"] = next(line.split()[1] for line in listing.splitlines() if line.startswith(".bss")).encode()
    return parts


def packed(parts: dict[str, bytes], keys: KeySet) -> tuple[bytes, bytes]:
    """Return the NSO, and the NSP."""
    text, ro, data = parts["text"], parts["ro"], parts["data"]
    build_id = hashlib.sha256(text + ro + data).digest()[:20]
    main = build_nso(text, ro, data, bss_size=int(parts["bss"]), module_id=build_id, module_name=b"\0")[:].tobytes()
    npdm = Npdm.from_dict({"program_id": f"{TITLE:#018x}", "name": "hello", "syscalls": [1, 2, 3, 4], "main_thread_stack_size": 0x8000})
    nacp = Nacp.from_dict({"name": "Hello", "publisher": "oboromi_fs", "version": "1.0.0", "title_id": f"{TITLE:#018x}"})
    exefs = build_pfs0(MemoryFs({"main": main, "main.npdm": npdm.to_bytes()}))
    images = [
        ("program", {"exefs": exefs, "romfs": RomFsImage(HostFs(FOLDER / "romfs"))}),
        ("control", {"romfs": RomFsImage(MemoryFs({"control.nacp": nacp.to_bytes()}))}),
    ]
    members: dict[str, Storage] = {}
    contents = []
    for kind, sections in images:
        built, storage = NcaBuilder(nca_layout(kind, TITLE), sections, keys).build()  # type: ignore[arg-type]  # Both are kinds.
        members[built.name] = storage
        contents.append(content_of(built, TITLE))
    cnmt = build_cnmt(TITLE, MetaType.APPLICATION, contents)
    built, storage = NcaBuilder(nca_layout("meta", TITLE), {"data": meta_image(cnmt)}, keys).build()
    members[built.name] = storage
    return main, build_nsp(members)[:].tobytes()


def main() -> int:
    """Build or check; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if what is there differs")
    options = parser.parse_args()
    keys = KeySet.load(FOLDER.parent / "keys" / "prod.keys")
    with tempfile.TemporaryDirectory() as folder:
        nso, nsp = packed(compiled(Path(folder)), keys)
    if options.check:
        same = (FOLDER / "main").read_bytes() == nso and (FOLDER / "hello.nsp").read_bytes() == nsp
        print("up to date" if same else "testdata/program differs from what its sources give here")
        return 0 if same else 1
    (FOLDER / "main").write_bytes(nso)
    (FOLDER / "hello.nsp").write_bytes(nsp)
    print(f"main: {len(nso)} bytes, hello.nsp: {len(nsp)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
