#!/usr/bin/python3
"""Runs the tests of images that need programs, kernels and other people's tools: tests/image/test_*.py.

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
