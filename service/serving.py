"""``samestory serve``: the app under uvicorn, in one process or several on one socket, on an address that is said aloud."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import uvicorn

from align.errors import InputError
from service.settings import Settings

STOP_SECONDS = 120
"""Seconds that open requests have to end once the service is told to stop."""

THREADS = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
"""One thread for each product of small matrices, and for the pieces of a text: several requests at once use the processors better, and none spins."""


def run(settings: Settings, port: int) -> None:
    """Serve until interrupted. Raises InputError where the address cannot be had or would stand open."""
    for name, value in THREADS.items():
        os.environ.setdefault(name, value)  # read when numpy and faiss are imported, below
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, port))
    except OSError as error:
        listener.close()
        raise InputError(
            f"{settings.host}:{port} cannot be served on ({error.strerror}); choose another with --host or --port"
        ) from error
    metrics = Path(tempfile.mkdtemp(prefix="samestory-metrics-")) if settings.workers > 1 else None
    if metrics:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)  # read when prometheus_client is imported, below
    try:
        is_open = _announce(settings, listener.getsockname()[1])
        _serve(replace(settings, needs_key=not is_open), listener)
    finally:
        listener.close()
        if metrics:
            shutil.rmtree(metrics, ignore_errors=True)


def _announce(settings: Settings, port: int) -> bool:
    """Say what is served where, and whether to everyone; whether it is."""
    from align.store import Store
    from service.access import Access
    from service.ledger import Ledger
    from service.repeats import forget_unfinished

    ledger = Ledger(settings.path)
    access = Access(settings, ledger)
    forget_unfinished(ledger)
    store = Store(settings.path)
    n_items = store.count_items()
    store.close()
    place = f"[{settings.host}]" if ":" in settings.host else settings.host
    print(
        f"serving {n_items} items of {settings.folder} on http://{place}:{port}/ (stop with Ctrl-C)",
        file=sys.stderr,
        flush=True,
    )
    is_open = access.is_open
    if is_open:
        print(
            "no API key is in force: open to every program of this machine (samestory keys add NAME makes one)",
            file=sys.stderr,
            flush=True,
        )
    ledger.close()
    return is_open


def _serve(settings: Settings, listener: socket.socket) -> None:
    from service.connections import connection_class

    settings.hand_over()
    config = uvicorn.Config(
        "service.app:app_of_worker",
        factory=True,
        workers=settings.workers,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_SECONDS,
        timeout_keep_alive=30,
        http=connection_class(),
        ws="none",
    )
    if settings.workers == 1:
        for name in (signal.SIGINT, signal.SIGTERM):
            # uvicorn raises the signal that stopped it once more: a stop that was asked for is no failure.
            signal.signal(name, lambda *_: None)
        uvicorn.Server(config).run(sockets=[listener])
        return
    from uvicorn.supervisors import Multiprocess

    Multiprocess(config, sockets=[listener]).run()
