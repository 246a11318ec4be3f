"""Zstandard, asked for no more than a caller has room for.

What a frame says of itself is compared with what is expected of it before anything is allocated. The package ``zstandard`` is optional.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oboromi_fs.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

__all__ = ["MAX_RATIO", "MAX_WINDOW", "FrameError", "Frames", "content_size", "decompressed", "zstandard"]

MAX_RATIO = 1 << 15
"""Bytes that one byte can stand for: a block of 128 KiB takes 4 bytes, if all its bytes are equal."""
MAX_WINDOW = 1 << 27
"""Bytes a decompressor looks back, at most: what the strongest setting of the format's own tool takes."""
_CHECKED = 18
"""Bytes that hold any frame header."""


class FrameError(Exception):
    """A frame is damaged, or not what it should be: the message says how. Whoever knows where it lies says that."""


def zstandard() -> ModuleType:
    """Return the package.

    Raises:
        UnsupportedError: It is not installed.
    """
    try:
        import zstandard as module
    except ImportError:
        problem = "the package zstandard is not installed, which compressed NCAs need: pip install 'oboromi-fs[zstd]'"
        raise UnsupportedError(problem, what="NCZ") from None
    return module


def content_size(head: memoryview | bytes) -> int | None:
    """Return how many bytes a frame says it decompresses to; None where it does not say.

    Args:
        head: The frame, or its first bytes.

    Raises:
        FrameError: This is no frame, or its window is larger than any that is set up; the message says which.
        UnsupportedError: The package is not installed.
    """
    module = zstandard()
    try:
        parameters = module.get_frame_parameters(head[:_CHECKED])
    except module.ZstdError as wrong:
        message = f"begins with {bytes(head[:4]).hex()!r}, which no Zstandard frame does ({wrong})"
        raise FrameError(message) from None
    size = int(parameters.content_size)
    if parameters.window_size > MAX_WINDOW:
        message = f"needs a window of {parameters.window_size:#x} bytes, {MAX_WINDOW:#x} are the most that is set up"
        raise FrameError(message)
    return None if size in (module.CONTENTSIZE_UNKNOWN, module.CONTENTSIZE_ERROR) else size


def decompressed(data: memoryview, size: int, decompressor: Any) -> bytes:
    """Return what one frame decompresses to.

    Args:
        data: The frame, and nothing else.
        size: Bytes it must decompress to; so many are allocated, once it is known that so few can stand for them.
        decompressor: A ``ZstdDecompressor``, of which each thread needs its own.

    Raises:
        FrameError: It is damaged, or does not decompress to ``size`` bytes; the message says how.
    """
    said = content_size(data)
    if said is not None and said != size:
        message = f"the frame says {said:#x} bytes, and must decompress to {size:#x}"
        raise FrameError(message)
    if size > len(data) * MAX_RATIO:
        message = f"{size:#x} bytes are more than {len(data):#x} can stand for"
        raise FrameError(message)
    module = zstandard()
    try:
        block: bytes = decompressor.decompress(data, max_output_size=size, allow_extra_data=False)
    except module.ZstdError as wrong:
        message = f"cannot be decompressed to {size:#x} bytes: {wrong}"
        raise FrameError(message) from None
    if len(block) != size:
        message = f"decompresses to {len(block):#x} bytes, and must to {size:#x}"
        raise FrameError(message)
    return block


class Frames:
    """A frame that is decompressed from its start on, so many bytes at a time.

    Args:
        read: Gives the next bytes of the frame, up to a number; none at its end.
    """

    __slots__ = ("_module", "_reader")

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._module = zstandard()
        decompressor = self._module.ZstdDecompressor(max_window_size=MAX_WINDOW)
        self._reader = decompressor.stream_reader(_Source(read), read_size=_INPUT, read_across_frames=False)

    def readinto(self, target: memoryview) -> int:
        """Fill as much of ``target`` as there are bytes, and return how many.

        Raises:
            FrameError: The frame is damaged; the message says how.
        """
        done = 0
        try:
            while done < len(target):
                count = self._reader.readinto(target[done:])
                if not count:
                    break
                done += count
        except self._module.ZstdError as wrong:
            message = f"cannot be decompressed: {wrong}"
            raise FrameError(message) from None
        return done


_INPUT = 1 << 17


class _Source:
    """What the decompressor reads from."""

    __slots__ = ("read",)

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self.read = read
