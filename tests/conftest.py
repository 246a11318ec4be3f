"""What every test may use: the archives other tools made, their keys, and what is in them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# No profile measures time. "ci" draws the same examples on every run; "dev", the default, looks for new ones.
settings.register_profile("dev", deadline=None, max_examples=50)
settings.register_profile("ci", deadline=None, max_examples=100, derandomize=True)
settings.register_profile("fuzz", deadline=None, max_examples=20_000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


pytest_plugins = ["pytester"]


@pytest.fixture(scope="session")
def testdata() -> Path:
    return Path(__file__).parent.parent / "testdata"


@pytest.fixture(scope="session")
def corpus_keys(testdata: Path) -> Path:
    return testdata / "keys" / "prod.keys"


@pytest.fixture(scope="session")
def manifest(testdata: Path) -> dict[str, Any]:
    """Archive -> size, digest, maker, readers, and the files inside; see testdata/README.md."""
    entries: dict[str, Any] = json.loads((testdata / "manifest.json").read_text(encoding="utf-8"))
    return entries
