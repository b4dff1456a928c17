"""The HTTP service, asked over a socket of a real server process."""

from __future__ import annotations

import json

import httpx2 as httpx
import pytest


@pytest.fixture(scope="module")
def client(server: str):
    """A client of the running server."""
    with httpx.Client(base_url=server, timeout=30) as opened:
        yield opened


def problem(answer: httpx.Response, status: int) -> dict[str, object]:
    """The problem details of an answer, which must have this status and the media type of RFC 9457."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = answer.json()
    assert body["status"] == status
    return body


def test_health_and_openapi(client: httpx.Client) -> None:
    """The service says that it lives and is ready, and describes every route of the contract that it has."""
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json()["status"] == "ready"
    paths = client.get("/openapi.json").json()["paths"]
    assert {
        "/v1/items",
        "/v1/items/{item_id}",
        "/v1/items/{item_id}/variants",
        "/v1/lookup",
        "/v1/check",
        "/v1/clusters",
        "/v1/clusters/{cluster_id}",
    } <= paths.keys()


def test_variants_and_their_language_filter(client: httpx.Client) -> None:
    """The variants of an item by its external id, all or in one language."""
    found = client.get("/v1/items/port-strike-03.en/variants").json()
    assert {variant["lang"] for variant in found["variants"]} == {"de", "it", "ja"}
    only = client.get("/v1/items/port-strike-03.en/variants", params={"lang": "ja"}).json()
    assert [variant["document"] for variant in only["variants"]] == ["port-strike-03.ja"]
    assert only["cluster"] == found["cluster"]


def test_post_get_delete(client: httpx.Client) -> None:
    """An item can be stored, updated, read and deleted; sending it again changes nothing."""
    item = {
        "id": "posted",
        "title": "Brücke in Linz gesperrt",
        "text": "Die Eisenbahnbrücke in Linz ist seit Montag gesperrt.",
        "lang": "de",
    }
    first = client.post("/v1/items", json=item).json()["results"]
    assert [(result["document"], result["status"]) for result in first] == [("posted", "added")]
    assert client.post("/v1/items", json=[item]).json()["results"][0]["status"] == "unchanged"
    item["text"] += " Züge fahren ab Dienstag wieder."
    assert client.post("/v1/items", json=item).json()["results"][0]["status"] == "updated"
    assert client.get(f"/v1/items/{first[0]['id']}").json()["text"].endswith("wieder.")
    assert client.delete("/v1/items/posted").status_code == 204
    problem(client.get("/v1/items/posted"), 404)


def test_ndjson_with_faults_gives_a_result_a_line(client: httpx.Client) -> None:
    """Each line gets its own result in the order sent; the faulty one says why and the others are stored."""
    lines = [
        '{"id":"n1","text":"Il ponte di Ferrara resta chiuso fino a lunedì."}',
        "{broken",
        '{"id":"n2"}',
        '{"id":"n3","text":"The bridge at Ferrara stays shut until Monday."}',
    ]
    answer = client.post("/v1/items", content="\n".join(lines), headers={"Content-Type": "application/x-ndjson"})
    results = answer.json()["results"]
    assert [result["status"] for result in results] == ["added", "rejected", "rejected", "added"]
    assert "text" in results[2]["reason"]
    for name in ("n1", "n3"):
        assert client.delete(f"/v1/items/{name}").status_code == 204


def test_lookup_and_check_store_nothing(client: httpx.Client) -> None:
    """A text is looked up and checked without being stored."""
    before = client.get("/readyz").json()["items"]
    draft = {
        "title": "Dockers in Genoa refuse ship",
        "text": "About thirty dockers in Genoa stopped the Meridian Aurora with 1,150 containers from mooring on Friday.",
    }
    looked = client.post("/v1/lookup", json=draft).json()
    assert {variant["document"].split(".")[0] for variant in looked["variants"]} == {"port-strike-02"}
    assert looked["item"]["lang"] == "en"
    assert looked["cluster"] == looked["variants"][0]["cluster"]
    checked = client.post("/v1/check", json=draft).json()
    assert checked["covered"] is True
    assert [match["id"] for match in checked["matches"]] == [variant["id"] for variant in looked["variants"]]
    assert client.get("/readyz").json()["items"] == before


@pytest.mark.parametrize("path", ["/v1/items", "/v1/clusters"])
def test_pages_by_cursor_are_the_whole_list(client: httpx.Client, path: str) -> None:
    """Following the Link header page by page gives every entry once."""
    whole = client.get(path, params={"limit": 500}).json()
    assert whole["next"] is None
    seen, url = [], f"{path}?limit=5"
    while url:
        answer = client.get(url)
        seen += [entry["id"] for entry in answer.json()["items"]]
        link = answer.headers.get("link", "")
        assert bool(link) == (answer.json()["next"] is not None)
        url = link.split(">")[0].removeprefix("<") if link else ""
    assert seen == [entry["id"] for entry in whole["items"]]
    assert len(seen) == len(set(seen)) > 10


def test_a_cluster_by_its_id(client: httpx.Client) -> None:
    """A cluster of the list can be asked for alone."""
    cluster = client.get("/v1/clusters", params={"limit": 1}).json()["items"][0]
    assert client.get(f"/v1/clusters/{cluster['id']}").json() == cluster
    problem(client.get("/v1/clusters/none"), 404)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v1/items?cursor=%21%21", None, 422),
        ("GET", "/v1/items?limit=0", None, 422),
        ("GET", "/v1/items/none/variants", None, 404),
        ("POST", "/v1/check", "{}", 422),
        ("POST", "/v1/check", '{"text":"…"}', 422),
        ("POST", "/v1/check", "not json", 422),
        ("POST", "/v1/items", "not json", 422),
        ("POST", "/v1/items", b"\xff\xfe", 422),
        ("GET", "/v1/nowhere", None, 404),
        ("PUT", "/v1/items", None, 405),
    ],
)
def test_every_fault_is_a_problem(
    client: httpx.Client, method: str, path: str, body: str | bytes | None, status: int
) -> None:
    """Bad requests are answered with problem details that say what was wrong."""
    answer = client.request(method, path, content=body, headers={"Content-Type": "application/json"} if body else {})
    assert problem(answer, status)["detail"]


def test_a_list_with_repeated_and_nameless_items(client: httpx.Client) -> None:
    """Two items of one list may share an id, or have none: each result stands at its item's place."""
    items = [
        {"id": "twice", "text": "First text of the pair, about a bridge."},
        {"text": "A nameless item about a tunnel."},
        {"id": "twice", "text": "Second text of the pair, about a ferry."},
    ]
    results = client.post("/v1/items", json=items).json()["results"]
    assert [result["status"] for result in results] == ["added", "added", "updated"]
    assert client.get("/v1/items/twice").json()["text"].startswith("Second")
    for result in results[:2]:
        client.delete(f"/v1/items/{result['id']}")


def test_answers_carry_a_strict_policy(client: httpx.Client) -> None:
    """Pages allow no script at all, and nothing from elsewhere."""
    policy = client.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert json.loads(client.get("/openapi.json").text)["openapi"].startswith("3.1")
