#!/usr/bin/python3
"""Runs the tests of images that need programs, kernels and other people's tools: tests/image/test_*.py.

    run.py --mcloud BINARY [--only WORD]
Each test is a function test_NAME(mcloud, folder): the binary, and a folder of its own.
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
    parser.add_argument("--mcloud", required=True, type=lambda name: str(pathlib.Path(name).resolve()))
    parser.add_argument("--only")
    options = parser.parse_args()
    totals = [0, 0, 0]
    for path in sorted(HERE.glob("test_*.py")):
        module = importlib.import_module(path.stem)
        for name, test in list(vars(module).items()):
            if not name.startswith("test_"):
                continue
            with tempfile.TemporaryDirectory(prefix="mcloud-image-") as folder:
                counts = run_tests(path.stem, [test], options.mcloud, pathlib.Path(folder), only=options.only)
            totals = [total + count for total, count in zip(totals, counts)]
    print("{} passed, {} failed, {} skipped".format(*totals))
    return 1 if totals[1] else 0


if __name__ == "__main__":
    sys.exit(main())
