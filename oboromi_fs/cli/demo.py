"""``demo``: a small made-up game, and what the other verbs make of it."""

from __future__ import annotations

import io
import os
import shlex
from contextlib import chdir, redirect_stdout
from typing import TYPE_CHECKING

from oboromi_fs.cli.failures import DONE, INTERRUPTED, NO, PIPE, TERMINATED
from oboromi_fs.opening import open_fs

if TYPE_CHECKING:
    import argparse

    from oboromi_fs.cli.console import Console
    from oboromi_fs.cli.demogame import DemoGame
    from oboromi_fs.cli.session import Session

__all__ = ["demo_arguments", "run_demo"]

_CONFIG = "data/config.json"
_MODS = {
    f"mods/hard/{_CONFIG}": b'{"lives": 1, "gravity": 9.81, "language": "en"}\n',
    "mods/hard/text/.wh.fr.json": b"",
    f"mods/kind/{_CONFIG}": b'{"lives": 9, "gravity": 9.81, "language": "en"}\n',
    "mods/kind/text/de.json": '{"title": "Dunstiger Mond", "start": "Beliebige Taste drücken"}\n'.encode(),
}
"""Files of two made-up mods."""


def demo_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``demo`` takes."""
    parser.description = (
        "Build a small made-up game with made-up keys and two mods; look into it, read, extract and check it, and lay the mods over it.\n"
        "In DIR, where everything stays; without, in a temporary folder that is removed at the end."
    )
    parser.add_argument("directory", metavar="DIR", nargs="?")


def run_demo(session: Session, options: argparse.Namespace) -> int:
    """Show what there is to show; done only if all of it worked."""
    if options.directory is not None:
        os.makedirs(options.directory, exist_ok=True)
        return _show(session, options.directory, stays=True)
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="oboromi-demo-") as directory:
        return _show(session, directory, stays=False)


def _show(session: Session, directory: str, *, stays: bool) -> int:
    from oboromi_fs.cli.demogame import demo_game

    console = session.console
    game = demo_game(directory)
    where = f"in {console.name(directory)}" if stays else "in a temporary folder"
    with chdir(directory):
        show = _Show(console, game, json=session.json)
        show.say(f"A made-up game with made-up keys, {where}: game.nsp, a package, game.xci, a card, and prod.keys.\n")
        code = show.run()
    if session.json:
        console.json({"directory": directory if stays else None, "steps": show.steps, "failed": show.failed})
    return code


class _Stopped(Exception):  # noqa: N818  # A signal came, or nobody reads on; not an error of the demo.
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class _Show:
    """The demo, step by step, in the current folder."""

    def __init__(self, console: Console, game: DemoGame, *, json: bool) -> None:
        self.console = console
        self.json = json
        self.steps: list[dict[str, str | int]] = []
        self.game = game
        self.failed: list[str] = []

    def run(self) -> int:
        textures = {path: data for path, data in self.game.romfs.items() if path.startswith("textures/")}
        config = f"game.nsp/@program/romfs/{_CONFIG}"
        try:
            self.step("What is it?", "info", "game.nsp")
            self.step("What is on the card?", "ls", "-R", "-l", "game.xci")
            self.step("Paths go on inside containers: the program in the package, decrypted as it is read.", "tree", "game.nsp/@program")
            self.step("One file out of the middle of it,", "cat", config)
            self.step("and how its bytes get here.", "stat", config)
            self.step("Some files, onto the disk;", "extract", "game.nsp/@program/romfs", "textures/*", "-o", "extracted", "--overwrite")
            self.expect("the extracted files are those of the game", _files("extracted") == textures)
            self.step("their digests, taken from the card,", "hash", "game.xci/@program/romfs/textures")
            self.step("and every hash there is.", "verify", "game.nsp")
            self.overlay()
        except _Stopped as stopped:
            return stopped.code
        if self.failed:
            self.say(f"\nNot everything worked: {'; '.join(self.failed)}.\n")
            return NO
        self.say(
            "\nShown: looking into a package and a card, reading, extracting and checking files through all layers, and mods over them.\n"
        )
        return DONE

    def overlay(self) -> None:
        """Lay two mods over the game."""
        layers = ["-l", "game.nsp/@program/romfs", "-l", "mods/hard", "-l", "mods/kind"]
        for path, data in _MODS.items():
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as stream:
                stream.write(data)
        self.step("Two mods over the game: what is in the merged view?", "overlay", "ls", "-R", *layers)
        self.step("Which of them wins, and why?", "overlay", "explain", _CONFIG, *layers)
        self.step("Do they differ in more than form?", "overlay", "semantic", _CONFIG, *layers)
        self.step("The result as an image that an emulator loads;", "overlay", "romfs", "-o", "merged.romfs", *layers)
        self.step("the file in it is the one that won.", "cat", f"merged.romfs/{_CONFIG}")
        with open_fs("merged.romfs", {}) as merged:
            self.expect("the merged image has what won", merged.read_bytes(_CONFIG) == _MODS[f"mods/kind/{_CONFIG}"])
            self.expect("the merged image lacks what was deleted", not merged.exists("text/fr.json"))

    def say(self, text: str) -> None:
        """Write what leads from step to step; a document has no room for it."""
        if not self.json:
            self.console.write(text)

    def step(self, text: str, *arguments: str) -> None:
        """Run a command as a user would, after saying what it is."""
        from oboromi_fs.cli.main import main

        shown = shlex.join(["oboromi", *arguments, "--keys", "prod.keys"])
        self.say(f"\n{self.console.paint(text, 'faint')}\n$ {shown}\n")
        self.console.flush()
        words = [*arguments, "--keys", "prod.keys"]
        if self.json:
            output = io.BytesIO()
            with redirect_stdout(io.TextIOWrapper(output, "utf-8", "surrogateescape")) as stream:
                code = main(words)
                stream.flush()
                self.steps.append({"command": shown, "exit_code": code, "output": output.getvalue().decode("utf-8", "surrogateescape")})
        else:
            code = main(words)
        if code in (INTERRUPTED, TERMINATED, PIPE):
            raise _Stopped(code)
        self.expect(f"{arguments[0]} ended with exit code {code}", code == DONE)

    def expect(self, text: str, good: bool) -> None:
        """Note what did not come out as it should."""
        if not good:
            self.failed.append(text if "exit code" in text else f"not so: {text}")


def _files(directory: str) -> dict[str, bytes]:
    """The files below a folder and what is in them."""
    found: dict[str, bytes] = {}
    for folder, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as stream:
                found[os.path.relpath(path, directory).replace(os.sep, "/")] = stream.read()
    return found
