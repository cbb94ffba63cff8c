"""`./dev bench`: measures, writes results.json, chart.svg and README.md of this folder, and prints the ratios."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench import load, machine, rounds, servers, session

FOLDER = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two short rounds of each: less than two minutes")
    parser.add_argument("--only", default="", help="works by name, parted by commas: token,tool")
    arguments = parser.parse_args()
    only = {name for name in arguments.only.split(",") if name}
    try:
        machine.check_tools()
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            found = session.run(stack, folder, rounds.QUICK if arguments.quick else rounds.FULL, only)
    except (machine.Unfit, servers.DidNotStart, load.LoadFailed) as error:
        sys.exit(str(error))
    (FOLDER / "results.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
