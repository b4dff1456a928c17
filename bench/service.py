"""The service under load from another process: lookups and reads at a fixed rate, on a large index.

    python bench/service.py --items 100000 [--index DIR]

Items are made from the bundled stories by word substitution (``items.made``), ingested once into DIR and kept there for the
next run. Then a real server is started (cold start: from exec to /readyz), and for each load requests are
sent at a fixed rate, open loop: a request that comes late is counted from when it was due. Prints and
writes ``results/service.json``: p50, p99 and the largest latency in milliseconds, and the goals.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2 as httpx
from items import made

HERE = Path(__file__).parent
COMMAND = str(Path(sys.executable).with_name("samestory"))
PORT = 8497
URL = f"http://127.0.0.1:{PORT}"
SECONDS = 20
GOALS = {"variants": 10.0, "lookup": 30.0, "reads during ingest": 50.0, "cold start": 3000.0}


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


async def load(
    name: str, rate: float, seconds: float, request: Callable[[httpx.AsyncClient, int], Awaitable[httpx.Response]]
) -> dict[str, float]:
    """Send `rate` requests a second for some seconds; latencies in milliseconds from when each was due."""
    took: list[float] = []
    failed = 0
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    async with httpx.AsyncClient(base_url=URL, timeout=60, limits=limits) as client:

        async def one(number: int, due: float) -> None:
            nonlocal failed
            try:
                failed += (await request(client, number)).status_code >= 400
            except httpx.HTTPError:
                failed += 1  # its time up to the failure counts too
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
        "failed": failed,
        "p50_ms": percentile(took, 0.5),
        "p99_ms": percentile(took, 0.99),
        "max_ms": max(took),
    }
    print(name, {key: round(value, 2) for key, value in found.items()}, flush=True)
    return {key: round(value, 2) for key, value in found.items()}


def start(index: Path, workers: int) -> tuple[subprocess.Popen[bytes], float]:
    """A server over `index`, and the milliseconds from exec to ready."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [COMMAND, "serve", "--port", str(PORT), "--workers", str(workers), "--index", str(index)],
        stderr=subprocess.DEVNULL,
    )
    while True:
        try:
            if httpx.get(f"{URL}/readyz", timeout=5).status_code == 200:
                return process, (time.perf_counter() - begun) * 1000
        except httpx.TransportError:
            time.sleep(0.02)


async def measure(ids: list[str], texts: list[str], new: list[dict[str, str]]) -> dict[str, dict[str, float]]:
    """The three loads."""
    chance = random.Random(1)
    names = [chance.choice(ids) for _ in range(5000)]
    found = {}

    def variants(client: httpx.AsyncClient, number: int) -> Awaitable[httpx.Response]:
        return client.get(f"/v1/items/{names[number % len(names)]}/variants")

    def lookup(client: httpx.AsyncClient, number: int) -> Awaitable[httpx.Response]:
        return client.post("/v1/lookup", json={"text": texts[number % len(texts)]})

    def put(client: httpx.AsyncClient, number: int) -> Awaitable[httpx.Response]:
        return client.post("/v1/items", json=new[number * 10 : number * 10 + 10])

    await load("(warming up)", 50, 3, variants)
    found["variants"] = await load("variants", 200, SECONDS, variants)
    await load("(warming up)", 5, 3, lookup)
    found["lookup"] = await load("lookup", 50, SECONDS, lookup)
    ingest = asyncio.create_task(load("ingest, 10 items a request", 10, SECONDS, put))
    found["reads during ingest"] = await load("reads during ingest", 100, SECONDS, variants)
    found["ingest"] = await ingest
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--index", type=Path, default=None)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    index = arguments.index or Path(tempfile.mkdtemp(prefix="samestory-bench-"))
    extra = 10 * 10 * SECONDS
    items = made(arguments.items + extra + 2000)
    stored, new, unseen = (
        items[: arguments.items],
        items[arguments.items : arguments.items + extra],
        items[arguments.items + extra :],
    )
    if not (index / "samestory.sqlite").exists():
        lines = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in stored)
        begun = time.perf_counter()
        subprocess.run([COMMAND, "ingest", "-", "--index", str(index)], input=lines.encode(), check=True)
        print(f"ingested {len(stored)} items in {time.perf_counter() - begun:.0f} s", flush=True)
    texts = [" ".join((item["text"] + " " + item["text"]).split()[:300]) for item in unseen if item["lang"] != "ja"]
    process, first = start(index, arguments.workers)  # brings the neighbour index's file up to date
    process.send_signal(signal.SIGTERM)
    process.wait()
    process, cold = start(index, arguments.workers)
    try:
        loads = asyncio.run(measure([item["id"] for item in stored], texts, new))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
    goals = {
        name: {"goal_ms": goal, "reached": (cold if name == "cold start" else loads[name]["p99_ms"]) < goal}
        for name, goal in GOALS.items()
    }
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load average {os.getloadavg()[0]:.1f} at the end",
        "items": arguments.items, "workers": arguments.workers, "first_start_ms": round(first), "cold_start_ms": round(cold), "loads": loads, "goals": goals,
    }  # fmt: skip
    print(json.dumps(result, indent=1))
    (HERE / "results" / "service.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
