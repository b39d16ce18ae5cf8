#!/usr/bin/python3
"""The house rules that a program can check; ends with "N passed, N failed"."""
import pathlib
import re
import subprocess
import sys

TREE = pathlib.Path(__file__).resolve().parent.parent
SOURCE = TREE / "src"


def tracked(*patterns):
    out = subprocess.run(["git", "-C", TREE, "ls-files", "-co", "--exclude-standard", "--", *patterns],
                         capture_output=True, text=True, check=True).stdout
    return [TREE / line for line in out.splitlines() if (TREE / line).is_file()]


def rooms():
    """{room: (floor, uses)} from the one-line CMakeLists."""
    found = {}
    for path in SOURCE.glob("*/CMakeLists.txt"):
        match = re.search(r"mcloud_room\((\w+)\s+FLOOR\s+(\d+)([^)]*)\)", path.read_text())
        if match:
            uses = re.search(r"USES((?:\s+(?!NEEDS)\w+)+)", match[3])
            found[match[1]] = (int(match[2]), set(uses[1].split()) if uses else set())
    return found


def closure(room, table):
    seen, waiting = {room}, [room]
    while waiting:
        for used in table.get(waiting.pop(), (0, set()))[1]:
            if used not in seen:
                seen.add(used)
                waiting.append(used)
    return seen


def check_stairs_only_go_down():
    """a room includes only rooms that its CMakeLists names, directly or through them"""
    table, wrong = rooms(), []
    for path in tracked("src/*.cc", "src/*.h"):
        room = path.relative_to(SOURCE).parts[0]
        allowed = closure(room, table)
        if path.name.endswith("_test.cc") or path.name.startswith("test_"):
            allowed |= closure("testing", table)
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = re.match(r'#include "(\w+)/', line)
            if match and match[1] in table and match[1] not in allowed and room in table and room != "apps":
                wrong.append(f"{path.relative_to(TREE)}:{number}: {room} includes {match[1]}")
    return wrong


def check_headers_keep_checks_out():
    """no header includes base/check.h: doctest owns the word CHECK in tests"""
    return [str(p.relative_to(TREE)) for p in tracked("src/*.h") if '#include "base/check.h"' in p.read_text()]


def check_headers_say_what_they_are_for():
    """every header begins with a comment and has #pragma once"""
    wrong = []
    for path in tracked("src/*.h"):
        text = path.read_text()
        if not text.startswith("//") or "#pragma once" not in text:
            wrong.append(str(path.relative_to(TREE)))
    return wrong


def check_door_plates():
    """every room has a README of at most a page, with the five headings, and its paths exist"""
    wrong = []
    for room in rooms():
        plate = SOURCE / room / "README.md"
        if not plate.exists():
            wrong.append(f"src/{room}: no README.md")
            continue
        text = plate.read_text()
        for heading in ("For", "Front door", "Life of ", "Always true", "Where to change what"):
            if heading.lower() not in text.lower():
                wrong.append(f"src/{room}/README.md: no \"{heading}\"")
        if len(text.splitlines()) > 90:
            wrong.append(f"src/{room}/README.md: longer than a page")
        for name in re.findall(r"`([\w./-]+\.(?:cc|h|md|proto|py|sh))`", text):
            if not any((base / name).exists() for base in (TREE, SOURCE, SOURCE / room, TREE / "proto")):
                wrong.append(f"src/{room}/README.md: {name} is not there")
    return wrong


def check_paths_in_documents():
    """paths that the documents at the top and under docs/ name exist"""
    wrong = []
    for path in tracked("README.md", "CONTRIBUTING.md", "docs/*.md"):
        if path.name == "style.md":  # it speaks of other projects' files
            continue
        for name in re.findall(r"`((?:src|docs|recipes|tests|bench|proto|cmake)/[\w./-]+)`", path.read_text()):
            if not (TREE / name.rstrip("/")).exists():
                wrong.append(f"{path.relative_to(TREE)}: {name} is not there")
    return wrong


def check_links_in_documents():
    """relative links in our documents lead somewhere"""
    wrong = []
    for path in tracked("*.md"):
        if path.name == "style.md":
            continue
        prose = re.sub(r"^```.*?^```|`[^`\n]*`", "", path.read_text(), flags=re.S | re.M)
        for target in re.findall(r"\]\(([^)\s#]+)", prose):
            if "://" not in target and not (path.parent / target).exists():
                wrong.append(f"{path.relative_to(TREE)}: {target} is not there")
    return wrong


