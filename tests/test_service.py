"""The HTTP service, asked over a socket of a real server process."""

from __future__ import annotations

import json
import time

import httpx2 as httpx
import pytest
from serving import problem


@pytest.fixture(scope="module")
def client(server: str):
    """A client of the running server."""
    with httpx.Client(base_url=server, timeout=30) as opened:
        yield opened


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
        "/v1/jobs",
        "/v1/jobs/{job_id}",
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
        ("GET", "/v1/items?language=de", None, 422),
        ("GET", "/v1/queue?cursor=x", None, 422),
        ("GET", "/v1/items/port-strike-03.en/variants?min_score=nan", None, 422),
        ("POST", "/v1/lookup", '{"text":"Der Hafen.","published":"gestern"}', 422),
        ("POST", "/v1/webhooks", '{"url":"http://127.0.0.1:9/","after":1180591620717411303424}', 422),
        ("GET", "/v1/items?lang=", None, 422),
        ("GET", "/v1/items/port-strike-03.en/variants?lang=german", None, 422),
        ("GET", "/v1/clusters?missing=japanese", None, 422),
        ("GET", "/v1/items?published_from=2026-03-02&published_to=2026-03-01", None, 422),
        ("POST", "/v1/items", '{"text":"Ein Satz.","id":' + "9" * 5000 + "}", 422),
        ("POST", "/v1/check", '{"text":' + "9" * 5000 + "}", 422),
        ("POST", "/v1/check", "[" * 100_000, 422),
        ("POST", "/v1/check", '{"text":"Ein \\ud800 Satz."}', 422),
        ("POST", "/v1/lookup", '{"text":"Ein Satz.","title":"\\udfff"}', 422),
        ("POST", "/v1/decisions", '{"kind":"same_story","items":["\\ud800","b"]}', 422),
        ("GET", "/v1/clusters?min_items=9223372036854775808", None, 422),
        ("GET", "/v1/clusters?published_from=0001-01-01T00:00:00%2B14:00", None, 422),
        ("GET", "/v1/items?published_to=9999-12-31T23:59:59-14:00", None, 422),
    ],
)
def test_every_fault_is_a_problem(
    client: httpx.Client, method: str, path: str, body: str | bytes | None, status: int
) -> None:
    """Bad requests are answered with problem details that say what was wrong."""
    answer = client.request(method, path, content=body, headers={"Content-Type": "application/json"} if body else {})
    assert problem(answer, status)["detail"]


