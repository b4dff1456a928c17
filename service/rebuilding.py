"""An index made anew from its texts, beside its running, by a process of its own.

Vectors, relations and clusters are worked out in a copy and switched at once (``align.reembedding``), so
reads and writes go on, and a process killed or cancelled at any moment leaves the index as it was.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from align.errors import AlignError
from align.pipeline import Pipeline
from align.reembedding import reembed
from service.children import follow_parent

LOOK_SECONDS = 0.25
NICENESS = 5
"""How far the rebuilding process stands back behind those that answer."""
_COUNT = re.compile(r"(\d+) of (\d+) ")

Report = Callable[[str, int, int], None]


class RebuildError(AlignError):
    """A rebuild that ended without its index."""


def _rebuild(folder: Path, model: str | None, told: Connection) -> None:
    follow_parent(signal.SIGINT)
    os.nice(NICENESS)

    def tell(text: str) -> None:
        count = _COUNT.search(text)  # "512 of 1000 items embedded", as on the command line
        told.send((text, *(map(int, count.groups()) if count else (0, 0))))

    try:
        with Pipeline(folder, model) as pipeline:
            name = pipeline.store.setting("model")
            n_items = reembed(pipeline, name, tell) if name is not None else 0
            if n_items:
                pipeline.index()  # written to disk, for the others to map
        told.send(("", n_items, n_items))
    except AlignError as error:
        told.send((str(error), -1, -1))


async def rebuild(folder: Path, model: str | None, report: Report, unwanted: Callable[[], bool]) -> bool:
    """Make the index anew; False where it became `unwanted` first. Raises RebuildError.

    `report` hears what is being done, in words, and how much of how many: the last time "" and all items.
    """
    context = get_context("spawn")
    hears, tells = context.Pipe(duplex=False)
    process = context.Process(target=_rebuild, args=(folder, model, tells), daemon=True)
    await asyncio.to_thread(process.start)
    tells.close()
    last = ("the rebuilding process was ended from outside", -1, -1)
    try:
        while True:
            ended = not process.is_alive()
            while hears.poll():
                try:
                    last = hears.recv()
                except EOFError:
                    break
                if last[1] >= 0:
                    report(*last)
            if ended or last[0] == "":
                break
            if unwanted():
                return False
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        process.terminate()
        await asyncio.to_thread(process.join)
        hears.close()
    if last[0] == "":
        return True
    raise RebuildError(last[0] if last[1] < 0 else f"the rebuilding process was ended from outside after: {last[0]}")
