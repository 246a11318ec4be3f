"""``python -m oboromi_fs``: the command line."""

from __future__ import annotations

import sys

from oboromi_fs.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