def test_a_fault_names_the_value_and_its_place(client: httpx.Client) -> None:
    """What cannot be used is said with its place and the value that was given; where JSON breaks off, by character."""
    [limit] = problem(client.get("/v1/items?limit=501"), 422)["errors"]
    assert limit == {"place": "query.limit", "reason": 'Input should be less than or equal to 500; given is "501"'}
    headers = {"Content-Type": "application/json"}
    broken = problem(client.post("/v1/check", content='{"text": oops}', headers=headers), 422)
    assert broken["detail"] == "body: it is not JSON (character 9: Expecting value)"
    secret = problem(client.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/", "secret": "s" * 201}), 422)
    assert "sss" not in str(secret)


def test_a_line_that_is_no_item_leaves_the_others(client: httpx.Client) -> None:
    """In a job too a number of thousands of digits is a line rejected, not a job failed; what is no object is shown as it was sent."""
    lines = [
        '{"text":"Ein Satz.","id":' + "9" * 5000 + "}",
        "null",
        '{"id":"l3","text":"Die Mole von Triest ist gesperrt."}',
    ]
    body, headers = "\n".join(lines), {"Content-Type": "application/x-ndjson"}
    results = client.post("/v1/items", content=body, headers=headers).json()["results"]
    assert [result["status"] for result in results] == ["rejected", "rejected", "added"]
    assert results[1]["reason"] == "entry 2 is null, not an object with a text"
    job = client.post("/v1/jobs", content=body, headers=headers).json()
    while job["finished_at"] is None:
        time.sleep(0.1)
        job = client.get(f"/v1/jobs/{job['id']}").json()
    assert (job["status"], job["counts"]) == ("done", {"rejected": 2, "unchanged": 1})
    client.delete("/v1/items/l3")


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
    """Pages allow scripts and styles from the service's own files alone, and nothing from elsewhere."""
    policy = client.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "style-src 'self';" in policy
    assert "unsafe" not in policy
    assert json.loads(client.get("/openapi.json").text)["openapi"].startswith("3.1")


def test_filters_combine(client: httpx.Client) -> None:
    """Items are filtered by language, source, date and words, variants by kind and score, clusters by what they lack."""
    every = client.get("/v1/items", params={"limit": 500}).json()["items"]
    some = next(item for item in every if item["lang"] == "de" and item["published"] and item["source"])
    day = some["published"][:10]
    asked = {
        "lang": "de",
        "source": some["source"],
        "published_from": day,
        "published_to": day,
        "q": some["title"][:12].upper(),
    }
    found = client.get("/v1/items", params=asked).json()["items"]
    assert some["id"] in [item["id"] for item in found]
    assert all(
        item["lang"] == "de" and item["source"] == some["source"] and item["published"][:10] == day for item in found
    )
    assert (
        client.get("/v1/items", params={**asked, "published_from": "2030-01-01", "published_to": "2031-01-01"}).json()[
            "items"
        ]
        == []
    )
    assert {"横浜"} <= {
        word
        for item in client.get("/v1/items", params={"q": "横浜"}).json()["items"]
        for word in ["横浜"]
        if word in item["title"] + item["text"]
    }
    variants = client.get("/v1/items/port-strike-03.en/variants").json()["variants"]
    least = sorted(variant["score"] for variant in variants)[1]
    strong = client.get("/v1/items/port-strike-03.en/variants", params={"min_score": least}).json()["variants"]
    assert [variant["id"] for variant in strong] == [variant["id"] for variant in variants if variant["score"] >= least]
    kind = variants[0]["kind"]
    of_kind = client.get("/v1/items/port-strike-03.en/variants", params={"kind": kind}).json()["variants"]
    assert [variant["id"] for variant in of_kind] == [variant["id"] for variant in variants if variant["kind"] == kind]
    lacking = client.get("/v1/clusters", params={"missing": ["ja", "it"], "limit": 500}).json()["items"]
    every_cluster = client.get("/v1/clusters", params={"limit": 500}).json()["items"]
    assert lacking == [cluster for cluster in every_cluster if {"ja", "it"} <= set(cluster["missing_langs"])]
    problem(client.get("/v1/items", params={"published_from": "yesterday"}), 422)


def test_clusters_by_date_are_the_same_clusters(client: httpx.Client) -> None:
    """Sorted by date, page by page, every cluster comes once, the newest first and the undated last."""
    every = client.get("/v1/clusters", params={"limit": 500}).json()["items"]
    published = {
        item["id"]: item["published"] or "" for item in client.get("/v1/items", params={"limit": 500}).json()["items"]
    }
    seen, url = [], "/v1/clusters?sort=newest&limit=3"
    while url:
        page = client.get(url)
        seen += page.json()["items"]
        url = page.headers["link"].split(">")[0].removeprefix("<") if "link" in page.headers else ""
    assert sorted(cluster["id"] for cluster in seen) == sorted(cluster["id"] for cluster in every)
    newest = [max(published[item["id"]][:10] for item in cluster["items"]) for cluster in seen]
    assert newest == sorted(newest, reverse=True)


def test_an_unchanged_answer_is_304(client: httpx.Client) -> None:
    """An answer's ETag, sent back, is answered with 304 and no body until the answer changes."""
    first = client.get("/v1/items/port-strike-03.en")
    again = client.get("/v1/items/port-strike-03.en", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    other = client.get("/v1/items/port-strike-03.de", headers={"If-None-Match": first.headers["etag"]})
    assert other.status_code == 200


def test_an_idempotency_key_repeats_the_answer(client: httpx.Client) -> None:
    """The same request under one key is done once and answered the same twice; another body is refused."""
    item = {"id": "once", "text": "Der Leuchtturm auf der Sandbank wird versetzt."}
    first = client.post("/v1/items", json=item, headers={"Idempotency-Key": "k-1"})
    again = client.post("/v1/items", json=item, headers={"Idempotency-Key": "k-1"})
    assert first.json()["results"][0]["status"] == "added"
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    problem(client.post("/v1/items", json={**item, "text": "Anders."}, headers={"Idempotency-Key": "k-1"}), 422)
    assert client.delete("/v1/items/once").status_code == 204


def test_a_job_and_a_webhook_are_made_once_for_a_key(client: httpx.Client) -> None:
    """A job or webhook sent again under the same Idempotency-Key is the one that was made; with another body the key is refused."""
    lines, kind = '{"id":"once","text":"Il faro di Trieste resta acceso."}\n', {"Content-Type": "application/x-ndjson"}
    key = {"Idempotency-Key": "job-once"}
    first, again = (client.post("/v1/jobs", content=lines, headers={**kind, **key}) for _ in range(2))
    assert (first.status_code, again.status_code, again.json()) == (202, 202, first.json())
    assert again.headers["location"] == first.headers["location"] == f"/v1/jobs/{first.json()['id']}"
    assert again.headers["idempotency-replayed"] == "true"
    problem(client.post("/v1/jobs", content=lines * 2, headers={**kind, **key}), 422)
    problem(client.post("/v1/jobs?kind=rebuild", headers=key), 422)
    while client.get(first.headers["location"]).json()["finished_at"] is None:
        time.sleep(0.1)
    client.delete("/v1/items/once")
    hook, key = {"url": "http://127.0.0.1:9/"}, {"Idempotency-Key": "hook-once"}
    made = [client.post("/v1/webhooks", json=hook, headers=key).json() for _ in range(2)]
    assert made[0] == made[1]
    assert [found["id"] for found in client.get("/v1/webhooks").json()["items"]] == [made[0]["id"]]
    assert client.get(f"/v1/webhooks/{made[0]['id']}").json()["secret"] is None
    assert client.delete(f"/v1/webhooks/{made[0]['id']}").status_code == 204


def test_items_without_an_id_do_not_overwrite_one_another(client: httpx.Client) -> None:
    """Two different nameless items are two items; the same one again is unchanged."""
    texts = ["The ferry to Helgoland is cancelled until Sunday.", "A museum in Turin lends its oldest map to Kyoto."]
    results = [client.post("/v1/items", json={"text": text}).json()["results"][0] for text in [*texts, texts[0]]]
    assert [result["status"] for result in results] == ["added", "added", "unchanged"]
    assert results[0]["id"] == results[2]["id"] != results[1]["id"]
    for result in results[:2]:
        client.delete(f"/v1/items/{result['id']}")


def test_an_external_id_may_be_a_path(client: httpx.Client) -> None:
    """An id with slashes and signs is sent percent-encoded and found again."""
    client.post("/v1/items", json={"id": "feed/2026/ü 1?", "text": "Ein Text über eine Brücke."})
    assert client.get("/v1/items/feed%2F2026%2F%C3%BC%201%3F").json()["document"] == "feed/2026/ü 1?"
    assert client.get("/v1/items/feed%2F2026%2F%C3%BC%201%3F/variants").json()["variants"] == []
    assert client.delete("/v1/items/feed%2F2026%2F%C3%BC%201%3F").status_code == 204


def test_a_job_ingests_in_the_background(client: httpx.Client) -> None:
    """A job takes many lines, tells how far it is, and says of each line that failed why it did."""
    lines = [
        json.dumps({"id": f"job-{n}", "text": f"Meldung Nummer {n} über den Hafen von Triest."}) for n in range(30)
    ]
    lines[7] = "{broken"
    answer = client.post("/v1/jobs", content="\n".join(lines), headers={"Content-Type": "application/x-ndjson"})
    assert answer.status_code == 202
    job = answer.json()
    assert (job["total"], answer.headers["location"]) == (30, f"/v1/jobs/{job['id']}")
    while job["status"] in ("queued", "running"):
        time.sleep(0.2)
        job = client.get(f"/v1/jobs/{job['id']}").json()
    assert (job["status"], job["done"], job["counts"]) == ("done", 30, {"added": 29, "rejected": 1})
    assert job["rejected"][0]["line"] == 8
    assert client.get("/v1/jobs").json()["items"][0] == job
    for n in range(30):
        client.delete(f"/v1/items/job-{n}")


def test_metrics_and_request_ids(client: httpx.Client) -> None:
    """Requests are counted by route, and an answer carries the request id that was sent, or a new one."""
    assert client.get("/healthz", headers={"X-Request-ID": "trace-7"}).headers["x-request-id"] == "trace-7"
    assert len(client.get("/healthz", headers={"X-Request-ID": "bad id"}).headers["x-request-id"]) == 32
    text = client.get("/metrics").text
    assert 'samestory_http_requests_total{method="GET",route="/healthz",status="200"}' in text
    assert "samestory_items " in text


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_a_body_of_another_kind_is_refused(client: httpx.Client, headers: dict[str, str]) -> None:
    """What is sent as something else than JSON, or packed, is refused with 415 instead of being guessed at."""
    for path in ("/v1/items", "/v1/jobs", "/v1/lookup", "/v1/decisions"):
        problem(client.post(path, content='{"text":"Ein Satz."}', headers=headers), 415)


def test_a_405_names_what_is_answered(client: httpx.Client) -> None:
    """A method that a path does not have is refused with all that it has, which OPTIONS tells too, and HEAD is answered like GET."""
    answer = client.patch("/v1/items")
    problem(answer, 405)
    assert answer.headers["allow"].split(", ") == ["GET", "POST", "HEAD", "OPTIONS"]
    asked = client.options("/v1/items")
    assert (asked.status_code, asked.content, asked.headers["allow"]) == (204, b"", answer.headers["allow"])
    problem(client.options("/v1/nowhere"), 404)
    assert client.post("/static/desk.js").headers["allow"] == "GET, HEAD, OPTIONS"
    head, get = client.head("/v1/items?limit=1"), client.get("/v1/items?limit=1")
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", get.headers["etag"])
    assert head.headers["content-length"] == get.headers["content-length"]


def test_a_problem_tells_nothing_of_the_server(client: httpx.Client) -> None:
    """A problem's detail does not name the folder that the index lies in."""
    detail = problem(client.get("/v1/items/none"), 404)["detail"]
    assert "'none'" in str(detail)
    assert "/" not in str(detail)


def test_lists_are_filtered_by_relation(client: httpx.Client) -> None:
    """Stories and the queue can be asked for by the kind and score of a relation within them, the queue by source and date too."""
    every = client.get("/v1/clusters", params={"limit": 500}).json()["items"]
    joined = client.get("/v1/clusters", params={"limit": 500, "kind": ["same_story", "translation"]}).json()["items"]
    assert 0 < len(joined) < len(every)
    assert all(len(cluster["items"]) > 1 for cluster in joined)
    assert client.get("/v1/clusters", params={"kind": "exact", "min_score": 0.5}).json()["items"] == []
    queue = client.get("/v1/queue", params={"limit": 500}).json()["items"]
    source = queue[0]["a"]["source"]
    for kind in ("related", "same_story", "translation"):
        answered = client.get("/v1/queue", params={"kind": kind, "limit": 500}).json()["items"]
        assert answered == [pair for pair in queue if pair["kind"] == kind]
    by_source = client.get("/v1/queue", params={"source": source, "limit": 500}).json()["items"]
    assert by_source == [pair for pair in queue if source in (pair["a"]["source"], pair["b"]["source"])]
    assert client.get("/v1/queue", params={"published_from": "2099-01-01"}).json()["items"] == []
