"""What every end-to-end test shares: finding tests, running them, the clusters they stand on."""
import pathlib
import sys
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


def run_tests(module_name, tests, *arguments, only=None):
    """Runs functions named test_*; their docstrings are the sentences. Returns (passed, failed, skipped)."""
    passed = failed = skipped = 0
    for test in tests:
        if only and only not in test.__name__:
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
