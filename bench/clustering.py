"""Relations and clusters of many items from stored vectors, beside semhash and sentence-transformers on the same vectors.

    pip install -e '.[bench]' && python bench/clustering.py [--items 100000] [--community 50000] [--index DIR]

The items are made from the bundled stories (``items.made``) and stored with their vectors in DIR, where the next
run finds them. Then, each in a process of its own, so that none leaves memory or warm caches to the next:

- ours: relations of all items, each pair verified on evidence, and their clusters;
- describing: what that reads of the texts, which is kept when an item comes in, worked out again;
- ours, duplicates: what semhash does and no more: the items that have a story vector with a cosine of at least
  `DUPLICATE` before them;
- semhash: ``self_deduplicate`` at that threshold, its index built for it, of the same vectors;
- community_detection, of the first vectors, with groups of two and more; ours for as many items; and ours, communities:
  what community_detection does and no more (``samestory communities``), and of the pairs that are to be found how many it finds.

What takes less than seconds runs `RUNS` times, and the median counts.

Prints and writes ``results/clustering.json``: wall and CPU seconds, peak memory, ratios and goals.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from items import made
from numpy.typing import NDArray

from align.communities import alike, communities
from align.description_rows import DescriptionRows
from align.digests import digest_of, fields_digest
from align.identity import sender_of
from align.instants import now
from align.pipeline import Pipeline
from align.records import Item
from align.rows import parse_record

HERE = Path(__file__).parent
BATCH = 2000
DUPLICATE = 0.9
COMMUNITY = 0.75
RUNS = 5
GOALS = {"ours_seconds": 180.0, "times_faster_than_semhash": 2.0, "times_faster_than_community_detection": 50.0}

Vectors = NDArray[np.float32]


def stored(folder: Path, n_items: int) -> Path:
    """An index of `n_items` items with vectors and without relations.

    They are put there as they are: what `samestory ingest` makes sure of besides, which language a text is in and
    whether it was read before, is known of them, and the quantities that it keeps are no matter here.
    """
    place = folder / f"items-{n_items}"
    with Pipeline(place) as pipeline:
        store, rows = pipeline.store, DescriptionRows(pipeline.store)
        documents = [parse_record(row, str(row["id"]), "made", 1) for row in made(n_items)]
        pipeline.take_in(documents[: 0 if store.count_items() else 1])  # which notes the model
        for start in range(store.count_items(), n_items, BATCH):
            part = documents[start : start + BATCH]
            items = [
                Item(f"i{digest_of(found.name)}", found.name, found.lang or "", 1.0, found.title, found.text[len(found.title) :].strip(),
                     found.source, found.url, found.published, 0, len(found.text))
                for found in part
            ]  # fmt: skip
            with store.writing():
                numbers = [
                    store.put_item(item, store.put_document(found, fields_digest(found), sender_of(found), None), now())
                    for found, item in zip(part, items, strict=True)
                ]
                rows.ready(pipeline.tokens, pipeline.encoder.dimension)
                rows.put_made(dict(zip(numbers, items, strict=True)), pipeline.encoder, pipeline.tokens)
                store.finish_generation()
    return place


def vectors_of(place: Path) -> Vectors:
    """The story vectors (n, d) of an index."""
    with Pipeline(place) as pipeline:
        return pipeline.store.views_since(0, int(pipeline.store.setting("dimension") or 0))[2]


def timed(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `work` finds, with its wall and CPU seconds and the process's peak memory: all of it, and without mapped files."""
    own: list[int] = []
    done = threading.Event()
    watch = threading.Thread(target=_watch, args=(own, done))
    watch.start()
    begun, cpu = time.perf_counter(), time.process_time()
    found = work()
    took = {"seconds": round(time.perf_counter() - begun, 3), "cpu_seconds": round(time.process_time() - cpu, 2)}
    done.set()
    watch.join()
    return took | {"peak_megabytes": peak_megabytes(), "peak_own_megabytes": max(own, default=None)} | found


def _watch(own: list[int], done: threading.Event) -> None:
    """Note ten times a second how much memory is the process's own, without the files that are mapped into it; on Linux."""
    status = Path("/proc/self/status")
    while status.exists():
        [line] = [line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("RssAnon")]
        own.append(round(int(line.split()[1]) / 1024))
        if done.wait(0.1):
            return


