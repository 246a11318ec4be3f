"""RomFS, the file system image of programs, data and mods: built byte for byte as the common builders do, written or virtual."""

from oboromi_fs.builders.romfs.image import RomFsImage, build_romfs, write

__all__ = ["RomFsImage", "build_romfs", "write"]
