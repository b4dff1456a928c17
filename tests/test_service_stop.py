"""What survives when a service is stopped or killed: real processes, real signals."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from pathlib import Path

import httpx2 as httpx
import pytest
from serving import command, ingest, problem, served

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


def test_lines_of_no_job_are_swept_up(tmp_path: Path) -> None:
    """What a killed service had received of a job that was never made does not lie about for ever; what may still be coming does."""
    index = ingest(tmp_path, "seeds/port-strike.jsonl")
    (index / "jobs").mkdir()
    for name, age in [("j1.part", 3600), ("j2.jsonl", 3600), ("j3.part", 10)]:
        file = index / "jobs" / name
        file.write_text("{}\n")
        os.utime(file, (time.time() - age,) * 2)
    with served(index):
        assert [file.name for file in (index / "jobs").iterdir()] == ["j3.part"]


def test_a_request_cut_off_by_a_kill_is_sent_again(tmp_path: Path) -> None:
    """A request under an Idempotency-Key that a killed service was at is done by the next one when it is sent again, at once."""
    index = ingest(tmp_path, "seeds/port-strike.jsonl")
    batch, key = [item(number) for number in range(400)], {"Idempotency-Key": "cut-off"}
    with served(index) as running:

        def send() -> None:
            with contextlib.suppress(httpx.TransportError):
                httpx.post(f"{running.url}/v1/items", json=batch, headers=key, timeout=120)

        sending = threading.Thread(target=send)
        sending.start()
        while httpx.get(f"{running.url}/readyz").json()["items"] == 22:
            time.sleep(0.01)
        running.process.kill()
        running.process.wait()
        sending.join()
    with served(index) as running:
        answer = httpx.post(f"{running.url}/v1/items", json=batch, headers=key, timeout=120)
        assert answer.status_code == 200
        assert {result["status"] for result in answer.json()["results"]} <= {"added", "unchanged"}


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


def test_reads_go_on_while_a_large_body_is_read(server: str) -> None:
    """The lines of a large request are read beside the answers to others: none waits for a third of the time that the request takes.

    An answer also waits where the machine itself is held up. So of three requests one must keep it, which none does whose lines are read first.
    """
    lines = "\n".join(json.dumps({"id": f"large-{number}", "title": "x" * 2_800}) for number in range(9_000))
    assert any(max(waits) < took / 3 for waits, took in (reads_beside(server, lines) for _ in range(3)))


def reads_beside(server: str, lines: str) -> tuple[list[float], float]:
    """The seconds that each of the answers took which came while `lines` were sent and rejected, and those that this took."""
    took: list[float] = []

    def send() -> None:
        begun = time.monotonic()
        answer = httpx.post(
            f"{server}/v1/items", content=lines, headers={"Content-Type": "application/x-ndjson"}, timeout=120
        )
        assert {result["status"] for result in answer.json()["results"]} == {"rejected"}
        took.append(time.monotonic() - begun)

    waits = []
    with httpx.Client(base_url=server, timeout=60) as client:
        client.get("/healthz")
        sending = threading.Thread(target=send)
        sending.start()
        while sending.is_alive():
            asked = time.monotonic()
            assert client.get("/healthz").status_code == 200
            waits.append(time.monotonic() - asked)
    assert took, "the request failed"
    return waits, took[0]


def job_with(client: httpx.Client, job: str, entry: str, seconds: float) -> dict[str, object]:
    """A job once it has an `entry`, which it must within so many seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found: dict[str, object] = client.get(f"/v1/jobs/{job}").json()
        if found[entry]:
            return found
        time.sleep(0.02)
    raise AssertionError(f"job {job} has no {entry}: {found}")


def finished(client: httpx.Client, job: str) -> dict[str, object]:
    """A job once it has ended."""
    return job_with(client, job, "finished_at", 240)


def children(pid: int) -> list[int]:
    """The processes that `pid` started and that run."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def runs(pid: int) -> bool:
    """Whether a process is there and has not ended; one that nobody has waited for yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def started(client: httpx.Client, job: str) -> dict[str, object]:
    """A rebuild once it says what it is at."""
    return job_with(client, job, "message", 120)


def test_a_rebuild_leaves_reads_alone_and_survives_a_kill(tmp_path: Path) -> None:
    """While the index is made anew reads answer as before and writes are followed; killed with its service, it begins again and ends."""
    index = ingest(tmp_path, "seeds/port-strike.jsonl", "seeds/chip-plant.jsonl", "seeds/lunar-mission.jsonl")
    with served(index) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        before = client.get("/v1/items/port-strike-03.en/variants").json()
        made = client.post("/v1/jobs?kind=rebuild")
        assert (made.status_code, made.json()["kind"]) == (202, "rebuild")
        problem(client.post("/v1/jobs?kind=rebuild"), 409)
        job = made.json()["id"]
        progress = started(client, job)
        assert progress["status"] == "running"
        assert client.get("/v1/items/port-strike-03.en/variants").json() == before
        running.process.kill()
        running.process.wait()
    with served(index) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        assert client.get("/v1/items/port-strike-03.en/variants").json() == before
        started(client, job)
        assert client.post("/v1/items", json=item(1)).json()["results"][0]["status"] == "added"
        found = finished(client, job)
        assert (found["status"], found["reason"], found["message"]) == ("done", None, None)
        assert found["done"] == found["total"] > 0
        assert client.get("/v1/items/port-strike-03.en/variants").json() == before
        assert client.get("/v1/items/stop-1").status_code == 200
        assert client.post("/v1/check", json={"text": before["item"]["text"]}).json()["covered"]
        assert not (index / "reembedding").exists()