def peak_megabytes() -> int:
    """The most memory this process has held. Linux's own figure, since ru_maxrss is inherited from the parent there."""
    status = Path("/proc/self/status")
    if status.exists():
        [line] = [line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM")]
        return round(int(line.split()[1]) / 1024)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def ours(place: Path) -> dict[str, Any]:
    """Relations and clusters of a copy of the index, from its stored vectors."""
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        shutil.copytree(place, folder, dirs_exist_ok=True)
        with Pipeline(Path(folder)) as pipeline:

            def work() -> dict[str, Any]:
                pipeline.catch_up(lambda line: print(line, file=sys.stderr))
                counts = {
                    table: pipeline.store.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                    for table in ("comparison", "relation")
                }
                return counts | {"clusters": len(pipeline.clusters())}

            return timed(work)


def describing(place: Path) -> dict[str, Any]:
    """What comparing needs of all texts, worked out from stored vectors and kept: `ours` finds it done, as after any reading."""
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        shutil.copytree(place, folder, dirs_exist_ok=True)
        with Pipeline(Path(folder)) as pipeline:
            tokens, dimension = pipeline.tokens, pipeline.encoder.dimension
            numbers = [number for number, _ in pipeline.store.items()]
            rows = DescriptionRows(pipeline.store)

            def work() -> dict[str, Any]:
                with pipeline.store.writing():
                    rows.ready(tokens, dimension)
                    rows.describe(numbers, tokens, dimension)
                return {"items": len(numbers)}

            return timed(work)


def timed_again(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """As `timed`, the seconds the median of `RUNS` runs and the rest the last one's."""
    runs = [timed(work) for _ in range(RUNS)]
    return runs[-1] | {key: statistics.median(run[key] for run in runs) for key in ("seconds", "cpu_seconds")}


def duplicates(place: Path) -> dict[str, Any]:
    """The items with an earlier one, in any language, at a cosine of at least `DUPLICATE`."""
    views = vectors_of(place)
    return timed_again(lambda: {"duplicates": len(np.unique(alike(views, DUPLICATE).right))})


def ours_communities(place: Path) -> dict[str, Any]:
    """What community_detection does, and which share of the pairs at `COMMUNITY` it knows."""
    views = vectors_of(place)
    took = timed_again(lambda: {"communities": len(communities(views, COMMUNITY))})
    pairs = sum(
        int(np.triu(views[start : start + BATCH] @ views[start:].T >= COMMUNITY, 1).sum())
        for start in range(0, len(views), BATCH)
    )
    return took | {"pairs": pairs, "pairs_found": len(alike(views, COMMUNITY).left)}


def semhash(place: Path) -> dict[str, Any]:
    """semhash on the same texts and vectors."""
    from semhash import SemHash

    views = vectors_of(place)
    with Pipeline(place) as pipeline:
        records = [f"{number} {item.title} {item.text}" for number, item in pipeline.store.items()]

    class Given:
        """Gives the stored vectors in place of a model's, in order."""

        def __init__(self) -> None:
            self.done = 0

        def encode(self, inputs: Any, **_: Any) -> Vectors:
            self.done += len(inputs)
            return views[self.done - len(inputs) : self.done]

    def work() -> dict[str, Any]:
        found = SemHash.from_records(records, model=Given()).self_deduplicate(threshold=DUPLICATE)
        return {"duplicates": len(found.filtered)}

    return timed(work)


def community(place: Path) -> dict[str, Any]:
    """sentence-transformers' community_detection on the same vectors."""
    from sentence_transformers.util import community_detection

    views = vectors_of(place)

    def work() -> dict[str, Any]:
        found = community_detection(views, threshold=COMMUNITY, min_community_size=2)
        return {"communities": len(found)}

    return timed(work)


PARTS = {
    "ours": ours,
    "describing": describing,
    "duplicates": duplicates,
    "semhash": semhash,
    "communities": ours_communities,
    "community": community,
}


def apart(part: str, place: Path) -> dict[str, Any]:
    """A part in a process of its own."""
    command = [sys.executable, __file__, "--part", part, "--index", str(place)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    print(part, found, flush=True)
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--community", type=int, default=50_000)
    parser.add_argument("--index", type=Path, default=None)
    parser.add_argument("--part", choices=PARTS, default=None)
    arguments = parser.parse_args()
    if arguments.part:
        print(json.dumps(PARTS[arguments.part](arguments.index)))
        return
    folder = arguments.index or Path(tempfile.mkdtemp(prefix="samestory-bench-"))
    whole, half = stored(folder, arguments.items), stored(folder, arguments.community)
    found = {
        "ours": apart("ours", whole),
        "describing": apart("describing", whole),
        "ours, duplicates": apart("duplicates", whole),
        "semhash": apart("semhash", whole),
        f"ours, {arguments.community} items": apart("ours", half),
        f"ours, communities of {arguments.community} items": apart("communities", half),
        "community_detection": apart("community", half),
    }
    at_half = found[f"ours, {arguments.community} items"]["seconds"]
    like_for_like = found[f"ours, communities of {arguments.community} items"]["seconds"]
    ratios = {
        "ours_seconds": found["ours"]["seconds"],
        "times_faster_than_semhash": round(found["semhash"]["seconds"] / found["ours, duplicates"]["seconds"], 2),
        "times_faster_than_semhash_with_all_relations_and_clusters": round(found["semhash"]["seconds"] / found["ours"]["seconds"], 3),
        "times_faster_than_community_detection": round(found["community_detection"]["seconds"] / like_for_like, 2),
        "times_faster_than_community_detection_with_all_relations_and_clusters": round(found["community_detection"]["seconds"] / at_half, 3),
    }  # fmt: skip
    # The goals are stated for these sizes; of others nothing is said.
    full = {"ours_seconds": arguments.items >= 100_000, "times_faster_than_semhash": arguments.items >= 100_000,
            "times_faster_than_community_detection": arguments.community >= 50_000}  # fmt: skip
    reached = {
        name: (ratios[name] <= goal if name == "ours_seconds" else ratios[name] >= goal) if full[name] else None
        for name, goal in GOALS.items()
    }
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load average {os.getloadavg()[0]:.1f} at the end",
        "items": arguments.items, "community_items": arguments.community, "found": found, "ratios": ratios, "goals": GOALS, "reached": reached,
    }  # fmt: skip
    print(json.dumps(result, indent=1))
    (HERE / "results" / "clustering.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
