"""Who may ask the service, how much and how often, asked over sockets of real server processes."""

from __future__ import annotations

import html
import json
import socket
from pathlib import Path

import httpx2 as httpx
import pytest
from serving import command, ingest, problem, served


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of one bundled topic."""
    return ingest(tmp_path_factory.mktemp("access"), "seeds/port-strike.jsonl")


def key(index: Path, *scopes: str, rate: str = "") -> dict[str, str]:
    """The header of a new key with these scopes."""
    options = [option for scope in scopes for option in ("--scope", scope)]
    made = command(
        "keys", "add", "Test desk", *options, *(["--rate", rate] if rate else []), "--index", index, "--json"
    )
    return {"Authorization": f"Bearer {json.loads(made.stdout)['key']}"}


def test_a_loopback_service_without_keys_is_open_and_says_so(index: Path) -> None:
    """Without a key the service on loopback answers anyone and says that it does; its log is JSON lines with request ids."""
    with served(index) as running:
        assert httpx.get(f"{running.url}/v1/items").status_code == 200
        assert "no API key is in force: open" in running.log.read_text(encoding="utf-8")
        httpx.get(f"{running.url}/v1/items/none", headers={"X-Request-ID": "seen-1"})
        assert running.stop() == 0
        line = next(line for line in running.lines() if line.get("request_id") == "seen-1")
        assert (line["event"], line["method"], line["path"], line["status"]) == (
            "request",
            "GET",
            "/v1/items/none",
            404,
        )


def test_another_address_is_refused_without_a_key(tmp_path: Path) -> None:
    """On an address that others reach the service does not start without a key, and says how to make one."""
    refused = command("serve", "--host", "0.0.0.0", "--port", "0", "--index", tmp_path / "new", check=False)
    assert refused.returncode == 2
    assert "samestory keys add" in refused.stderr


def test_keys_open_what_their_scopes_name(tmp_path: Path, index: Path) -> None:
    """With keys in force each request needs one with the route's scope; a revoked key is refused at once."""
    own = ingest(tmp_path, "seeds/port-strike.jsonl")
    reader, contributor = key(own, "read"), key(own, "read", "write")
    with served(own) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        answer = client.get("/v1/items")
        problem(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")
        problem(client.get("/v1/items", headers={"Authorization": "Bearer sst_000000000000_00"}), 401)
        assert client.get("/v1/items", headers=reader).status_code == 200
        item = {"id": "by-key", "text": "Der Zug nach Triest fährt wieder."}
        problem(client.post("/v1/items", json=item, headers=reader), 403)
        assert client.post("/v1/items", json=item, headers=contributor).status_code == 200
        assert client.get("/healthz").status_code == 200
        problem(client.get("/metrics"), 401)
        listed = [json.loads(line) for line in command("keys", "list", "--index", own, "--json").stdout.splitlines()]
        assert [entry["scopes"] for entry in listed] == [["read"], ["read", "write"]]
        command("keys", "revoke", listed[0]["id"], "--index", own)
        problem(client.get("/v1/items", headers=reader), 401)


def test_an_editor_signs_in_and_comes_back(tmp_path: Path) -> None:
    """Without a key a page leads to the sign-in and from there back to its whole address; a reader's key shows no decisions, and ends the session when it is revoked, though it was the last."""
    own = ingest(tmp_path, "seeds/port-strike.jsonl")
    made = json.loads(command("keys", "add", "Ada", "--index", own, "--json").stdout)
    with (
        served(own) as running,
        httpx.Client(base_url=running.url, headers={"Accept": "text/html"}, timeout=60) as client,
    ):
        asked = client.get("/missing?lang=ja&several=true")
        assert (asked.status_code, asked.headers["location"]) == (
            303,
            "/sign-in?next=/missing%3Flang%3Dja%26several%3Dtrue",
        )
        form = client.get(asked.headers["location"])
        token = form.text.split('name="token" value="')[1].split('"')[0]
        assert client.post("/sign-in", data={"token": token, "key": "sst_no_key"}).status_code == 401
        back = html.unescape(form.text.split('name="to" value="')[1].split('"')[0])
        signed_in = client.post("/sign-in", data={"token": token, "key": made["key"], "to": back})
        assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/missing?lang=ja&several=true")
        assert client.get(signed_in.headers["location"]).status_code == 200
        assert 'data-key="y"' not in client.get("/decide").text
        assert (
            client.post("/decide", data={"token": token, "kind": "split", "items": "port-strike-01.en"}).status_code
            == 403
        )
        command("keys", "revoke", made["id"], "--index", own)
        assert client.get("/missing").status_code == 303
        problem(
            httpx.get(f"{running.url}/v1/items"), 401
        )  # nor does the service stand open now that its last key is gone


@pytest.mark.parametrize("rate", ["0/second", "-1/second", "100/second;5/minute", "5/fortnight"])
def test_a_rate_that_is_none_is_refused(tmp_path: Path, rate: str) -> None:
    """A key's rate is one limit above nothing: what would never let it ask, or count in part, makes no key."""
    refused = command("keys", "add", "Desk", "--rate", rate, "--index", tmp_path, check=False)
    assert refused.returncode == 2
    assert repr(rate) in refused.stderr
    assert command("keys", "list", "--index", tmp_path).stdout == ""


def test_keys_are_kept_hashed(tmp_path: Path) -> None:
    """The index folder holds no key's text."""
    text = json.loads(command("keys", "add", "Desk", "--index", tmp_path, "--json").stdout)["key"]
    secret = text.rsplit("_", 1)[1].encode()
    assert all(secret not in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_a_rate_limit_counts_over_all_workers(tmp_path: Path) -> None:
    """A key's limit holds over several worker processes together, and the refusal says when to come again."""
    own = ingest(tmp_path, "seeds/port-strike.jsonl")
    limited, free = key(own, "read", rate="10/hour"), key(own, "read")
    with served(own, "--workers", "2") as running:
        answers = [httpx.get(f"{running.url}/v1/items?limit=1", headers=limited) for _ in range(14)]
        assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 4
        problem(answers[-1], 429)
        assert int(answers[-1].headers["retry-after"]) > 0
        assert httpx.get(f"{running.url}/v1/items?limit=1", headers=free).status_code == 200


def test_bodies_and_items_have_a_size(index: Path) -> None:
    """A body over the limit is refused with 413, declared or chunked; an item over its limit is rejected by name, the rest is stored."""
    with served(index, "--max-body", "1") as running, httpx.Client(base_url=running.url, timeout=60) as client:
        large = b'{"text": "' + b"a" * (1 << 20) + b'"}'
        problem(client.post("/v1/items", content=large), 413)
        problem(client.post("/v1/items", content=iter([large[:1000], large[1000:]])), 413)
        assert client.get("/healthz").status_code == 200
    with served(index) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        items = [
            {"id": "long", "text": "wort " * 220_000},
            {"id": "short", "text": "Der Hafen von Triest öffnet wieder."},
        ]
        results = client.post("/v1/items", json=items).json()["results"]
        assert [result["status"] for result in results] == ["rejected", "added"]
        assert "1000000" in results[0]["reason"]
        problem(client.post("/v1/check", json={"text": "wort " * 220_000}), 413)
        assert client.delete("/v1/items/short").status_code == 204


def test_a_slow_body_is_given_up(index: Path) -> None:
    """A body that stops coming is answered with 408 instead of holding a place for ever."""
    with served(index, "--timeout", "1") as running:
        host, port = running.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(
                f"POST /v1/items HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 100\r\n\r\n{{".encode()
            )
            assert connection.recv(1000).startswith(b"HTTP/1.1 408 ")


def test_too_many_requests_at_once_are_sent_away(index: Path) -> None:
    """Above its number of open requests the service answers 503 with Retry-After, while health is still told."""
    with served(index, "--max-requests", "1") as running:
        host, port = running.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(
                f"POST /v1/items HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 100\r\n\r\n{{".encode()
            )
            answer = httpx.get(f"{running.url}/v1/items")
            while answer.status_code == 200:  # the slow request may not have been taken up yet
                answer = httpx.get(f"{running.url}/v1/items")
            problem(answer, 503)
            assert int(answer.headers["retry-after"]) > 0
            assert httpx.get(f"{running.url}/healthz").status_code == 200
        while httpx.get(f"{running.url}/v1/items").status_code != 200:
            pass


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Host": "elsewhere.example"}]
)
def test_a_page_of_another_site_changes_nothing(index: Path, server: str, headers: dict[str, str]) -> None:
    """A browser's request that another site's page made, or that came by a foreign name, is refused."""
    answer = httpx.post(f"{server}/v1/items", json={"id": "forged", "text": "Eine Meldung."}, headers=headers)
    problem(answer, 421 if "Host" in headers else 403)
    problem(httpx.get(f"{server}/v1/items/forged"), 404)


def test_what_is_no_request_is_refused(server: str) -> None:
    """A head without end, and what is no HTTP at all, are answered with a problem document and the connection closed."""
    host, port = server.removeprefix("http://").split(":")
    for sent, status in (
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 200_000, 431),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 20_000 + b"\r\n", 431),
        (b"HELLO\r\n\r\n", 400),
    ):
        with socket.create_connection((host, int(port)), timeout=30) as opened:
            opened.sendall(sent)
            answer = opened.recv(65536)
            assert answer.startswith(f"HTTP/1.1 {status} ".encode())
            assert b"application/problem+json" in answer
    assert httpx.get(f"{server}/healthz").status_code == 200
