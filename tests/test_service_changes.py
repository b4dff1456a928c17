"""Decisions, the feed of changes and webhooks, with a real receiver on loopback."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2 as httpx
from conftest import BORDERLINE
from serving import ingest, problem, served
from standardwebhooks import Webhook


@contextmanager
def receiver(statuses: list[int]) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """An address that takes deliveries; it answers with `statuses` in turn, then with 204."""
    taken: list[tuple[dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            taken.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(statuses.pop(0) if statuses else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", taken
    server.shutdown()
    thread.join()
    server.server_close()


def changes_in(taken: list[tuple[dict[str, str], bytes]]) -> list[int]:
    """The numbers of the changes delivered, in order."""
    return [change["number"] for _, body in taken for change in json.loads(body)["data"]["changes"]]


def wait_for(taken: list[tuple[dict[str, str], bytes]], n: int) -> None:
    """Wait until `n` deliveries have come."""
    until = time.monotonic() + 60
    while len(taken) < n and time.monotonic() < until:
        time.sleep(0.05)
    assert len(taken) >= n


def test_decisions_and_the_feed(tmp_path: Path) -> None:
    """A decision is applied at once, shows in the feed after the number last seen, conflicts are named, and undo takes it back."""
    with (
        served(ingest(tmp_path, "seeds/port-strike.jsonl", "seeds/chip-plant.jsonl", BORDERLINE)) as running,
        httpx.Client(base_url=running.url, timeout=60) as client,
    ):
        feed = client.get("/v1/changes", params={"limit": 3}).json()
        seen = [change["number"] for change in feed["items"]]
        while feed["next"]:
            feed = client.get("/v1/changes", params={"limit": 3, "cursor": feed["next"]}).json()
            seen += [change["number"] for change in feed["items"]]
        assert seen == sorted(set(seen))
        assert client.get("/v1/changes", params={"after": feed["after"]}).json()["items"] == []
        pair = ["port-strike-03.en", "port-strike-03.de"]
        made = client.post("/v1/decisions", json={"kind": "not_same_story", "items": pair, "by": "desk"})
        assert made.status_code == 201
        documents = {variant["document"] for variant in client.get(f"/v1/items/{pair[0]}/variants").json()["variants"]}
        assert pair[1] not in documents
        news = client.get("/v1/changes", params={"after": feed["after"]}).json()["items"]
        assert {change["why"] for change in news} == {f"decision {made.json()['id']}"}
        conflict = problem(client.post("/v1/decisions", json={"kind": "same_story", "items": pair, "by": "desk"}), 409)
        assert [found["id"] for found in conflict["conflicts"]] == [made.json()["id"]]
        assert client.delete(f"/v1/decisions/{made.json()['id']}").json()["undone_by"]
        documents = {variant["document"] for variant in client.get(f"/v1/items/{pair[0]}/variants").json()["variants"]}
        assert pair[1] in documents
        problem(client.post("/v1/decisions", json={"kind": "same_story", "items": ["none", pair[0]]}), 404)
        assert client.get("/v1/queue").json()["items"]


def test_webhooks_are_signed_retried_and_survive_a_restart(tmp_path: Path) -> None:
    """Changes come signed and in order; a failed delivery is sent again as it was, also by the next process; none is lost."""
    index = ingest(tmp_path, "seeds/port-strike.jsonl", "seeds/chip-plant.jsonl")
    with receiver([500, 503]) as (url, taken):
        with served(index) as running:
            made = httpx.post(f"{running.url}/v1/webhooks", json={"url": url, "after": 0}).json()
            wait_for(taken, 1)
            running.process.kill()
            running.process.wait()
        with served(index, "--workers", "2") as running:
            wait_for(taken, 3)
            httpx.post(
                f"{running.url}/v1/items", json={"id": "w", "text": "Die Oper in Palermo öffnet wieder."}, timeout=60
            )
            wait_for(taken, 4)
            until = time.monotonic() + 20
            while time.monotonic() < until:
                [hook] = httpx.get(f"{running.url}/v1/webhooks").json()["items"]
                feed = httpx.get(f"{running.url}/v1/changes?limit=500").json()
                if hook["after"] == feed["after"]:
                    break
                time.sleep(0.1)
            assert (hook["after"], hook["reason"], hook["secret"]) == (feed["after"], None, None)
            key = base64.b64decode(made["secret"].removeprefix("whsec_"))
            for headers, body in taken:
                Webhook(made["secret"]).verify(body, headers)
                signed = (
                    f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
                )  # as /openapi.json says
                mac = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
                assert headers["webhook-signature"] == f"v1,{mac}"
            assert taken[0][1].split(b'"data"')[1] == taken[1][1].split(b'"data"')[1]
            assert taken[0][0]["webhook-id"] == taken[1][0]["webhook-id"]
            assert changes_in(taken[2:]) == [change["number"] for change in feed["items"]]
            problem(httpx.post(f"{running.url}/v1/webhooks", json={"url": "file:///etc/passwd"}), 422)
            assert httpx.delete(f"{running.url}/v1/webhooks/{made['id']}").status_code == 204


def test_an_address_that_nothing_can_be_sent_to_is_refused(server: str) -> None:
    """A webhook's address is a whole one over HTTP, without a space or a line's end."""
    for url in ("", "ftp://a/b", "http://", "http://a:99999/", "http://[::1", "http://a/ b", "http://a/b\n"):
        refused = problem(httpx.post(f"{server}/v1/webhooks", json={"url": url}), 422)
        assert repr(url) in str(refused["detail"])


def test_a_webhook_sends_again_what_came_after_a_change(tmp_path: Path) -> None:
    """A receiver that was away for long, or has lost what it got, is sent the changes after any number again; a slow one keeps no other waiting."""
    index = ingest(tmp_path, "seeds/port-strike.jsonl")
    with receiver([500] * 3) as (url, taken), receiver([]) as (other_url, other), served(index) as running:
        made = httpx.post(f"{running.url}/v1/webhooks", json={"url": url, "after": 0}).json()
        httpx.post(f"{running.url}/v1/webhooks", json={"url": other_url, "after": 0})
        wait_for(other, 1)
        feed = [change["number"] for change in httpx.get(f"{running.url}/v1/changes?limit=500").json()["items"]]
        assert changes_in(other) == feed
        wait_for(taken, 1)
        until = time.monotonic() + 60
        while httpx.get(f"{running.url}/v1/webhooks").json()["items"][0]["reason"] and time.monotonic() < until:
            httpx.post(f"{running.url}/v1/webhooks/{made['id']}/resume")
            time.sleep(0.1)
        n_before = len(taken)
        again = httpx.post(f"{running.url}/v1/webhooks/{made['id']}/resume", params={"after": feed[2]}).json()
        assert (again["active"], again["attempts"]) == (True, 0)
        wait_for(taken, n_before + 1)
        assert changes_in(taken[n_before:]) == feed[3:]
