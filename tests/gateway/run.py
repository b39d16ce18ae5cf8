#!/usr/bin/python3
"""Runs the tests of the gateway process with a real HAProxy, real clients and an authority: tests/gateway/test_*.py.

    run.py --host BUILD/src/gateway/gateway_host [--only WORD]
Ends with "N passed, N failed, N skipped".
"""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]
from harness import run_folder  # noqa: E402

if __name__ == "__main__":
    sys.exit(run_folder(HERE, "--host", mode=0o755))  # HAProxy's user looks into its jail
