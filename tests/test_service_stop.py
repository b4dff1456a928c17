"""What survives when a service is stopped or killed: real processes, real signals."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import httpx2 as httpx
import pytest
from serving import command, ingest, served

PLACES = "Triest Kiel Otaru Ancona Bremen Hakodate Genua Rostock Sasebo Livorno Emden Nagasaki Bari Stralsund Kobe Ravenna".split()
MATTERS = "Fähre Leuchtturm Museum Deich Markthalle Brücke Rathaus Sternwarte Klinik Bibliothek".split()


def item(number: int) -> dict[str, str]:
    """A short item that resembles few others."""
    place, matter = PLACES[number % len(PLACES)], MATTERS[number // len(PLACES) % len(MATTERS)]
    return {
        "id": f"stop-{number}",
        "text": f"{place}: {matter} {number * 7919 % 1000} wird im Jahr {1900 + number * 31 % 120} neu gebaut.",
    }


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_stopped_service_loses_no_accepted_item(tmp_path: Path, workers: str) -> None:
    """Every item whose request was answered before or while SIGTERM came is in the index afterwards."""
    index = ingest(tmp_path, "seeds/port-strike.jsonl")
    accepted: list[str] = []
    with served(index, "--workers", workers) as running:

        def send(first: int) -> None:
            with httpx.Client(base_url=running.url, timeout=60) as client:
                for number in range(first, 2000, 3):
                    try:
                        answer = client.post("/v1/items", json=[item(number), item(number + 5000)])
                    except httpx.TransportError:
                        return
                    if answer.status_code == 200:
                        accepted.extend(result["id"] for result in answer.json()["results"])

        threads = [threading.Thread(target=send, args=(first,)) for first in range(3)]
        for thread in threads:
            thread.start()
        while len(accepted) < 30:
            time.sleep(0.01)
        assert running.stop() == 0
        for thread in threads:
            thread.join()
    stored = {json.loads(line)["id"] for line in command("items", "--index", index, "--json").stdout.splitlines()}
    assert len(accepted) >= 30
    assert set(accepted) <= stored


def test_a_job_goes_on_after_a_kill(tmp_path: Path) -> None:
    """A job whose service was killed is finished by the next one, and every line is counted once."""
    index = ingest(tmp_path, "seeds/port-strike.jsonl")
    lines = "\n".join(json.dumps(item(number)) for number in range(400))
    with served(index) as running:
        job = httpx.post(
            f"{running.url}/v1/jobs", content=lines, headers={"Content-Type": "application/x-ndjson"}
        ).json()
        while httpx.get(f"{running.url}/v1/jobs/{job['id']}").json()["status"] == "queued":
            time.sleep(0.02)
        running.process.kill()
        running.process.wait()
    with served(index) as running:
        until = time.monotonic() + 120
        while time.monotonic() < until:
            found = httpx.get(f"{running.url}/v1/jobs/{job['id']}").json()
            if found["status"] == "done":
                break
            time.sleep(0.3)
        assert (found["status"], found["done"], sum(found["counts"].values())) == ("done", 400, 400)
        assert httpx.get(f"{running.url}/v1/items/stop-399").status_code == 200


def test_workers_share_one_index(tmp_path: Path) -> None:
    """What one worker process stores, every other finds at once, by id and by its text."""
    index = ingest(tmp_path, "seeds/port-strike.jsonl")
    with served(index, "--workers", "3") as running:
        new = {
            "id": "shared-1",
            "title": "Sternwarte in Jena entdeckt Kometen mit zwei Schweifen",
            "text": "Die Sternwarte in Jena hat einen Kometen mit zwei Schweifen entdeckt. Er kommt der Erde im Juni 2031 am nächsten.",
        }
        assert httpx.post(f"{running.url}/v1/items", json=new, timeout=60).json()["results"][0]["status"] == "added"
        for _ in range(12):  # a new connection each: any worker may take it
            assert httpx.get(f"{running.url}/v1/items/shared-1").status_code == 200
            checked = httpx.post(
                f"{running.url}/v1/check", json={"text": f"{new['title']}\n\n{new['text']}"}, timeout=60
            ).json()
            assert [match["document"] for match in checked["matches"]] == ["shared-1"]


def test_reads_go_on_while_a_batch_is_ingested(tmp_path: Path) -> None:
    """While a long batch is being stored the service answers reads and checks, from the last state that was whole."""
    index = ingest(tmp_path, "seeds/port-strike.jsonl")
    with served(index) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        before = client.get("/v1/items/port-strike-03.en/variants").json()
        batch = threading.Thread(
            target=lambda: httpx.post(
                f"{running.url}/v1/items", json=[item(number) for number in range(250)], timeout=600
            )
        )
        batch.start()
        during = 0
        while batch.is_alive():
            assert client.get("/v1/items/port-strike-03.en/variants").json() == before
            assert (
                client.post("/v1/check", json={"text": "Dockers in Genoa refuse to unload a ship."}).status_code == 200
            )
            during += batch.is_alive()
        batch.join()
        assert during >= 3
        assert client.get("/readyz").json()["items"] == 22 + 250
