"""The service under load from another process: lookups and reads at a fixed rate, on a large index.

    python bench/service.py --items 100000 [--index DIR]

Items are made from the bundled stories by word substitution (``items.made``), ingested once into DIR and kept there for the
next run, which adds its own 2,000. Then a real server is started (cold start: from exec to /readyz, the median of
three, after one start that brings the neighbour index's file and Python's bytecode up to date), and for each
load requests are sent at a fixed rate, open loop: a request that comes late is counted from when it was due.
Prints and writes ``results/service.json``: p50, p99 and the largest latency in milliseconds, the CPU milliseconds that a request
costs the server, all its processes together (the ones during ingest by item ingested), and the goals. Whoever reads the figures should see a load average near nothing at the beginning: the file says it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2 as httpx
from items import made

HERE = Path(__file__).parent
COMMAND = str(Path(sys.executable).with_name("samestory"))
PORT = 8497
URL = f"http://127.0.0.1:{PORT}"
SECONDS, WARMING = 20, 3
STARTS = 3
GOALS = {"variants": 10.0, "lookup": 30.0, "reads during ingest": 50.0, "cold start": 3000.0}


def yardstick() -> float:
    """Milliseconds that this machine takes, now, for a million steps of a Python loop: rented machines are not equally fast at all times."""
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        sum(number & 7 for number in range(1_000_000))
        took.append((time.perf_counter() - begun) * 1000)
    return round(statistics.median(took), 1)


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


async def load(
    name: str, rate: float, seconds: float, request: Callable[[httpx.AsyncClient, int], Awaitable[httpx.Response]]
) -> dict[str, Any]:
    """Send `rate` requests a second for some seconds; latencies in milliseconds from when each was due.

    `failed` counts what was not answered with success, by status or by what went wrong.
    """
    took: list[float] = []
    failed: Counter[str] = Counter()
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    async with httpx.AsyncClient(base_url=URL, timeout=60, limits=limits) as client:

        async def one(number: int, due: float) -> None:
            try:
                status = (await request(client, number)).status_code
                failed.update([str(status)] if status >= 400 else [])
            except httpx.HTTPError as error:
                failed[type(error).__name__] += 1  # its time up to the failure counts too
            took.append((time.perf_counter() - due) * 1000)

        begun = time.perf_counter() + 0.2
        tasks = []
        for number in range(int(rate * seconds)):
            due = begun + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(one(number, due)))
        await asyncio.gather(*tasks)
    found = {
        "rate": rate,
        "requests": len(took),
        "failed": dict(failed),
        "p50_ms": round(percentile(took, 0.5), 2),
        "p99_ms": round(percentile(took, 0.99), 2),
        "max_ms": round(max(took), 2),
    }
    print(name, found, flush=True)
    return found


def start(index: Path, workers: int) -> tuple[subprocess.Popen[bytes], float]:
    """A server over `index`, and the milliseconds from exec to ready. Raises RuntimeError where it ends instead."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    begun = time.perf_counter()
    process = subprocess.Popen(
        [COMMAND, "serve", "--port", str(PORT), "--workers", str(workers), "--index", str(index)],
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    while process.poll() is None:
        try:
            if httpx.get(f"{URL}/readyz", timeout=5).status_code == 200:
                return process, (time.perf_counter() - begun) * 1000
        except httpx.TransportError:
            time.sleep(0.02)
    raise RuntimeError(f"the server over {index} ended with status {process.returncode}")


def cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    """The CPU seconds that a process, its children and theirs have worked so far; on Linux."""
    ticks: dict[int, int] = {}
    children: dict[int, list[int]] = defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # ended meanwhile
        number = int(stat.parent.name)
        children[int(fields[1])].append(number)
        ticks[number] = int(fields[11]) + int(fields[12])
    tree = [process.pid]
    for one in tree:
        tree += children[one]
    return sum(ticks.get(one, 0) for one in tree) / os.sysconf("SC_CLK_TCK")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server."""
    process.send_signal(signal.SIGTERM)
    process.wait()


async def measure(
    process: subprocess.Popen[bytes], ids: list[str], texts: list[str], new: list[dict[str, str]]
) -> dict[str, dict[str, Any]]:
    """The three loads on a server."""
    chance = random.Random(1)
    names = [chance.choice(ids) for _ in range(5000)]
    found = {}

    def variants(client: httpx.AsyncClient, number: int) -> Awaitable[httpx.Response]:
        return client.get(f"/v1/items/{names[number % len(names)]}/variants")

    def lookup(client: httpx.AsyncClient, number: int) -> Awaitable[httpx.Response]:
        return client.post("/v1/lookup", json={"text": texts[number % len(texts)]})

    def put(client: httpx.AsyncClient, items: list[dict[str, str]]) -> Awaitable[httpx.Response]:
        return client.post("/v1/items", json=items)

    for name, rate, warming, request in (("variants", 200, 50, variants), ("lookup", 50, 5, lookup)):
        await load("(warming up)", warming, WARMING, request)
        before = cpu_seconds(process)
        found[name] = await load(name, rate, SECONDS, request)
        found[name]["cpu_ms"] = round((cpu_seconds(process) - before) * 1000 / found[name]["requests"], 2)
    # The first write starts the writing process, which reads the neighbourhoods of all items.
    found["first write"] = await load("first write", 1, 1, lambda client, number: put(client, new[:10]))
    await load(
        "(warming up)", 10, WARMING, lambda client, number: put(client, new[10 + number * 10 : 20 + number * 10])
    )
    sent = new[10 + WARMING * 100 :]
    before, begun = cpu_seconds(process), time.perf_counter()
    ingest = asyncio.create_task(
        load(
            "ingest, 10 items a request",
            10,
            SECONDS,
            lambda client, number: put(client, sent[number * 10 : number * 10 + 10]),
        )
    )
    found["reads during ingest"] = await load("reads during ingest", 100, SECONDS, variants)
    found["ingest"] = await ingest
    found["ingest"]["cpu_ms"] = round((cpu_seconds(process) - before) * 1000 / len(sent), 2)
    found["ingest"]["items_per_second"] = round(len(sent) / (time.perf_counter() - begun), 1)
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--index", type=Path, default=None)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--output", type=Path, default=HERE / "results" / "service.json")
    arguments = parser.parse_args()
    index = arguments.index or Path(tempfile.mkdtemp(prefix="samestory-bench-"))
    load_before, yardstick_ms = os.getloadavg()[0], yardstick()
    stored = made(arguments.items)
    unseen = made(2000, seed=-1, first_round=1_000_000)
    if not (index / "samestory.sqlite").exists():
        lines = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in stored)
        begun = time.perf_counter()
        subprocess.run([COMMAND, "ingest", "-", "--index", str(index)], input=lines.encode(), check=True)
        print(f"ingested {len(stored)} items in {time.perf_counter() - begun:.0f} s", flush=True)
    texts = [" ".join((item["text"] + " " + item["text"]).split()[:300]) for item in unseen if item["lang"] != "ja"]
    starts = []
    for _ in range(STARTS + 1):
        process, took = start(index, arguments.workers)
        starts.append(took)
        n_items = httpx.get(f"{URL}/readyz").json()["items"]
        if len(starts) <= STARTS:
            stop(process)
    cold = statistics.median(starts[1:])
    # Never sent before, also where this index has been measured on already.
    n_new = 10 + 100 * (WARMING + SECONDS)
    new = [{**item, "id": f"{n_items}-{item['id']}"} for item in made(n_new, n_items, n_items)]
    try:
        loads = asyncio.run(measure(process, [item["id"] for item in stored], texts, new))
    finally:
        stop(process)
    reached = {name: not found["failed"] and found["p99_ms"] < GOALS.get(name, 0) for name, found in loads.items()}
    reached["cold start"] = cold < GOALS["cold start"]
    reached["reads during ingest"] &= not loads["ingest"]["failed"] and loads["ingest"]["items_per_second"] >= 90
    goals = {name: {"goal_ms": goal, "reached": reached[name]} for name, goal in GOALS.items()}
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load average {load_before:.1f} at the beginning",
        "yardstick_ms": yardstick_ms, "items": n_items, "workers": arguments.workers, "first_start_ms": round(starts[0]), "cold_start_ms": round(cold), "loads": loads, "goals": goals,
    }  # fmt: skip
    print(json.dumps(result, indent=1))
    arguments.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
