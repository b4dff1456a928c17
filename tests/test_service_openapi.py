"""The service's description, held against the service: its examples work, and its answers are as it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
import schemathesis
import schemathesis.specs.openapi.checks as checks
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from serving import Served, command, ingest, served


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory):
    """A server that the examples may write to."""
    with served(ingest(tmp_path_factory.mktemp("described"), "seeds/port-strike.jsonl")) as found:
        yield found


def test_every_example_works_when_pasted(running: Served) -> None:
    """Each example body and parameter of the description, sent as it stands, is answered with success."""
    paths = httpx.get(f"{running.url}/openapi.json").json()["paths"]
    sent = 0
    order = sorted(paths.items(), key=lambda entry: entry[0] != "/v1/items")  # the others ask for what this one stores
    for method in ("post", "get"):
        for path, operations in order:
            operation = operations.get(method)
            if operation is None:
                continue
            for parameter in operation.get("parameters", []):
                examples = parameter["schema"].get("examples") or parameter.get("examples") or []
                if parameter["in"] == "path" and examples:
                    path = path.replace("{" + parameter["name"] + "}", str(next(iter(examples))))
            if "{" in path:
                continue
            for media, content in operation.get("requestBody", {}).get("content", {"": {}}).items():
                bodies = [example["value"] for example in content.get("examples", {}).values()]
                if not bodies and "schema" in content:
                    name = content["schema"]["$ref"].rsplit("/", 1)[1]
                    bodies = httpx.get(f"{running.url}/openapi.json").json()["components"]["schemas"][name]["examples"]
                for body in bodies or [None]:
                    text = body if isinstance(body, str) or body is None else json.dumps(body)
                    headers = {"Content-Type": media} if media else {}
                    answer = httpx.request(method, f"{running.url}{path}", content=text, headers=headers, timeout=60)
                    assert answer.is_success, (method, path, answer.text)
                    sent += 1
    assert sent >= 15


def test_answers_are_what_the_commands_print(tmp_path: Path) -> None:
    """Variants, stories, an alignment and a check have over HTTP every field, with the same value, as on the command line."""
    index = ingest(tmp_path, "seeds/port-strike.jsonl")
    draft = tmp_path / "draft.txt"
    draft.write_text(
        "Genoa dockers turn ship away\n\nThirty dockers in Genoa stopped the Meridian Aurora from mooring.",
        encoding="utf-8",
    )

    def printed(*arguments: str | Path) -> list[Any]:
        return [json.loads(line) for line in command(*arguments, "--index", index, "--json").stdout.splitlines()]

    with served(index) as own, httpx.Client(base_url=own.url, timeout=60) as client:
        a, b = "port-strike-01.en", "port-strike-01.de"
        assert printed("items") == client.get("/v1/items?limit=500").json()["items"]
        assert printed("variants", a) == [client.get(f"/v1/items/{a}/variants").json()]
        by_id = {found["id"]: found for found in client.get("/v1/clusters?limit=500").json()["items"]}
        assert {found["id"]: found for found in printed("clusters")} == by_id
        assert printed("align", a, b) == [client.get(f"/v1/items/{a}/alignment/{b}").json()]
        checked = client.post("/v1/check", json={"text": draft.read_text(encoding="utf-8")}).json()
        assert printed("check", draft) == [checked]
        assert checked["covered"]


def test_deliveries_are_described(running: Served) -> None:
    """The description says how a delivery to a webhook looks and how its signature is checked."""
    found = httpx.get(f"{running.url}/openapi.json").json()["webhooks"]["changes"]["post"]
    assert {parameter["name"] for parameter in found["parameters"]} == {
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    }
    assert "HMAC-SHA256" in found["description"]
    assert found["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/Delivery")


def test_answers_are_as_described(running: Served) -> None:
    """Whatever is sent, valid or not, the answer has a described status, media type and shape, and is never a 500."""
    schema = schemathesis.openapi.from_url(f"{running.url}/openapi.json")

    for result in schema.include(path_regex="^/v1/").exclude(path_regex="jobs").get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=6,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def one(case: schemathesis.Case) -> None:
            case.call_and_validate(timeout=60, checks=CHECKS)

        one()


CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
