"""``overlay``: many layers as one. One module per group of its verbs."""

from __future__ import annotations

__all__ = ["EPILOG", "SEVERAL", "VALUED", "VERBS"]

VERBS = {
    "ls": ("reading", "the names in a directory of the merged view"),
    "tree": ("reading", "the same as a drawing, all levels"),
    "cat": ("reading", "the bytes of a file"),
    "find": ("reading", "the paths that match a pattern"),
    "find-file": ("reading", "which file a path is, whatever its case"),
    "extract": ("reading", "write what is below a path into a folder"),
    "layers": ("reporting", "the layers by number and name, and whether each could be opened"),
    "explain": ("explaining", "which layer provides a path, whom it overrides, and what is hidden by what"),
    "duplicates": ("reporting", "the paths that more than one layer has"),
    "conflicts": ("reporting", "which layers override which, and where"),
    "shadowed": ("reporting", "layers and files that others override"),
    "contributions": ("reporting", "how much each layer provides, overrides and loses"),
    "remaining": ("reporting", "files of a folder or layer that are not overridden"),
    "archives": ("reporting", "the layers that are archives, and how much of each wins"),
    "archive-list": ("reporting", "the files of the archives, and which of them win"),
    "diff": ("comparing", "two layers, two stacks, or the merged view and a folder"),
    "simulate": ("comparing", "what another order, or one more layer, would change"),
    "semantic": ("explaining", "whether the versions of a path differ in meaning, or in form alone"),
    "lock": ("locking", "write down which version of every file wins"),
    "drift": ("locking", "what has changed since a lock was written"),
    "validate": ("locking", "whether every layer can be read to the end, and nothing is ambiguous"),
    "collapse": ("making", "the merged view as a folder: copies or links"),
    "romfs": ("making", "the merged view as a RomFS image"),
    "exefs": ("loading", "the merged ExeFS as a PFS0, which consoles and emulators load as exefs.nsp"),
    "diff-mod": ("sharing", "what differs between two trees as a mod that holds nothing of the first"),
    "run": ("making", "a program on the merged view; what it changes becomes a layer of its own"),
}
"""Verb -> its module in this package, and what it does."""

SEVERAL = ("diff", "extract", "find", "simulate")
"""Verbs that take any number of words."""

VALUED = ("-l", "--layer", "-s", "--stack", "--case", "--profile", "--mods", "--title", "--update", "--disable")
"""Options of all these verbs that are followed by a value."""

EPILOG = """\
Layers are given from the lowest to the highest; the later wins:
  oboromi overlay explain data/a.bin -l game.nsp/@program/romfs -l mods/a -l mods/b
or in a TOML file, so that a load order can lie in version control:
  oboromi overlay conflicts -s mods.toml
or found as a tool finds mods, over a game; its parts are then romfs/, exefs/ and manual/:
  oboromi overlay explain romfs/data/a.bin --profile yuzu --mods USER_FOLDER --title 0100abcdef000000 --base game.nsp

exit codes: 0 done, 1 the answer is no (drift, not valid, nothing found), 2 usage, 3 a layer is damaged, 4 a key is missing, 5 no such path,
  6 the host refused; run passes on that of the program
`oboromi overlay VERB --help` tells more of a verb."""
