"""The same words to ours and to Debian's redis-server; the replies must be the same bytes, but for what differences.txt
names with its reason."""
import fnmatch
import pathlib

import cases
from resp import Connection, show

HERE = pathlib.Path(__file__).parent
QUIET_S = 0.2


def known_differences():
    """[(pattern, reason)] of differences.txt."""
    known = []
    for number, line in enumerate((HERE / "differences.txt").read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        pattern, _, reason = line.partition(" :: ")
        if not reason.strip():
            raise ValueError(f"differences.txt:{number}: PATTERN :: REASON is wanted")
        known.append((pattern.strip(), reason.strip()))
    return known


class Differential:
    def __init__(self, ours, theirs):
        self.ports = ours.port, theirs.port
        self.known = known_differences()
        self.used = set()
        self.requests = self.same = self.by_design = 0
        self.wrong = []

    def note(self, words, ours, theirs, follows=False):
        """True when they differ by design. `follows`: so did a request before it of the same case."""
        self.requests += 1
        if ours == theirs or is_near(words, ours, theirs):
            self.same += 1
            return False
        if follows:
            self.by_design += 1
            return True
        # Brackets in words are no wildcards.
        line = " ".join(word.replace("\0", "\\0") if word else '""' for word in words)
        for pattern, _ in self.known:
            if fnmatch.fnmatchcase(line.replace("[", "(").replace("]", ")"), pattern):
                self.used.add(pattern)
                self.by_design += 1
                return True
        self.wrong.append(f"{line!r}: ours {show(ours)}, theirs {show(theirs)}")
        return False

    def run_case(self, number, case):
        sides = [Connection(port) for port in self.ports]
        differs = False
        for words in case:
            sent = [word.replace("{k}", f"c{number}:") for word in words]
            replies = []
            for side in sides:
                try:
                    reply = side.ask(*sent)
                except (EOFError, ConnectionError):
                    reply = ("closed", b"")
                replies.append(normalise(words, reply, f"c{number}:"))
            differs |= self.note(words, *replies, follows=differs)
            if any(reply[0] == "closed" for reply in replies):
                break
        for side in sides:
            side.close()

    def run_raw(self, data):
        replies = []
        for port in self.ports:
            side = Connection(port)
            side.send(data)
            side.socket.settimeout(QUIET_S)
            try:
                while True:
                    side.more()
            except (TimeoutError, EOFError, ConnectionError) as end:
                replies.append(("raw", side.buffer + (b"" if isinstance(end, TimeoutError) else b" and closed")))
            side.close()
        self.note(["raw", data.decode("latin-1").replace("\r", "\\r").replace("\n", "\\n")], *replies)

    def run(self):
        for number, case in enumerate(cases.all_cases()):
            self.run_case(number, case)
        for data in cases.RAW:
            self.run_raw(data)

    def unused(self):
        return [pattern for pattern, _ in self.known if pattern not in self.used]


def normalise(words, reply, key):
    """What no two servers have in common is taken out: order of keys, numbers of clients, versions."""
    kind, value = reply
    name = words[0].upper()
    if isinstance(value, bytes):
        value = value.replace(key.encode(), b"{k}")
    if name == "KEYS" and isinstance(value, list):
        value = sorted(value)
    if [word.upper() for word in words] == ["COMMAND", "INFO"]:
        value = "all"
    if name == "SCAN" and isinstance(value, list):
        value = [value[0], ("*", sorted(value[1][1]))]
    if name == "HELLO" and isinstance(value, list):
        value = [one for one in value if one[0] != ":" or one[1] in (b"2", b"3")]
        value = [("$", b"VERSION") if one[1] is not None and one[1][:2] == b"7." else one for one in value]
    if name == "CONFIG" and kind == "*":
        value = [("*", list(pair)) for pair in sorted(zip(value[::2], value[1::2]))]
    if name in ("TIME", "INFO", "RANDOMKEY") and value is not None and kind != "-":
        value = b"anything"
    return kind, value


def is_near(words, ours, theirs):
    """Equal, but for the moments that pass between the two questions, where numbers depend on now."""
    if words[0].upper() == "EXEC" and isinstance(ours[1], list) and isinstance(theirs[1], list):
        return len(ours[1]) == len(theirs[1]) and all(
            one == other or is_near(["PTTL"], one, other) for one, other in zip(ours[1], theirs[1]))
    if words[0].upper() not in ("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME") or (ours[0], theirs[0]) != (":", ":"):
        return False
    one, other = int(ours[1]), int(theirs[1])
    return min(one, other) >= 10 and abs(one - other) <= (2000 if words[0].upper().startswith("P") else 2)


def unknown_commands(ours, theirs):
    """Everything that Redis has and ours has not is answered as an unknown command, and the connection goes on."""
    sides = [Connection(server.port) for server in (ours, theirs)]
    names = [{one[1].decode() for one in side.ask("COMMAND", "LIST")[1]} for side in sides]
    missing = sorted(name for name in names[1] - names[0] if "|" not in name)
    wrong = []
    for name in missing:
        for arguments in ([], ["key"], ["key", "1", "two"]):
            reply = sides[0].ask(name, *arguments)
            wanted = sides[1].ask("x" + name, *arguments)
            if reply != (wanted[0], wanted[1].replace(b"'x" + name.encode(), b"'" + name.encode(), 1)):
                wrong.append(f"{name} {arguments}: {show(reply)}")
            if sides[0].ask("PING") != ("+", b"PONG"):
                wrong.append(f"{name}: the connection does not go on")
    for side in sides:
        side.close()
    return missing, wrong
