"""The examples of README.md and docs/ do what the text says.

Every fenced ``python`` and ``console`` block is run, a page from top to bottom: its Python blocks share one namespace, its ``export``
lines stay in force, and relative paths start in an empty folder that has ``testdata/``. Python with prompts is a doctest; without, it must
only run. What follows a ``$ command`` line is its output, in which ``...`` stands for anything. Blocks marked ``sh`` are not run.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NEEDS = {"running-a-program.md": "unicorn"}
"""Pages whose examples use what not everybody has."""
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>python|console)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    language: str
    body: str
    line: int


def blocks_of(text: str) -> list[Block]:
    return [Block(m["language"], textwrap.dedent(m["body"]), text.count("\n", 0, m.start()) + 1) for m in FENCE.finditer(text)]


class Reader:
    """Does what someone does who tries a page's examples in order."""

    def __init__(self, page: Path, folder: Path) -> None:
        self.page = page
        self.folder = folder
        self.namespace: dict[str, Any] = {"__name__": "__example__"}
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(("OBOROMI", "PYTHONWARNINGS"))}
        programs = folder.with_name(folder.name + "-bin")
        programs.mkdir()
        for name, module in (("oboromi", "-W error -m oboromi_fs"), ("pytest", "-m pytest -p no:cacheprovider")):
            launcher = programs / name
            launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n', encoding="utf-8")
            launcher.chmod(0o755)
        self.environment |= {
            "COLUMNS": "120",
            "HOME": str(folder),
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "formats"))),
        }

    def run(self, block: Block) -> None:
        if block.language == "console":
            self.console(block)
        elif ">>> " in block.body:
            self.session(block)
        else:
            exec(compile("\n" * block.line + block.body, str(self.page), "exec", dont_inherit=True), self.namespace)

    def session(self, block: Block) -> None:
        test = doctest.DocTestParser().get_doctest(block.body, self.namespace, self.page.name, str(self.page), block.line)
        report: list[str] = []
        doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=report.append, clear_globs=False)
        self.namespace.update(test.globs)
        assert not report, "".join(report)

    def console(self, block: Block) -> None:
        for part in re.split(r"^\$ ", block.body, flags=re.MULTILINE)[1:]:
            command, _, wanted = part.replace("\\\n", "").partition("\n")
            if command.startswith("export "):
                name, _, value = command.removeprefix("export ").partition("=")
                self.environment[name] = value
                continue
            done = subprocess.run(
                ["sh", "-c", command],
                cwd=self.folder,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                check=False,
            )
            got = "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())
            assert doctest.OutputChecker().check_output(wanted, got, doctest.ELLIPSIS), (
                f"{self.page.name}, block at line {block.line}\n$ {command}\nexpected:\n{wanted}\ngot:\n{got}"
            )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_examples(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if page.name in NEEDS:
        pytest.importorskip(NEEDS[page.name])
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "testdata").symlink_to(ROOT / "testdata")
    monkeypatch.chdir(folder)
    reader = Reader(page, folder)
    for block in blocks_of(page.read_text(encoding="utf-8")):
        reader.run(block)


def test_readme_has_both_kinds_of_examples() -> None:
    languages = {block.language for block in blocks_of(PAGES[0].read_text(encoding="utf-8"))}
    assert languages == {"python", "console"}


@pytest.mark.parametrize(
    "text",
    [
        "```python\nassert 1 == 2\n```\n",
        "```python\n>>> 1 + 1\n3\n```\n",
        "```console\n$ echo yes\nno\n```\n",
        "1. indented\n\n    ```console\n    $ echo unannounced\n    ```\n",
    ],
)
def test_a_wrong_example_fails(text: str, tmp_path: Path) -> None:
    (block,) = blocks_of(text)
    folder = tmp_path / "checkout"
    folder.mkdir()
    reader = Reader(Path("page.md"), folder)
    with pytest.raises(AssertionError):
        reader.run(block)


def test_a_page_is_read_in_order(tmp_path: Path) -> None:
    text = (
        "```python\nx = 20\n```\n```python\n>>> x += 1\n```\n```console\n$ export A=b\n$ echo $A\nb\n```\n```python\nassert x == 21\n```\n"
    )
    folder = tmp_path / "checkout"
    folder.mkdir()
    reader = Reader(Path("page.md"), folder)
    for block in blocks_of(text):
        reader.run(block)


def test_format_pages_are_up_to_date() -> None:
    done = subprocess.run([sys.executable, ROOT / "tools" / "gen_format_docs.py", "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
