"""The command line as a test calls it: in this process, with captured bytes; or as a process of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from oboromi_fs.cli.main import main

ROOT = Path(__file__).parent.parent
DATA = ROOT / "testdata"
KEYS = ("--keys", str(DATA / "keys" / "prod.keys"))
WRONG_KEYS = ("--keys", str(DATA / "keys" / "wrong.keys"))
NSP = str(DATA / "nsp" / "std_g1.nsp")
PROGRAM = "d19f0a10f0c45ca6aa21e0bccdb0ae74.nca"
"""The Program NCA of NSP."""


class Result(NamedTuple):
    """What a command did."""

    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        return self.out.decode("utf-8", "surrogateescape")

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def message(self) -> str:
        """The one line on stderr."""
        (line,) = self.err.decode().splitlines()
        assert line.startswith("oboromi: ")
        return line.removeprefix("oboromi: ")


class _Stream:
    def __init__(self, terminal: bool) -> None:
        self.buffer = io.BytesIO()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def flush(self) -> None:
        pass


def environment() -> dict[str, str]:
    """The environment without any keys."""
    clean = {name: value for name, value in os.environ.items() if name not in ("OBOROMI_KEYS", "XDG_CONFIG_HOME", "NO_COLOR")}
    return clean | {"HOME": "/nonexistent"}


def oboromi(*arguments: str | Path, terminal: bool = False, keys: str = "") -> Result:
    """Run the command in this process. ``keys`` is what OBOROMI_KEYS says."""
    out, err = _Stream(terminal), _Stream(False)
    variables = environment() | ({"OBOROMI_KEYS": keys} if keys else {})
    with mock.patch.dict(os.environ, variables, clear=True), mock.patch.multiple(sys, stdout=out, stderr=err):
        code = main([str(argument) for argument in arguments])
    return Result(code, out.buffer.getvalue(), err.buffer.getvalue())


def process_environment(**variables: str) -> dict[str, str]:
    """The environment of a process that runs this project from its folder."""
    return environment() | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "formats")))} | variables


def process(*arguments: str | Path, **variables: str) -> Result:
    """Run the command in a process of its own."""
    command = [sys.executable, "-W", "error", "-m", "oboromi_fs", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, check=False, env=process_environment(**variables))
    return Result(done.returncode, done.stdout, done.stderr)