def check_guides():
    """every guide is linked from README.md and shorter than 120 lines"""
    wrong, readme = [], (TREE / "README.md").read_text()
    for path in tracked("docs/guide/*.md"):
        name = str(path.relative_to(TREE))
        if f"({name})" not in readme:
            wrong.append(f"{name} is not linked from README.md")
        if len(path.read_text().splitlines()) >= 120:
            wrong.append(f"{name} has 120 lines or more")
    return wrong


def check_alerts_ask_for_figures_that_there_are():
    """each figure that recipes/prometheus/alerts.yaml asks for is one that some source writes"""
    sources = "".join(path.read_text() for path in tracked("src/*.cc") if not path.name.endswith("_test.cc"))
    rules = re.findall(r"expr: (.*)", (TREE / "recipes/prometheus/alerts.yaml").read_text())
    names = {name for rule in rules for name in re.findall(r"\b(?:mcloud|node|ledger|sink)_\w+", rule)}
    return [f"no source writes {name}" for name in sorted(names) if f'"{name}"' not in sources] if names else ["there are no rules"]


def check_figures_are_documented():
    """docs/reference/metrics.md has every figure that a node, the ledger or the sink writes, and no other"""
    writers = ["src/node/figures.cc", "src/node/log_shipper.cc", "src/node/agent_telling.cc", "src/ledger/engine/figures.cc", "src/sink/shelf.cc"]
    name = r"\b(?:mcloud|node|ledger|sink)_[a-z0-9]+_?[a-z0-9_]*\b"
    written = {found for path in writers for text in re.findall(r'"([^"]*)"', (TREE / path).read_text()) for found in re.findall(name, text)}
    told = set(re.findall(rf"`({name})`", (TREE / "docs/reference/metrics.md").read_text()))
    return [f"{one} is written and not documented" for one in sorted(written - told)] + [f"{one} is documented and not written" for one in sorted(told - written)]


def check_threats_are_tested():
    """each line of docs/design/threats.md names tests that exist, by file and sentence, or says what it cannot prevent"""
    wrong = []
    for line in (TREE / "docs/design/threats.md").read_text().splitlines():
        if not line.startswith("- "):
            continue
        proofs = re.findall(r'`((?:src|tests)/[^`]+)` "([^"]+)"', line)
        if not proofs and "annot prevent" not in line:
            wrong.append(f"neither a test nor \"cannot prevent\": {line[:90]}")
        for path, sentence in proofs:
            text = (TREE / path).read_text() if (TREE / path).is_file() else ""
            if sentence not in re.sub(r"\s+", " ", text):
                wrong.append(f"{path} has no test \"{sentence}\"")
    return wrong


def check_no_promises():
    """no TODO, FIXME or XXX in what we ship"""
    wrong = []
    for path in tracked("src/*", "proto/*", "cmake/*", "recipes/*", "docs/*"):
        if path.name == "style.md":
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if re.search(r"\b(TODO|FIXME|XXX)\b", line):
                wrong.append(f"{path.relative_to(TREE)}:{number}")
    return wrong


def check_nothing_large_is_kept():
    """no file of the repository is larger than 512 KiB: what is built stays out"""
    return [f"{p.relative_to(TREE)}: {p.stat().st_size} bytes" for p in tracked() if p.stat().st_size > 512 << 10]


def check_threads_stay_low():
    """only base/, io/ and wire/ (which holds Asio) know <thread>, <mutex>, <atomic>; others carry a comment that says why"""
    wrong = []
    for path in tracked("src/*.cc", "src/*.h"):
        relative = path.relative_to(SOURCE)
        if relative.parts[0] in ("base", "io", "wire") or relative.name.endswith(("_test.cc", "_bench.cc")):
            continue
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            if re.match(r"#include <(thread|mutex|atomic|condition_variable|shared_mutex)>", line) and "//" not in line:
                wrong.append(f"src/{relative}:{number + 1}: {line}  (say why behind the line)")
    return wrong


def main():
    failed = passed = 0
    for name, check in sorted(globals().items()):
        if not name.startswith("check_"):
            continue
        wrong = check()
        passed += not wrong
        failed += bool(wrong)
        print(("ok    " if not wrong else "FAILED ") + check.__doc__)
        for line in wrong[:40]:
            print("    " + line)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
