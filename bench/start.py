"""How fast a command starts: `samestory variants` in a fresh process, beside importing sentence-transformers.

Prints and writes ``results/start.json``: the median of seven runs each, in seconds, and their ratio.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
COMMAND = str(Path(sys.executable).with_name("samestory"))


def seconds(command: list[str], runs: int = 7) -> float:
    """The median wall time of a command, after one run that does not count."""
    found = []
    for _ in range(runs + 1):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        found.append(time.perf_counter() - started)
    return statistics.median(found[1:])


def main() -> None:
    """Measure, print, write."""
    with tempfile.TemporaryDirectory() as index:
        subprocess.run(
            [COMMAND, "ingest", str(HERE.parent / "seeds"), "--index", index], check=True, capture_output=True
        )
        variants = seconds([COMMAND, "variants", "port-strike-03.ja", "--index", index])
        (Path(index) / "draft.txt").write_text(
            "Dockers in Genoa refuse a ship\n\nThey will not unload it.", encoding="utf-8"
        )
        check = seconds([COMMAND, "check", f"{index}/draft.txt", "--index", index])
    library = seconds([sys.executable, "-c", "import sentence_transformers"], runs=3)
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "variants_seconds": round(variants, 3),
        "check_seconds": round(check, 3),
        "import_sentence_transformers_seconds": round(library, 3),
        "import_over_variants": round(library / variants, 1),
    }
    print(json.dumps(result, indent=1))
    (HERE / "results" / "start.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
