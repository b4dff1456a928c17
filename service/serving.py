"""``samestory serve``: the app under uvicorn, on an address that is said aloud."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import uvicorn

from align.errors import InputError
from align.pipeline import Pipeline
from service.app import create_app


def run(folder: Path, model: str | None, host: str, port: int) -> None:
    """Serve until interrupted. Raises InputError where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise InputError(
            f"{host}:{port} cannot be served on ({error.strerror}); choose another with --host or --port"
        ) from error
    pipeline = Pipeline(folder, model)
    app = create_app(pipeline)
    place = f"[{host}]" if ":" in host else host
    print(
        f"serving {pipeline.store.count_items()} items of {folder} on http://{place}:{listener.getsockname()[1]}/ (stop with Ctrl-C)",
        file=sys.stderr,
        flush=True,
    )
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
