"""``title``: base, update, add-on content and mods as one. One module per group of its verbs."""

from __future__ import annotations

__all__ = ["EPILOG", "SEVERAL", "VALUED", "VERBS"]

VERBS = {
    "info": ("about", "which base, update, add-on content and mods are taken, and what is missing or contradicts"),
    "ls": ("reading", "the names in a directory of the title"),
    "tree": ("reading", "the same as a drawing, all levels"),
    "cat": ("reading", "the bytes of a file"),
    "find": ("reading", "the paths that match a pattern"),
    "extract": ("reading", "write what is below a path into a folder"),
    "explain": ("about", "what provides a path: the game, or which mod, and what that overrides"),
}
"""Verb -> its module in this package, and what it does."""

SEVERAL = ("extract", "find")
"""Verbs that take any number of words."""

VALUED = ("-f", "--from", "--title", "--update", "--mods", "--profile")
"""Options of all these verbs that are followed by a value."""

EPILOG = """\
A title is put together from files and folders that are given with -f: packages, cards, loose NCAs, extracted folders, and mods beside
them. Of everything the newest is taken. Its parts are exefs/ romfs/ control/ manual/ legal/ logo/, addons/ID/ and programs/INDEX/:
  oboromi title info -f game.xci -f update.nsp -f dlc/
  oboromi title cat romfs/data/a.bin -f dumps/ --title 0100abcdef000000 --mods /media/sdcard --profile atmosphere

exit codes: 0 done, 1 nothing found, 2 usage, 3 the input is damaged, 4 a key is missing, 5 no such path, 6 the host refused
`oboromi title VERB --help` tells more of a verb."""
