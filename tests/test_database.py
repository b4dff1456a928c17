"""Writers of one file take turns."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from align.errors import IndexBusyError, InputError
from align.store import Store


def test_a_busy_writer_lets_others_in(tmp_path: Path) -> None:
    """Who waits to write comes next, even where another begins a transaction as soon as it has ended one: a long reading holds up no item."""
    greedy, patient = Store(tmp_path), Store(tmp_path)
    done, begun, n_transactions = threading.Event(), threading.Event(), [0]

    def write_on() -> None:
        while not done.is_set():
            with greedy.writing():
                n_transactions[0] += 1
                begun.set()
                threading.Event().wait(0.02)

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        begun.wait()
        for number in range(10):
            before = n_transactions[0]
            with patient.writing():
                patient.set_setting("turn", str(number))
                # One, if this thread is not held up before it waits; without turns hundreds, until it gives up.
                assert n_transactions[0] - before <= 10
    finally:
        done.set()
        writer.join()
    assert patient.setting("turn") == "9"


def test_who_waits_too_long_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second writer gives up after its time with an error that says so, and writes as ever once the first has ended."""
    monkeypatch.setattr("align.store.BUSY_SECONDS", 0.1)
    first, second = Store(tmp_path), Store(tmp_path)
    with first.writing(), pytest.raises(IndexBusyError, match="another process has been writing"), second.writing():
        pass
    with second.writing():
        second.set_setting("turn", "second")
    assert first.setting("turn") == "second"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Writing where nothing can be written ends with one error that names the file, and reading goes on."""
    store = Store(tmp_path)
    with store.writing():
        store.set_setting("turn", "first")
    (tmp_path / "samestory.sqlite-turn").unlink()
    (tmp_path / "samestory.sqlite-turn").mkdir()
    with pytest.raises(InputError, match="cannot be written"), store.writing():
        pass
    assert store.setting("turn") == "first"
