"""`./dev bench`: measures, writes results.json, chart.svg and README.md, and prints the ratios.

A whole run writes them into this folder, and a part of one into bench/output.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import chart, load, machine, report, rounds, servers, session

FOLDER = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two short rounds of each: less than two minutes")
    parser.add_argument("--only", default="", help="works by name, parted by commas: token,tool")
    parser.add_argument("--output", default="bench/output", help="where a run that is --quick or --only writes")
    arguments = parser.parse_args()
    only = {name for name in arguments.only.split(",") if name}
    try:
        machine.check_tools()
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            found = session.run(stack, folder, rounds.QUICK if arguments.quick else rounds.FULL, only)
    except (machine.Unfit, servers.DidNotStart, load.LoadFailed) as error:
        sys.exit(str(error))
    write(found, FOLDER if not (arguments.quick or only) else Path(arguments.output))
    print(report.ratios(found))


def write(results: Mapping[str, Any], folder: Path) -> None:
    """results.json, chart.svg and README.md."""
    profiles = FOLDER / "profiles.json"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "chart.svg").write_text(chart.svg(results))
    known = json.loads(profiles.read_text()) if profiles.exists() else {}
    (folder / "README.md").write_text(report.readme(results, known))


if __name__ == "__main__":
    main()
