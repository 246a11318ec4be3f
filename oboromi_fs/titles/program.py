"""A program ready to be mapped: modules in load order, their segments decompressed and patched, and what the NPDM says of the process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from oboromi_formats.npdm import AddressSpace, MetaFlags
from oboromi_fs._decode import corrupt
from oboromi_fs.errors import CorruptError, EntryNotFoundError, IsADirectoryEntryError, NotThisFormatError
from oboromi_fs.executables.nso import Nso
from oboromi_fs.executables.segment import MAX_IMAGE, Zeros, aligned, layout_problems
from oboromi_fs.mods.names import MODULES, NPDM
from oboromi_fs.storage.concat import ConcatStorage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from oboromi_fs.executables.mod0 import Mod0
    from oboromi_fs.executables.segment import SegmentName
    from oboromi_fs.metadata.npdm import Npdm
    from oboromi_fs.protocols import FileSystem, Storage

__all__ = ["LoadedModule", "LoadedProgram", "LoadedSegment", "MainThread", "load_program"]

_BITS = {AddressSpace.BITS_32: 32, AddressSpace.BITS_36: 36, AddressSpace.BITS_32_NO_RESERVED: 32, AddressSpace.BITS_39: 39}


class MainThread(NamedTuple):
    """What the first thread is started with: priority (0 the highest, 63 the lowest), core, and bytes of stack."""

    priority: int
    core: int
    stack_size: int


@dataclass(frozen=True, slots=True)
class LoadedSegment:
    """One segment of a module.

    Attributes:
        name: ``text``, ``ro`` or ``data``.
        offset: First byte, from the start of the program's code; a multiple of 0x1000.
        size: Bytes of data.
        memory_size: Bytes to map, in whole pages; what lies behind the data is zeros. That of ``data`` includes the module's bss.
        permissions: ``r-x``, ``r--`` or ``rw-``.
        storage: The data, decompressed and patched at the first look.
    """

    name: SegmentName
    offset: int
    size: int
    memory_size: int
    permissions: str
    storage: Storage

    @property
    def data(self) -> memoryview:
        """The data, ``size`` bytes, read-only: a view of the mapped file where they are stored as they are, else made once or copied.

        Raises:
            FormatError, MissingKeyError: They cannot be read.
        """
        return self.storage[:].toreadonly()

    def array(self) -> NDArray[np.uint8]:
        """Return the data as an array of shape (``size``,), read-only, without copying :attr:`data`."""
        import numpy as np

        return np.frombuffer(self.data, dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class LoadedModule:
    """One module.

    Attributes:
        name: As its file is called: ``rtld``, ``main``, ``subsdk0`` … ``sdk``.
        offset: First byte, from the start of the program's code; a multiple of 0x1000.
        size: Bytes it takes in memory, in whole pages.
        segments: Text, ro and data, in that order.
        bss_offset: First byte of the zeros behind the data, from the start of the program's code.
        bss_size: How many there are.
        nso: The executable, patched if there are patches.
    """

    name: str
    offset: int
    size: int
    segments: tuple[LoadedSegment, ...]
    bss_offset: int
    bss_size: int
    nso: Nso

    @property
    def build_id(self) -> str:
        """The build id: 64 hexadecimal digits, upper case."""
        return self.nso.build_id

    def path(self) -> str:
        """Return the path that the module had when it was built; ``""`` where it does not say.

        Raises:
            FormatError: The segment that says it cannot be read.
        """
        return self.nso.module_path()

    def mod0(self) -> Mod0 | None:
        """Return the module header, None where there is none. Its offsets count from the start of the module.

        Raises:
            FormatError: A segment cannot be read, or the header would lie outside.
        """
        try:
            return self.nso.mod0()
        except NotThisFormatError:
            return None

    def image(self) -> Storage:
        """Return the module as it lies in memory, :attr:`size` bytes: its segments, the zeros between them, and bss."""
        pieces: list[Storage] = []
        end = self.offset
        for segment in self.segments:
            pieces += [Zeros(segment.offset - end), segment.storage]
            end = segment.offset + segment.size
        pieces.append(Zeros(self.offset + self.size - end))
        return ConcatStorage([piece for piece in pieces if piece.size])

    def segment(self, name: SegmentName) -> LoadedSegment:
        """Return a segment by name."""
        return next(each for each in self.segments if each.name == name)


@dataclass(frozen=True, slots=True)
class LoadedProgram:
    """A program ready to be mapped.

    Modules lie one behind the other, from offset 0 of the code, each at the start of a page, in load order. Where offset 0 is in memory is
    the emulator's choice; the code is independent of its position.

    Attributes:
        program_id: From the NPDM, or else as the title has it.
        modules: In load order.
        npdm: What the process may do; None where there is no ``main.npdm``.
        romfs: The RomFS as an image, None where there is none.
    """

    program_id: int
    modules: tuple[LoadedModule, ...]
    npdm: Npdm | None = None
    romfs: Storage | None = None

    @property
    def name(self) -> str:
        """The process's name, as the NPDM has it."""
        return self.npdm.name if self.npdm is not None else ""

    @property
    def entry(self) -> int:
        """Where execution starts, from the start of the code: the first module's text."""
        return self.modules[0].segments[0].offset

    @property
    def size(self) -> int:
        """Bytes of code and data in memory, in whole pages."""
        last = self.modules[-1]
        return last.offset + last.size

    @property
    def is_64_bit(self) -> bool:
        """Whether it is AArch64 code; AArch32 otherwise."""
        return self.npdm is None or bool(self.npdm.flags & MetaFlags.IS_64_BIT)

    @property
    def address_space_bits(self) -> int:
        """Width of the address space: 32, 36 or 39 bits; 39 where nobody says."""
        space = self.npdm.address_space if self.npdm is not None else AddressSpace.BITS_39
        return _BITS[AddressSpace(space)] if space in tuple(AddressSpace) else 39

    @property
    def main_thread(self) -> MainThread | None:
        """What the first thread is started with; None without an NPDM."""
        npdm = self.npdm
        return None if npdm is None else MainThread(npdm.main_thread_priority, npdm.main_thread_core, npdm.main_thread_stack_size)

    @property
    def syscalls(self) -> frozenset[int] | None:
        """Numbers of the system calls that the process may make; None without an NPDM."""
        if self.npdm is None:
            return None
        from oboromi_fs.metadata.capabilities import Syscalls

        capabilities = self.npdm.aci0.kernel_capabilities
        return frozenset(call for each in capabilities if isinstance(each, Syscalls) for call in each.calls)

    def image(self) -> Storage:
        """Return the whole program as it lies in memory, :attr:`size` bytes: every module, the zeros between segments, and bss.

        ``program.image().readinto_at(0, memory)`` fills a buffer in one go. Segments are decompressed at the first look.
        """
        return ConcatStorage([piece for module in self.modules if (piece := module.image()).size])

    def problems(self) -> tuple[str, ...]:
        """Tell what a console would refuse to run, and is no hindrance to an emulator; nothing about most programs."""
        found = [] if any(module.name == "main" for module in self.modules) else ["there is no main"]
        if self.npdm is None:
            return (*found, f"there is no {NPDM}")
        from oboromi_fs.metadata.plausibility import findings

        return (*found, *(f"{NPDM}: {finding.text}" for finding in findings(self.npdm) if finding.is_wrong))

    def module(self, name: str) -> LoadedModule:
        """Return a module by the name of its file.

        Raises:
            EntryNotFoundError: There is none.
        """
        for each in self.modules:
            if each.name == name:
                return each
        raise EntryNotFoundError(name, f"no such module: there are {', '.join(each.name for each in self.modules)}")


