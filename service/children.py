"""Processes that a worker starts for its work: they leave stopping to their parent, and end when it does."""

from __future__ import annotations

import os
import signal
import threading
from multiprocessing import parent_process
from multiprocessing.connection import wait


def stop_with_parent() -> None:
    """Called in a worker: stop as SIGTERM does, finishing what was accepted, when the process that started it is gone, however it ended."""
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def follow_parent(*ignored: signal.Signals) -> None:
    """Called first in a child: ignore these signals, which the parent answers for both, and end whenever it ends."""
    for name in ignored:
        signal.signal(name, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (wait([parent.sentinel]), os._exit(1)), daemon=True).start()
