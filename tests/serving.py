"""A real server process for the tests of the service."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx

ROOT = Path(__file__).parent.parent
COMMAND = str(Path(sys.executable).with_name("samestory"))


@dataclass
class Served:
    """A running server: its address, its process, and the file that its standard error goes to."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def stop(self) -> int:
        """End it with SIGTERM; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def lines(self) -> list[dict[str, object]]:
        """The log lines that are JSON."""
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines() if line.startswith("{")]


def command(*arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run ``samestory`` with these arguments."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SAMESTORY")}
    return subprocess.run(
        [COMMAND, *map(str, arguments)], cwd=ROOT, check=check, capture_output=True, text=True, env=environment
    )


def ingest(folder: Path, *paths: str | Path) -> Path:
    """An index of these files under `folder`."""
    command("ingest", *paths, "--index", folder / "index")
    return folder / "index"


@contextmanager
def served(index: Path, *arguments: str) -> Iterator[Served]:
    """A server over `index`, ready to answer; killed at the end if it still runs."""
    log = index.parent / f"serve-{time.monotonic_ns()}.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [COMMAND, "serve", "--port", "0", "--index", str(index), *arguments], cwd=ROOT, stderr=errors, stdout=errors
        )
    try:
        until = time.monotonic() + 300
        url = ""
        while True:
            assert time.monotonic() < until, log.read_text(encoding="utf-8")
            assert process.poll() is None, log.read_text(encoding="utf-8")
            text = log.read_text(encoding="utf-8")
            if not url and " on http" in text:
                url = text.split(" on ")[1].split("/ ")[0]
            try:
                if url and httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        yield Served(url, process, log)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def problem(answer: httpx.Response, status: int) -> dict[str, object]:
    """The problem details of an answer, which must have this status and the media type of RFC 9457."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = answer.json()
    assert body["status"] == status
    assert body["detail"]
    return body