def load_program(exefs: FileSystem, *, romfs: Storage | None = None, program_id: int = 0) -> LoadedProgram:
    """Return the program of an ExeFS, ready to be mapped.

    Only headers are read, and the NPDM; segments are decompressed at the first look.

    Args:
        exefs: Any file system with ``main`` and, as far as there are, ``rtld``, ``subsdk0`` … ``sdk`` and ``main.npdm``.
        romfs: The program's RomFS, as an image.
        program_id: For a program without an NPDM.

    Raises:
        EntryNotFoundError: There is no module.
        FormatError: A module is none, its segments overlap or run over its end; or the NPDM is damaged. The error names it.
    """
    modules: list[LoadedModule] = []
    offset = 0
    for name in MODULES:
        storage = _file(exefs, name)
        if storage is None:
            continue
        module = _module(name, storage, offset)
        modules.append(module)
        offset += module.size
        if offset > MAX_IMAGE:
            problem = f"modules up to {name} take {offset:#x} bytes in memory, {MAX_IMAGE:#x} are the most"
            raise corrupt(problem, what=f"module {name}", storage=storage, offset=0)
    if not modules:
        raise EntryNotFoundError("main", "no module to run: an ExeFS has main, and rtld, subsdk0 ... subsdk9 and sdk as needed")
    found = _file(exefs, NPDM)
    npdm = None
    if found is not None:
        from oboromi_fs.metadata.npdm import Npdm

        npdm = Npdm.read(found)
        program_id = npdm.aci0.program_id
    return LoadedProgram(program_id, tuple(modules), npdm, romfs)


def _file(exefs: FileSystem, name: str) -> Storage | None:
    try:
        return exefs.storage(name)
    except (EntryNotFoundError, IsADirectoryEntryError):
        return None


def _module(name: str, storage: Storage, offset: int) -> LoadedModule:
    try:
        nso = Nso(storage)
    except NotThisFormatError as wrong:
        raise CorruptError(wrong.problem, what=f"module {name}", source=wrong.source, offset=wrong.offset, field=wrong.field) from wrong
    problems = layout_problems(nso.segments, storage.size)
    if problems:
        raise corrupt("; ".join(problems), what=f"module {name}", storage=storage, offset=0x10)
    segments = [
        LoadedSegment(
            each.name,
            offset + each.memory_offset,
            each.size,
            aligned(each.size + (nso.bss_size if each.name == "data" else 0)),
            each.permissions,
            nso.segment(each.name),
        )
        for each in nso.segments
    ]
    bss = offset + nso.segments[2].memory_end
    return LoadedModule(name, offset, nso.image_size, tuple(segments), bss, nso.bss_size, nso)