def test_a_job_is_cancelled(tmp_path: Path) -> None:
    """A cancelled rebuild leaves the index as it was, a cancelled ingest keeps what it had stored; neither goes on, and an ended one says so."""
    index = ingest(tmp_path, "seeds/port-strike.jsonl")
    with served(index) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        lines = "\n".join(json.dumps(item(number)) for number in range(1500))
        job = client.post("/v1/jobs", content=lines, headers={"Content-Type": "application/x-ndjson"}).json()["id"]
        while not client.get(f"/v1/jobs/{job}").json()["done"]:
            time.sleep(0.05)
        assert client.post(f"/v1/jobs/{job}/cancel").status_code == 202
        found = finished(client, job)
        assert found["status"] == "cancelled"
        assert 0 < found["done"] < 1500
        assert client.get("/readyz").json()["items"] == 22 + found["done"]
        rebuild = client.post("/v1/jobs?kind=rebuild").json()["id"]
        started(client, rebuild)
        assert client.post(f"/v1/jobs/{rebuild}/cancel").status_code == 202
        assert finished(client, rebuild)["status"] == "cancelled"
        problem(client.post(f"/v1/jobs/{rebuild}/cancel"), 409)
        problem(client.post("/v1/jobs/none/cancel"), 404)
        assert client.get("/v1/items/port-strike-03.en/variants").json()["variants"]


def test_a_killed_writing_process_loses_nothing(tmp_path: Path) -> None:
    """When the process that writes is killed, what was answered stays, what was in work is told to come again, and nothing is left without its story."""
    index = ingest(tmp_path, "seeds/port-strike.jsonl")
    with served(index) as running, httpx.Client(base_url=running.url, timeout=120) as client:
        client.post("/v1/items", json=item(0))
        batch = [item(number) for number in range(1, 600)]
        answers: list[httpx.Response] = []
        sending = threading.Thread(target=lambda: answers.append(client.post("/v1/items", json=batch)))
        sending.start()
        while httpx.get(f"{running.url}/readyz").json()["items"] < 22 + 130:  # the first part of the batch is stored
            time.sleep(0.01)
        for child in children(running.process.pid):
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(child, signal.SIGKILL)
        sending.join()
        assert problem(answers[0], 503)
        assert "retry-after" in answers[0].headers
        assert client.get("/v1/items/stop-0").status_code == 200
        until = time.monotonic() + 120
        while time.monotonic() < until:
            stored = client.get("/readyz").json()["items"]
            clustered = client.get("/v1/clusters?limit=500").json()["items"]
            if sum(len(cluster["items"]) for cluster in clustered) == stored:
                break
            time.sleep(0.3)
        assert sum(len(cluster["items"]) for cluster in clustered) == stored > 22 + 1
        again = client.post("/v1/items", json=batch).json()["results"]
        assert {result["status"] for result in again} <= {"added", "unchanged"}
        assert client.get("/readyz").json()["items"] == 22 + 600


def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    """When the first process of a service is killed its workers finish what they accepted and end, so that the address is free again."""
    index = ingest(tmp_path, "seeds/port-strike.jsonl")
    with served(index, "--workers", "2") as running:
        others = children(running.process.pid)
        assert httpx.post(f"{running.url}/v1/items", json=item(1), timeout=60).status_code == 200
        running.process.kill()
        running.process.wait()
        until = time.monotonic() + 60
        while any(map(runs, others)) and time.monotonic() < until:
            time.sleep(0.1)
        assert not any(map(runs, others))
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{running.url}/healthz")
    with served(index) as running:
        assert httpx.get(f"{running.url}/v1/items/stop-1").status_code == 200


def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    """When one of two workers is killed under load the other goes on, a new one comes, and what was answered is there."""
    index = ingest(tmp_path, "seeds/port-strike.jsonl")
    with served(index, "--workers", "2") as running:
        workers = [
            pid for pid in children(running.process.pid) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        assert len(workers) == 2
        accepted = 0
        for number in range(60):
            if number == 20:
                os.kill(workers[0], signal.SIGKILL)
            try:
                answer = httpx.post(f"{running.url}/v1/items", json=item(number), timeout=60)
            except httpx.TransportError:
                continue
            assert answer.status_code == 200
            accepted += 1
        assert accepted >= 40
        until = time.monotonic() + 60
        while time.monotonic() < until and len(set(children(running.process.pid)) - {workers[0]}) < len(workers):
            time.sleep(0.1)
        assert len([pid for pid in children(running.process.pid) if pid != workers[0]]) >= 2
        assert httpx.get(f"{running.url}/readyz", timeout=60).json()["items"] >= 22 + accepted
