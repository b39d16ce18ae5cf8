#!/usr/bin/python3
"""Runs the end-to-end tests: real processes in network namespaces, judged from outside.

    run.py --mcloud BINARY [--only PATTERN of MODULE.TEST]
Ends with "N passed, N failed, N skipped".
"""
import argparse
import importlib
import pathlib
import re
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import Cluster, named, run_tests, summary, tests_of  # noqa: E402


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mcloud", required=True, type=lambda name: str(pathlib.Path(name).resolve()))
    parser.add_argument("--only")
    options = parser.parse_args()
    totals = [0, 0, 0]

    def add(counts):
        for i, count in enumerate(counts):
            totals[i] += count

    def wanted_of(modules):
        return [m for m in modules if not options.only or any(re.search(options.only, named(t)) for t in tests_of(m))]

    with tempfile.TemporaryDirectory(prefix="mcloud-e2e-") as folder:
        # Modules that share one cluster of five; each cleans up the contracts it made.
        shared = ["deploy", "agent", "secrets", "workloads", "images", "healing"]
        wanted = wanted_of([importlib.import_module(f"test_{name}") for name in shared])
        if wanted:
            with Cluster(options.mcloud, pathlib.Path(folder) / "shared") as cluster:
                for module in wanted:
                    add(run_tests(module.__name__, tests_of(module), cluster, only=options.only))
        # Modules with a cluster of their own kind. Of the networks' six nodes two are gateways and two are behind NAT.
        own = {("kv",): {"nodes": 4}, ("network", "network_kinds", "moves", "access", "figures"): {"nodes": 6, "options": ["--hidden", 2]},
               ("gateway",): {"nodes": 6, "options": ["--hidden", 2]}}
        for names, size in own.items():
            wanted = wanted_of([importlib.import_module(f"test_{name}") for name in names])
            if wanted:
                with Cluster(options.mcloud, pathlib.Path(folder) / names[0], **size) as cluster:
                    for module in wanted:
                        add(run_tests(module.__name__, tests_of(module), cluster, only=options.only))
        for name in ["lifecycle", "tour"]:
            module = importlib.import_module(f"test_{name}")
            add(run_tests(module.__name__, tests_of(module), options.mcloud, pathlib.Path(folder) / name, only=options.only))
    return summary(totals)


if __name__ == "__main__":
    sys.exit(main())
