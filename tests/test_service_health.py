"""What a service says of itself when its index is damaged, asked of real server processes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import httpx2 as httpx
from serving import command, ingest, problem, served


def test_readiness_ends_with_the_index(tmp_path: Path) -> None:
    """While the index's file is away or damaged /readyz is a 503 that says when to ask again, the process still lives, and a file put back is ready again."""
    index = ingest(tmp_path, "seeds/port-strike.jsonl")
    file = index / "samestory.sqlite"
    with served(index) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        assert client.get("/readyz").json() == {"status": "ready", "items": 22}
        file.rename(index / "away")
        assert "retry-after" in client.get("/readyz").headers
        assert "/" not in str(problem(client.get("/readyz"), 503)["detail"])
        assert client.get("/healthz").status_code == 200
        (index / "away").rename(file)
        assert client.get("/readyz").status_code == 200
        with file.open("r+b") as handle:
            handle.write(os.urandom(file.stat().st_size))
        problem(client.get("/readyz"), 503)


def test_no_new_index_is_made_where_the_served_one_was(tmp_path: Path) -> None:
    """Items sent while the index's folder is away, or its file is damaged, are refused with a 503, and the log says why; put back, it takes them."""
    index = ingest(tmp_path, "seeds/port-strike.jsonl")
    file = index / "samestory.sqlite"
    item = {"id": "quay", "text": "The old quay of Trieste was closed on Monday after a crane fell."}
    with served(index) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        index.rename(tmp_path / "away")
        index.mkdir()
        assert "cannot be written" in str(problem(client.post("/v1/items", json=item), 503)["detail"])
        assert not file.exists()
        index.rmdir()
        (tmp_path / "away").rename(index)
        assert [found["status"] for found in client.post("/v1/items", json=item).json()["results"]] == ["added"]
        assert running.stop() == 0
        assert "samestory.sqlite" in str([line.get("reason") for line in running.lines() if "reason" in line])
    with served(index) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        with file.open("r+b") as handle:
            handle.write(os.urandom(file.stat().st_size))
        problem(client.post("/v1/items", json=item), 503)


def test_a_failure_is_logged_without_what_it_had_in_hand(tmp_path: Path) -> None:
    """An answer that fails names its request, to a browser on a page; the log line of that request says where it failed and neither key nor text."""
    index = ingest(tmp_path, "seeds/port-strike.jsonl")
    text = json.loads(command("keys", "add", "Desk", "--index", index, "--json").stdout)["key"]
    with served(index) as running:
        (index / "samestory.sqlite").write_bytes(os.urandom(1 << 20))
        headers = {"Authorization": f"Bearer {text}"}
        body = {"text": "Die Mole von Triest ist gesperrt."}
        failed = problem(httpx.post(f"{running.url}/v1/check", json=body, headers=headers, timeout=60), 500)
        page = httpx.get(f"{running.url}/", headers={**headers, "Accept": "text/html"}, timeout=60)
        assert running.stop() == 0
        assert (page.status_code, page.headers["content-type"]) == (500, "text/html; charset=utf-8")
        assert page.headers["x-request-id"] in page.text
        line = next(found for found in running.lines() if found["request_id"] == failed["request_id"])
        assert "not a database" in str(line["exception"])
        log = running.log.read_text(encoding="utf-8")
        assert text.rsplit("_", 1)[1] not in log
        assert "Triest" not in log
