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

from bench import chart, dialects, load, machine, report, rounds, servers, session, works

FOLDER = Path(__file__).parent
PROFILES = FOLDER / "profiles.json"


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two short rounds of each: about two minutes")
    parser.add_argument("--only", default="", help="works by name, parted by commas: token,tool")
    parser.add_argument("--profile", action="store_true", help="instead, where a request spends its time (py-spy)")
    parser.add_argument("--page", action="store_true", help="instead, write page and chart of results.json again")
    parser.add_argument("--output", type=Path, help="where to write instead")
    arguments = parser.parse_args()
    only = {name for name in arguments.only.split(",") if name}
    if strange := only - set(works.NAMES):
        parser.error(f"no such work: {' '.join(sorted(strange))}; there are {' '.join(works.NAMES)}")
    if arguments.page:
        write(json.loads((FOLDER / "results.json").read_text()), FOLDER)
        return
    try:
        machine.check_tools()
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            if arguments.profile:
                keep(session.profiles(stack, folder))
                return
            found = session.run(stack, folder, rounds.QUICK if arguments.quick else rounds.FULL, only)
    except (machine.Unfit, servers.DidNotStart, load.LoadFailed, dialects.Refused) as error:
        sys.exit(str(error))
    write(found, arguments.output or (FOLDER / "output" if arguments.quick or only else FOLDER))
    print(report.ratios(found))


def keep(profiles: dict[str, Any]) -> None:
    """profiles.json with what was found; what it says of the time before stays."""
    known = json.loads(PROFILES.read_text()) if PROFILES.exists() else {}
    known |= {name: {**known.get(name, {}), **found} for name, found in profiles.items()}
    PROFILES.write_text(json.dumps(known, indent=1) + "\n")


def write(results: Mapping[str, Any], folder: Path) -> None:
    """results.json, chart.svg and README.md."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "chart.svg").write_text(chart.svg(results))
    known = json.loads(PROFILES.read_text()) if PROFILES.exists() else {}
    (folder / "README.md").write_text(report.readme(results, known))


if __name__ == "__main__":
    main()
