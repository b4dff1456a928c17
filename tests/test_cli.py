"""The commands as a user runs them: fresh processes, real files, exit codes."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import GERMAN_EDITION, ROOT

SAMESTORY = str(Path(sys.executable).with_name("samestory"))
COMMANDS = (
    "ingest",
    "items",
    "variants",
    "clusters",
    "check",
    "align",
    "report",
    "embed",
    "eval",
    "serve",
    "history",
    "changes",
    "decide",
    "decisions",
    "undo",
    "queue",
    "settings",
    "revisions",
    "reembed",
)


def samestory(
    *arguments: str | Path, stdin: str | bytes | None = None, folder: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run one command in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SAMESTORY")}
    text = stdin.decode("utf-8", "surrogateescape") if isinstance(stdin, bytes) else stdin
    return subprocess.run(
        [SAMESTORY, *map(str, arguments)],
        input=text,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        cwd=folder,
        env=environment,
    )


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of two bundled topics."""
    folder = tmp_path_factory.mktemp("cli") / "index"
    done = samestory("ingest", "seeds/port-strike.jsonl", "seeds/chip-plant.jsonl", "--index", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_the_common_options(command: str) -> None:
    """--help says what a command does and names --index and --json."""
    done = samestory(command, "--help")
    assert done.returncode == 0
    assert "--index" in done.stdout
    assert "--json" in done.stdout


def test_ingest_prints_the_counts_of_the_contract(tmp_path: Path) -> None:
    """Counts and rejections as JSON; the rejected line is named on standard error too; the rest is in."""
    path = tmp_path / "rows.jsonl"
    path.write_text(
        '{"id":"a","text":"Der Rat hat am Montag den Bau der neuen Brücke beschlossen."}\n{broken\n', encoding="utf-8"
    )
    done = samestory("ingest", path, "--index", tmp_path / "i", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == {
        "documents": 1, "items": 1, "added": 1, "updated": 0, "unchanged": 0,
        "rejected": [{"path": str(path), "line": 2, "reason": json.loads(done.stdout)["rejected"][0]["reason"]}],
    }  # fmt: skip
    assert f"{path}:2" in done.stderr
    again = samestory("ingest", path, "--index", tmp_path / "i", "--json")
    assert (json.loads(again.stdout)["added"], json.loads(again.stdout)["unchanged"]) == (0, 1)


def test_ingest_from_standard_input(tmp_path: Path) -> None:
    """- reads JSONL from a pipe."""
    done = samestory(
        "ingest",
        "-",
        "--index",
        tmp_path,
        "--json",
        stdin='{"id":"a","text":"The council voted on Monday to build the bridge."}\n',
    )
    assert json.loads(done.stdout)["added"] == 1


def test_items_of_a_page_in_json(tmp_path: Path) -> None:
    """One JSON line an item, with offsets that slice the file."""
    path = tmp_path / "edition.txt"
    path.write_text(GERMAN_EDITION, encoding="utf-8")
    samestory("ingest", path, "--index", tmp_path / "i")
    lines = [json.loads(line) for line in samestory("items", "--index", tmp_path / "i", "--json").stdout.splitlines()]
    assert len(lines) == 4
    assert set(lines[0]) == {
        "id",
        "document",
        "lang",
        "lang_confidence",
        "title",
        "text",
        "source",
        "url",
        "published",
        "start",
        "end",
    }
    for line in lines:
        assert line["document"] == "edition.txt"
        hull = GERMAN_EDITION[line["start"] : line["end"]]
        assert all(paragraph in hull for paragraph in line["text"].split("\n"))


def test_variants_by_external_id(index: Path) -> None:
    """An external id is as good as an id, and every variant repeats its own."""
    found = json.loads(samestory("variants", "port-strike-03.ja", "--index", index, "--json").stdout)
    assert found["item"]["document"] == "port-strike-03.ja"
    assert {variant["document"].split(".")[0] for variant in found["variants"]} == {"port-strike-03"}
    assert {variant["lang"] for variant in found["variants"]} == {"en", "de", "it"}
    assert set(found["variants"][0]) == {"id", "document", "lang", "title", "kind", "score", "evidence"}
    by_id = json.loads(samestory("variants", found["item"]["id"], "--index", index, "--json").stdout)
    assert by_id == found
    shown = samestory("variants", "port-strike-03.ja", "--index", index).stdout
    assert "German" in shown
    assert "English" in shown


def test_clusters_in_json_and_as_a_table(index: Path) -> None:
    """Every item is in exactly one cluster; the table names the stories."""
    lines = [json.loads(line) for line in samestory("clusters", "--index", index, "--json").stdout.splitlines()]
    documents = [item["document"] for line in lines for item in line["items"]]
    assert (
        len(documents) == len(set(documents)) == len(samestory("items", "--index", index, "--json").stdout.splitlines())
    )
    assert all(
        sorted({*line["langs"], *line["missing_langs"]} & {"en", "ja", "de", "it"}) == ["de", "en", "it", "ja"]
        for line in lines
    )
    assert lines[0]["id"] in samestory("clusters", "--index", index).stdout


def test_check_of_a_file_and_of_standard_input(index: Path, tmp_path: Path) -> None:
    """A draft on a known story is covered, and nothing is stored; an unknown one is not."""
    draft = "Dockers in Genoa refuse ship\n\nAbout thirty dockers in Genoa stopped the Meridian Aurora with 1,150 containers from mooring on Friday, in support of Hamburg's strikers."
    (tmp_path / "draft.txt").write_text(draft, encoding="utf-8")
    found = json.loads(samestory("check", tmp_path / "draft.txt", "--index", index, "--json").stdout)
    assert found["covered"] is True
    assert found["lang"] == "en"
    assert {match["document"].split(".")[0] for match in found["matches"]} == {"port-strike-02"}
    assert "cluster" in found["matches"][0]
    unknown = json.loads(
        samestory(
            "check",
            "-",
            "--index",
            index,
            "--json",
            stdin="Zoo names elephant\n\nThe zoo in Leipzig has named its calf Kiran.",
        ).stdout
    )
    assert (unknown["covered"], unknown["matches"]) == (False, [])


def test_embed_writes_unit_rows(tmp_path: Path) -> None:
    """One row a line, float32, of unit length; a blank line is refused by its number."""
    (tmp_path / "in.txt").write_text("Hello world.\nこんにちは。\nGuten Tag.\n", encoding="utf-8")
    assert samestory("embed", "--input", tmp_path / "in.txt", "--output", tmp_path / "out.npy").returncode == 0
    rows = np.load(tmp_path / "out.npy")
    assert (rows.dtype, rows.shape[0]) == (np.float32, 3)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    (tmp_path / "in.txt").write_text("one\n\nthree\n", encoding="utf-8")
    done = samestory("embed", "--input", tmp_path / "in.txt", "--output", tmp_path / "b.npy")
    assert done.returncode == 2
    assert "in.txt:2" in done.stderr
    assert not (tmp_path / "b.npy").exists()


def test_reports_in_every_format(index: Path, tmp_path: Path) -> None:
    """HTML, Markdown, JSON, CSV and Parquet hold every item or story of the index."""
    for form in ("html", "md", "json", "csv", "parquet"):
        done = samestory("report", "--format", form, "-o", tmp_path / f"report.{form}", "--index", index)
        assert done.returncode == 0, done.stderr
    n_items = len(samestory("items", "--index", index, "--json").stdout.splitlines())
    with (tmp_path / "report.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == pq.read_table(tmp_path / "report.parquet").num_rows == n_items
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["summary"]["items"] == n_items
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert rows[0]["cluster"] in page
    assert not re.search(r'(src|href)="http', page.replace('href="https://', "")), (
        "the report asks for nothing from outside"
    )
    assert rows[0]["cluster"] in (tmp_path / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["variants", "no-such-item"], 1, "no-such-item"),
        (["ingest", "no-such-file.jsonl"], 2, "no-such-file.jsonl"),
        (["check", "no-such-draft.txt"], 2, "no-such-draft.txt"),
        (["report", "--format", "parquet"], 2, "-o"),
        (["report", "--format", "pdf"], 2, "pdf"),
        (["nonsense"], 2, "nonsense"),
        (["embed", "--input", "missing.txt", "--output", "x.npy"], 2, "missing.txt"),
    ],
)  # fmt: skip
def test_errors_are_one_clear_line(index: Path, arguments: list[str], code: int, named: str) -> None:
    """Not found exits with 1, bad input and usage with 2; the line names the value; no traceback is shown."""
    options = ["--index", str(index)] if arguments[0] != "nonsense" else []
    done = samestory(*arguments, *options)
    assert done.returncode == code
    assert named in done.stderr
    assert "Traceback" not in done.stderr


def test_an_index_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Asking an index that does not exist creates none."""
    done = samestory("clusters", "--index", tmp_path / "none")
    assert done.returncode == 2
    assert "ingest" in done.stderr
    assert not (tmp_path / "none").exists()


def test_another_model_is_refused_on_the_command_line(index: Path, tmp_path: Path) -> None:
    """A draft cannot be checked with another model than the index's."""
    from align.embedding import SHIPPED_MODEL

    other = tmp_path / "other-model"
    other.mkdir()
    for path in SHIPPED_MODEL.rglob("*"):
        target = other / path.relative_to(SHIPPED_MODEL)
        if path.is_dir():
            target.mkdir()
        elif path.name == "tokenizer.json":
            target.write_bytes(path.read_bytes() + b"\n")
        else:
            target.write_bytes(path.read_bytes())
    done = samestory(
        "check", "-", "--index", index, "--model", other, stdin="Dockers in Genoa refuse a ship from Hamburg."
    )
    assert done.returncode == 2
    assert "other-model" in done.stderr
    assert "samestory-static" in done.stderr


def test_variants_starts_without_the_heavy_libraries(index: Path) -> None:
    """Looking up variants in a fresh process imports neither torch nor the HTML, feed and table readers."""
    code = (
        "import sys; from align.cli import main\n"
        f"try: main(['variants', 'port-strike-03.ja', '--index', {str(index)!r}])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'sentence_transformers', 'trafilatura', 'feedparser', 'pyarrow', 'scipy', 'fastapi'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]"


def test_stories_are_followed_and_corrected_on_the_command_line(tmp_path: Path) -> None:
    """From a past state to a decision, its refusal, its undoing and the feed: each command answers in JSON."""

    def run(*arguments: str) -> list[dict[str, object]]:
        return [
            json.loads(line) for line in samestory(*arguments, "--json", "--index", str(folder)).stdout.splitlines()
        ]

    folder = tmp_path / "index"
    samestory("ingest", "seeds/port-strike.jsonl", "--index", str(folder))
    before = run("clusters")
    assert all({"first_seen", "representatives", "sources"} <= cluster.keys() for cluster in before)
    [made] = run(
        "decide", "same-story", "port-strike-01.en", "port-strike-02.it", "--by", "Ada", "--note", "one strike"
    )
    assert (made["kind"], made["by"], made["note"]) == ("same_story", "Ada", "one strike")
    assert len(run("clusters")) == len(before) - 1
    assert run("decisions") == [made]
    refused = samestory(
        "decide", "not-same-story", "port-strike-01.en", "port-strike-02.it", "--by", "Grace", "--index", str(folder)
    )
    assert refused.returncode == 1
    assert str(made["id"]) in refused.stderr
    assert "Ada" in refused.stderr
    [merged] = run("changes", "--after", str(len(before)))
    assert (merged["what"], merged["why"]) == ("merged", f"decision {made['id']}")
    assert run("history", str(merged["cluster"]))[-1] == merged
    past = run("clusters", "--as-of", str(len(before)))
    assert {cluster["id"] for cluster in past} == {cluster["id"] for cluster in before}
    report = samestory("report", "--format", "json", "--as-of", str(len(before)), "--index", str(folder)).stdout
    told = json.loads(report)
    assert told["summary"]["clusters"] == len(before)
    [undone] = run("undo", str(made["id"]), "--by", "Grace")
    assert undone["undone_by"] == "Grace"
    assert len(run("clusters")) == len(before)
    assert run("decisions") == []
    assert run("decisions", "--all") == [undone]
    assert run("settings", "link", "0.5") == [{"link": 0.5}]
    assert run("settings", "link", "default") == [{"link": 0.3}]
    assert samestory("settings", "link", "5", "--index", str(folder)).returncode == 2
    assert samestory("clusters", "--as-of", "soon", "--index", str(folder)).returncode == 2
    assert all(set(pair) >= {"a", "b", "score", "usefulness", "why"} for pair in run("queue"))
    assert len(run("revisions", "port-strike-01.en")) == 1


def test_communities_show_an_archive_by_its_vectors(index: Path) -> None:
    """`communities` prints what lies close together, here versions of one story, with their cosines; a cosine out of range is bad input."""
    shown = samestory("communities", "--least", "0.8", "--json", "--index", index)
    assert shown.returncode == 0, shown.stderr
    groups = [json.loads(line) for line in shown.stdout.splitlines()]
    told = samestory("clusters", "--json", "--index", index).stdout.splitlines()
    story = {item["id"]: cluster["id"] for cluster in map(json.loads, told) for item in cluster["items"]}
    assert groups
    for group in groups:
        assert len({story[item["id"]] for item in group["items"]}) == 1
        assert group["centre"] == group["items"][0]["id"]
        assert all(item["cosine"] >= 0.8 for item in group["items"])
        assert group["langs"] == sorted({item["lang"] for item in group["items"]})
    assert groups[0]["centre"] in samestory("communities", "--least", "0.8", "--index", index).stdout
    refused = samestory("communities", "--least", "0.1", "--index", index)
    assert refused.returncode == 2
    assert "0.1 is out of range; give one from 0.5 to 1" in refused.stderr
