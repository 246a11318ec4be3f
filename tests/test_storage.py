from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from oboromi_fs import storage


def test_every_name_loads_from_its_module() -> None:
    assert set(storage.__all__) == set(storage._HOMES)
    for name, home in storage._HOMES.items():
        assert getattr(storage, name) is getattr(import_module(f"oboromi_fs.storage.{home}"), name)


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        storage.nothing  # noqa: B018


def test_importing_loads_no_heavy_module() -> None:
    code = (
        "import sys\n"
        "import oboromi_fs.storage\n"
        "assert not [name for name in sys.modules if name.startswith('oboromi_fs.storage.')]\n"
        "from oboromi_fs.storage import *\n"
        "assert not {'Crypto', 'concurrent.futures', 'construct', 'hashlib', 'numpy', 'pathlib', 'tempfile'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-S", "-c", code], check=True, env={"PYTHONPATH": ":".join(p for p in sys.path if p)})
