#!/usr/bin/python3
"""Outside judges of the contract language: another's JSON Schema validator, another's editor server.

    run.py --mcloud BINARY [--only WORD]
Ends with "N passed, N failed, N skipped".
"""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]
from harness import run_folder  # noqa: E402

if __name__ == "__main__":
    sys.exit(run_folder(HERE, "--mcloud"))
