from __future__ import annotations

import threading
import time

from oboromi_fs.library.pace import _TRIAL, Pace


def test_more_threads_where_it_waits() -> None:
    pace = Pace()
    for _ in range(_TRIAL):
        assert pace.threads == 1
        pace.submit(lambda: time.sleep(0.002)).result()
    assert pace.submit(lambda: 5).result() == 5
    assert pace.threads == 8
    pace.stop()


def test_one_thread_where_it_works() -> None:
    pace = Pace()
    names = {pace.submit(lambda: threading.current_thread().name).result() for _ in range(_TRIAL)}
    pace._elapsed = pace._worked  # On a busy machine it may have waited for the processor.
    names.add(pace.submit(lambda: threading.current_thread().name).result())
    assert (pace.threads, len(names)) == (1, 1)
    pace.stop()
    assert not any(thread.name.startswith("library") for thread in threading.enumerate())


def test_as_many_as_somebody_says() -> None:
    pace = Pace(3)
    for _ in range(2 * _TRIAL):
        pace.submit(lambda: time.sleep(0.001)).result()
    assert pace.threads == 3
    pace.stop()
