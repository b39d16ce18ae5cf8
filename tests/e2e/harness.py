"""What all tests in Python share: finding them, running them; and the clusters that end-to-end tests stand on."""
import argparse
import importlib
import pathlib
import re
import sys
import tempfile
import time
import traceback

TREE = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TREE / "recipes"))

from trial import Cluster, Failure, Load, fetch, now_ms, wait_for  # noqa: E402,F401


class Skip(Exception):
    """The reason why this machine cannot run a test."""


def expect(condition, message):
    if not condition:
        raise AssertionError(message)


def tests_of(module):
    """Its own: a module may use another's helpers, and whole tests stay with whom they belong."""
    return [value for name, value in vars(module).items()
            if name.startswith("test_") and getattr(value, "__module__", "") == module.__name__]


def named(test):
    return f"{test.__module__}.{test.__name__}"


def run_tests(module_name, tests, *arguments, only=None):
    """Runs functions named test_*; their docstrings are the sentences. Returns (passed, failed, skipped)."""
    passed = failed = skipped = 0
    for test in tests:
        if only and not re.search(only, named(test)):
            continue
        started = time.monotonic()
        verdict, detail = "ok", ""
        try:
            test(*arguments)
            passed += 1
        except Skip as reason:
            skipped += 1
            verdict, detail = "skipped", str(reason)
        except Exception as error:  # a test's failure is a result, whatever its type
            failed += 1
            verdict = "FAILED"
            detail = f"{type(error).__name__}: {error}\n" + "".join(traceback.format_exc().splitlines(True)[-8:])
        print(f"{verdict:7} {time.monotonic() - started:6.1f} s  {module_name}: {test.__doc__ or test.__name__}", flush=True)
        if verdict == "skipped":
            print(f"skipped: {test.__name__}: {detail}")
        elif detail:
            print(detail, flush=True)
    return passed, failed, skipped


def summary(totals):
    """The last line that ./check reads; the exit code."""
    print("{} passed, {} failed, {} skipped".format(*totals))
    return 1 if totals[1] else 0


def run_folder(here, option, mode=0o700):
    """The tests of all test_*.py in the folder `here`, each as test_NAME(program, folder): what `option` names, and a folder of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument(option, dest="program", required=True, type=lambda name: str(pathlib.Path(name).resolve()))
    parser.add_argument("--only")
    options = parser.parse_args()
    totals = (0, 0, 0)
    for path in sorted(here.glob("test_*.py")):
        for test in tests_of(importlib.import_module(path.stem)):
            with tempfile.TemporaryDirectory(prefix=f"mcloud-{here.name}-") as folder:
                pathlib.Path(folder).chmod(mode)
                counts = run_tests(path.stem, [test], options.program, pathlib.Path(folder), only=options.only)
            totals = [total + count for total, count in zip(totals, counts)]
    return summary(totals)
