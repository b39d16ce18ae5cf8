#!/usr/bin/python3
"""Runs the tests of the gateway process with a real HAProxy, real clients and an authority: tests/gateway/test_*.py.

    run.py --host BUILD/src/gateway/gateway_host [--only WORD]
Each test is a function test_NAME(host, folder): the program, and a folder of its own.
Ends with "N passed, N failed, N skipped".
"""
import argparse
import importlib
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]
from harness import run_tests  # noqa: E402


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", required=True, type=lambda name: str(pathlib.Path(name).resolve()))
    parser.add_argument("--only")
    options = parser.parse_args()
    totals = [0, 0, 0]
    for path in sorted(HERE.glob("test_*.py")):
        module = importlib.import_module(path.stem)
        for name, test in list(vars(module).items()):
            if not name.startswith("test_") or getattr(test, "__module__", "") != path.stem:
                continue
            with tempfile.TemporaryDirectory(prefix="mcloud-gateway-") as folder:
                pathlib.Path(folder).chmod(0o755)  # HAProxy's user looks into its jail
                counts = run_tests(path.stem, [test], options.host, pathlib.Path(folder), only=options.only)
            totals = [total + count for total, count in zip(totals, counts)]
    print("{} passed, {} failed, {} skipped".format(*totals))
    return 1 if totals[1] else 0


if __name__ == "__main__":
    sys.exit(main())
