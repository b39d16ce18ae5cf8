"""What is said to both servers: several hundred commands and shapes of arguments, made from lists.
A case is a list of requests on one connection; `{k}` in a word is a key of that case's own."""

import random

STRINGS = ["", "a", "hello world", "10", "-5", "0", "007", "+3", " 1", "1 ", "3.5", "9223372036854775807",
           "-9223372036854775808", "9223372036854775808", "-0", "0x10", "1e3", "value\r\nwith\0bytes", "ä"]
INDEXES = [("0", "-1"), ("0", "0"), ("1", "3"), ("-3", "-1"), ("-1", "-3"), ("5", "2"), ("0", "100"), ("100", "200"),
           ("-100", "2"), ("-100", "-50"), ("-100", "-100"), ("x", "1"), ("0", ""), ("0", "9223372036854775808")]
STEPS = ["1", "-1", "0", "9223372036854775807", "-9223372036854775808", "x", "", "1.5", " 1", "9223372036854775808"]
PATTERNS = ["*", "", "?", "k*", "*1", "k?", "k[12]", "k[^1]", "k[1-2]", "k[2-1]", "k\\*", "k[", "[", "\\", "k[]]", "**1",
            "[k]1", "K1", "*k*", "k1", "nothing", "k[\\1]", "?[^", "*?"]
WRONG_COUNTS = {  # a command and the numbers of words behind it that are wrong, or just enough
    "GET": [0, 2], "SET": [0, 1, 3], "SETNX": [0, 1, 3], "GETSET": [0, 1, 3], "GETDEL": [0, 2], "APPEND": [0, 1, 3],
    "STRLEN": [0, 2], "GETRANGE": [0, 1, 2, 4], "SUBSTR": [0, 2, 4], "INCR": [0, 2], "DECR": [0, 2], "INCRBY": [0, 1, 3],
    "DECRBY": [0, 1, 3], "DEL": [0], "UNLINK": [0], "EXISTS": [0], "TOUCH": [0], "TYPE": [0, 2], "TTL": [0, 2],
    "PTTL": [0, 2], "PERSIST": [0, 2], "EXPIRE": [0, 1], "PEXPIREAT": [0, 1], "SETEX": [0, 1, 2, 4], "PSETEX": [0, 1, 2, 4],
    "GETEX": [0], "MGET": [0], "MSET": [0, 1, 3, 5], "MSETNX": [0, 1, 3], "KEYS": [0, 2], "SCAN": [0],
    "DBSIZE": [1], "RANDOMKEY": [1], "ECHO": [0, 2], "PING": [2, 3], "SELECT": [0], "MULTI": [1], "EXEC": [1],
    "DISCARD": [1], "WATCH": [0], "UNWATCH": [1], "TIME": [1], "QUIT": [], "RESET": [1], "HELLO": [], "CLIENT": [0],
    "CONFIG": [0], "AUTH": [0],
}
SET_OPTIONS = [[], ["NX"], ["XX"], ["GET"], ["nx", "get"], ["XX", "GET"], ["NX", "XX"], ["KEEPTTL"], ["BOGUS"], ["NX", "NX"],
               ["EX"], ["EX", "0"], ["EX", "-1"], ["EX", "x"], ["PX", "0"], ["EX", "10", "PX", "10"], ["EX", "10", "KEEPTTL"],
               ["GET", "GET"], ["EX", "10"], ["PX", "10000"], ["EXAT", "99999999999"], ["PXAT", "99999999999999"],
               ["NX", "EX", "10"], ["EX", "9223372036854775807"], ["XX", "KEEPTTL"]]
LIFETIMES = ["100", "0", "-1", "x", "", " 1", "007", "+5", "1.5", "9223372036854775", "9223372036854775807", "-9223372036854775808",
             "9223372036854775808", "-9223372036854776", "9223372036854776", "99999999999", "99999999999999"]
CONDITIONS = [[], ["NX"], ["XX"], ["GT"], ["LT"], ["nx"], ["XX", "GT"], ["XX", "LT"], ["NX", "XX"], ["NX", "GT"], ["GT", "LT"],
              ["BOGUS"], ["NX", "BOGUS"], ["GT", "GT"], [""]]
GETEX_OPTIONS = [[], ["PERSIST"], ["persist", "PERSIST"], ["EX"], ["EX", "100"], ["ex", "100", "EX", "200"], ["PX", "100000"],
                 ["EX", "100", "PX", "100"], ["EX", "100", "PERSIST"], ["PERSIST", "EX", "100"], ["KEEPTTL"], ["NX"],
                 ["EXAT", "1"], ["PXAT", "1"], ["EXAT", "99999999999"], ["PXAT", "99999999999999"], ["EX", "0"], ["EX", "x"],
                 ["PX", "-1"], ["EXAT", "0"], ["EX", "9223372036854775807"], ["PXAT", "9223372036854775807"]]
# What may keep or drop an expiry.
TOUCHES = [["SET", "{k}", "1"], ["SET", "{k}", "1", "KEEPTTL"], ["SET", "{k}", "1", "GET"], ["SET", "{k}", "1", "NX"],
           ["SET", "{k}", "1", "XX", "KEEPTTL"], ["GETSET", "{k}", "1"], ["INCR", "{k}"], ["DECRBY", "{k}", "3"],
           ["APPEND", "{k}", "0"], ["MSET", "{k}", "1"], ["MSETNX", "{k}", "1"], ["SETNX", "{k}", "1"], ["PERSIST", "{k}"],
           ["GETDEL", "{k}"], ["GETEX", "{k}"], ["DEL", "{k}"], ["TOUCH", "{k}"]]
LEFT = [["TTL", "{k}"], ["PTTL", "{k}"], ["EXPIRETIME", "{k}"], ["PEXPIRETIME", "{k}"], ["GET", "{k}"]]


def strings():
    for value in STRINGS:
        write = ["SET", "{k}", value]
        yield [write, ["GET", "{k}"], ["STRLEN", "{k}"], ["GETSET", "{k}", "new"], ["GET", "{k}"], ["GETDEL", "{k}"],
               ["EXISTS", "{k}"], ["TYPE", "{k}"]]
        yield [write, ["INCR", "{k}"], ["DECR", "{k}"], ["GET", "{k}"]]
        yield [write, ["APPEND", "{k}", "tail"], ["GET", "{k}"], ["APPEND", "{k}", ""], ["STRLEN", "{k}"]]
    yield [["APPEND", "{k}", "first"], ["APPEND", "{k}", ""], ["GET", "{k}"]]
    yield [["APPEND", "{k}", ""], ["EXISTS", "{k}"], ["GET", "{k}"]]
    for first, last in INDEXES:
        for name in ("GETRANGE", "SUBSTR"):
            yield [["SET", "{k}", "0123456789"], [name, "{k}", first, last]]
        yield [["GETRANGE", "{k}", first, last]]
        yield [["SET", "{k}", ""], ["GETRANGE", "{k}", first, last]]


def numbers():
    for step in STEPS:
        for start in ("5", "-5", "9223372036854775807", "-9223372036854775808", "text"):
            yield [["SET", "{k}", start], ["INCRBY", "{k}", step], ["GET", "{k}"]]
            yield [["SET", "{k}", start], ["DECRBY", "{k}", step], ["GET", "{k}"]]
        yield [["INCRBY", "{k}", step], ["EXISTS", "{k}"]]
    yield [["INCR", "{k}"], ["INCR", "{k}"], ["DECR", "{k}"], ["GET", "{k}"], ["TYPE", "{k}"]]


def set_options():
    for options in SET_OPTIONS:
        yield [["SET", "{k}", "v", *options], ["GET", "{k}"]]
        yield [["SET", "{k}", "old"], ["SET", "{k}", "new", *options], ["GET", "{k}"]]


def keys():
    yield [["SET", "{k}", "v"], ["DEL", "{k}", "{k}", "{k}x"], ["DEL", "{k}"], ["UNLINK", "{k}"]]
    yield [["SET", "{k}", "v"], ["EXISTS", "{k}", "{k}", "{k}x"], ["TOUCH", "{k}", "{k}x"], ["UNLINK", "{k}", "{k}x"]]
    yield [["TTL", "{k}"], ["PTTL", "{k}"], ["TYPE", "{k}"], ["PERSIST", "{k}"], ["STRLEN", "{k}"], ["GETDEL", "{k}"]]
    yield [["SET", "{k}", "v"], ["TTL", "{k}"], ["PTTL", "{k}"], ["PERSIST", "{k}"]]
    yield [["SET", "", "empty name"], ["GET", ""], ["EXISTS", ""], ["DEL", ""]]
    yield [["SET", "{k}\r\n\0", "v"], ["GET", "{k}\r\n\0"], ["DEL", "{k}\r\n\0"]]
    yield [["MSET", "{k}1", "a", "{k}2", "b", "{k}1", "c"], ["MGET", "{k}1", "{k}2", "{k}3", "{k}1"]]
    yield [["MSETNX", "{k}1", "a", "{k}2", "b"], ["MSETNX", "{k}2", "x", "{k}3", "y"], ["MGET", "{k}1", "{k}2", "{k}3"]]
    yield [["MSETNX", "{k}1", "a", "{k}1", "b"], ["GET", "{k}1"]]
    yield [["SETNX", "{k}", "a"], ["SETNX", "{k}", "b"], ["GET", "{k}"]]
    yield [["FLUSHDB"], ["DBSIZE"], ["RANDOMKEY"], ["SET", "only", "v"], ["RANDOMKEY"], ["DBSIZE"], ["FLUSHDB", "ASYNC"]]
    yield [["FLUSHDB", "SYNC"], ["FLUSHDB", "BOGUS"]]
    for pattern in PATTERNS:
        yield [["FLUSHDB"], ["MSET", "k1", "a", "k2", "b", "k*", "c", "k", "d", "1", "e"], ["KEYS", pattern],
               ["SCAN", "0", "MATCH", pattern, "COUNT", "1000"]]
    for words in (["x"], ["-1"], ["0", "COUNT"], ["0", "COUNT", "0"], ["0", "COUNT", "x"], ["0", "MATCH"], ["0", "BOGUS", "1"],
                  ["0", "TYPE", "string"], ["0", "TYPE", "list"], ["0", "COUNT", "1000", "MATCH", "k1"], [""], ["0", "count", "99"],
                  ["18446744073709551616"]):
        yield [["FLUSHDB"], ["SET", "k1", "v"], ["SCAN", *words]]


def transactions():
    value = ["SET", "{k}", "v"]
    yield [["MULTI"], value, ["GET", "{k}"], ["INCR", "{k}"], ["GET", "{k}"], ["EXEC"], ["GET", "{k}"]]
    yield [["MULTI"], ["EXEC"], ["EXEC"], ["DISCARD"]]
    yield [["MULTI"], ["MULTI"], value, ["EXEC"], ["GET", "{k}"]]
    yield [["MULTI"], value, ["DISCARD"], ["GET", "{k}"], ["EXEC"]]
    yield [["MULTI"], value, ["NOSUCH", "a"], ["EXEC"], ["GET", "{k}"]]
    yield [["MULTI"], value, ["GET"], ["EXEC"], ["GET", "{k}"]]
    yield [["MULTI"], ["WATCH", "{k}"], value, ["EXEC"]]
    yield [["MULTI"], ["UNWATCH"], ["PING"], ["ECHO", "hi"], ["MGET", "{k}", "{k}"], ["EXEC"]]
    yield [["WATCH", "{k}"], value, ["MULTI"], ["GET", "{k}"], ["EXEC"], ["MULTI"], ["GET", "{k}"], ["EXEC"]]
    yield [["WATCH", "{k}"], ["MULTI"], value, ["EXEC"]]
    yield [["WATCH", "{k}"], value, ["UNWATCH"], ["MULTI"], ["GET", "{k}"], ["EXEC"]]
    yield [["WATCH", "{k}"], value, ["DISCARD"], ["MULTI"], ["EXEC"]]
    yield [value, ["WATCH", "{k}"], ["SET", "{k}", "v"], ["MULTI"], ["EXEC"]]
    yield [["WATCH", "{k}"], ["SET", "{k}", "a"], ["DEL", "{k}"], ["MULTI"], ["EXEC"]]
    yield [["WATCH", "{k}"], ["DEL", "{k}"], ["MULTI"], ["EXEC"]]
    yield [["MULTI"], ["SELECT", "0"], ["EXEC"], ["PING"]]
    yield [["MULTI"], ["DBSIZE"], ["EXEC"]]
    yield [["MULTI"], ["RESET"], ["EXEC"]]
    yield [["MULTI"], ["APPEND", "{k}", "a"], ["APPEND", "{k}", "b"], ["GETDEL", "{k}"], ["EXISTS", "{k}"], ["EXEC"]]
    yield [["MULTI"], ["MSET", "{k}1", "a", "{k}2", "b"], ["MSET", "{k}1"], ["EXEC"]]
    yield [["MULTI"], ["MSETNX", "{k}1", "a", "{k}2", "b"], ["SETNX", "{k}1", "c"], ["EXEC"], ["MGET", "{k}1", "{k}2"]]


def connections():
    yield [["PING"], ["ping"], ["PiNg", "hello"], ["PING", ""], ["ECHO", "x"], ["ECHO", ""]]
    for number in ("0", "1", "15", "16", "-1", "x", "", "1.0", "99999999999999999999", "01", "+1"):
        yield [["SELECT", number], ["SELECT", "0"]]
    yield [["SELECT", "1"], ["SET", "{k}", "one"], ["SELECT", "0"], ["GET", "{k}"], ["SELECT", "1"], ["GET", "{k}"]]
    for words in (["2"], ["3"], ["1"], ["4"], ["x"], [""], ["2", "SETNAME", "n"], ["2", "SETNAME"], ["2", "BOGUS"],
                  ["2", "AUTH", "default", "x"], ["2", "AUTH", "nobody", "x"], ["2", "AUTH", "default"],
                  ["3", "SETNAME", "bad name"]):
        yield [["HELLO", *words], ["PING"], ["GET", "{k}"], ["CLIENT", "GETNAME"]]
    yield [["HELLO", "3"], ["GET", "{k}"], ["MGET", "{k}"], ["MULTI"], ["GET", "{k}"], ["EXEC"], ["EXISTS", "{k}"], ["RANDOMKEY"]]
    yield [["HELLO", "3"], ["WATCH", "{k}"], ["SET", "{k}", "v"], ["MULTI"], ["EXEC"], ["CONFIG", "GET", "save"]]
    yield [["HELLO", "3"], ["RESET"], ["GET", "{k}"]]
    for words in (["GETNAME"], ["SETNAME", "x"], ["SETNAME", ""], ["SETNAME", "a b"], ["NOSUCH"], ["SETNAME"], ["ID", "x"],
                  ["NO-EVICT", "on"]):
        yield [["CLIENT", *words], ["CLIENT", "GETNAME"]]
    yield [["AUTH", "x"], ["AUTH", "default", "x"], ["AUTH", "nobody", "x"], ["AUTH", "a", "b", "c"]]
    for words in (["GET", "save"], ["GET", "nothing"], ["GET", "appendonly"], ["GET", "databases"], ["GET"], ["NOSUCH"],
                  ["GET", "save", "databases"]):
        yield [["CONFIG", *words]]
    yield [["COMMAND", "INFO", "nosuch"], ["COMMAND", "NOSUCH"], ["COMMAND", "INFO"]]


def words_of_any_kind():
    """Wrong numbers of arguments; names that nobody knows; upper, lower and mixed case."""
    for name, counts in WRONG_COUNTS.items():
        for count in counts:
            yield [[name, *["{k}%d" % i for i in range(count)]]]
            yield [[name.lower(), *["{k}%d" % i for i in range(count)]]]
    for words in (["NOSUCH"], ["nosuch", "a", "b"], [""], ["GE"], ["GETT", "{k}"], ["no such", "x"], ["N" * 200, "a" * 200],
                  ["nosuch", *["arg%d" % i for i in range(50)]], ["nosuch", "line\r\nend"], ["\0", "x"]):
        yield [words, ["PING"]]
    far = ["PEXPIREAT", "{k}", "99999999999000"]
    for name in ("EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"):
        for lifetime in LIFETIMES:
            yield [["SET", "{k}", "1"], [name, "{k}", lifetime], *LEFT]
            yield [[name, "{k}", lifetime], ["EXISTS", "{k}"]]
        for conditions in CONDITIONS:
            yield [["SET", "{k}", "1"], [name, "{k}", "1000", *conditions], *LEFT]
            yield [["SET", "{k}", "1"], far, [name, "{k}", "1000", *conditions], *LEFT]
            yield [["SET", "{k}", "1"], far, [name, "{k}", "99999999999001", *conditions], *LEFT]
            yield [["SET", "{k}", "1"], [name, "{k}", "x", *conditions], *LEFT]
    for lifetime in LIFETIMES:
        for words in (["SETEX", "{k}", lifetime, "2"], ["PSETEX", "{k}", lifetime, "2"]):
            yield [["SET", "{k}", "1"], words, *LEFT]
        for name in ("EX", "PX", "EXAT", "PXAT"):
            yield [["SET", "{k}", "1"], ["SET", "{k}", "2", name, lifetime], *LEFT]
    for options in GETEX_OPTIONS:
        yield [["SET", "{k}", "1"], ["GETEX", "{k}", *options], *LEFT]
        yield [["SET", "{k}", "1"], far, ["GETEX", "{k}", *options], *LEFT]
        yield [["GETEX", "{k}", *options], ["EXISTS", "{k}"]]
    for touch in TOUCHES:
        yield [["SET", "{k}", "1"], far, touch, *LEFT]
        yield [["SET", "{k}", "1"], ["WATCH", "{k}"], far, touch, ["MULTI"], ["GET", "{k}"], ["EXEC"]]
        yield [["MULTI"], ["SET", "{k}", "1"], far, touch, *LEFT, ["EXEC"]]
    for name in ("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME", "PERSIST"):
        yield [[name, "{k}"], [name], [name, "{k}", "x"]]
    yield [["SET", "{k}", "1", "PXAT", "1"], *LEFT, ["EXISTS", "{k}"], ["SETNX", "{k}", "2"], *LEFT]


def mixtures():
    """Random commands on two keys, in and out of transactions: what depends on what was before."""
    chance = random.Random(7)

    def key():
        return chance.choice(("{k}1", "{k}2"))

    def command():
        value = chance.choice(("a", "12", "-7", "", "x" * 300))
        return chance.choice((
            ["SET", key(), value], ["SET", key(), value, chance.choice(("NX", "XX", "GET", "KEEPTTL"))],
            ["SET", key(), value, "EX", "1000"], ["GET", key()], ["APPEND", key(), value], ["INCRBY", key(), "3"], ["DECR", key()],
            ["DEL", key()], ["DEL", "{k}1", "{k}2"], ["GETDEL", key()], ["GETSET", key(), value], ["SETNX", key(), value],
            ["MSET", "{k}1", value, "{k}2", value], ["MSETNX", "{k}1", value, "{k}3", value], ["MGET", "{k}1", "{k}2", "{k}3"],
            ["EXISTS", "{k}1", "{k}2"], ["STRLEN", key()], ["GETRANGE", key(), "1", "-2"], ["TTL", key()], ["PERSIST", key()],
            ["EXPIRE", key(), "1000"], ["EXPIRE", key(), "0"], ["EXPIRE", key(), "2000", chance.choice(("NX", "XX", "GT", "LT"))],
            ["SETEX", key(), "1000", value], ["GETEX", key(), chance.choice(("PERSIST", "BOGUS"))], ["TYPE", key()]))

    for _ in range(150):
        case = [command() for _ in range(chance.randrange(4, 14))]
        if chance.random() < 0.4:
            begin = chance.randrange(len(case))
            case = [*case[:begin], ["WATCH", key()], *case[begin:begin + 2], ["MULTI"], *case[begin + 2:], ["EXEC"]]
        yield [*case, ["MGET", "{k}1", "{k}2", "{k}3"], ["TTL", "{k}1"], ["TTL", "{k}2"]]


RAW = [  # bytes as they are; what comes back until it is quiet or closed
    b"PING\r\n", b"PING hello\r\n", b"  PING  \r\n", b"\r\n\r\nPING\r\n", b'SET "in line" "a b"\r\nGET "in line"\r\n',
    b"SET q '\\x41'\r\nGET q\r\n", b'SET q "\\x41"\r\nGET q\r\n', b'GET "unbalanced\r\n', b"GET 'a'b\r\n", b"PING\n",
    b"*0\r\nPING\r\n", b"*-1\r\nPING\r\n", b"*1\r\n$4\r\nPING\r\n", b"*x\r\n", b"*2\r\n$4\r\nPING\r\n:1\r\n",
    b"*1\r\n$x\r\n", b"*1\r\n$-1\r\n", b"*1048577\r\n", b"*1\r\n$4\r\nPINGPING\r\n", b"*1\r\n:4\r\n", b"*99999999999999999999\r\n",
    b"*1\r\n$9999999999999\r\n", b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", b"*1\r\n$0\r\n\r\n*1\r\n$4\r\nPING\r\n",
]


def all_cases():
    for group in (strings, numbers, set_options, keys, transactions, connections, words_of_any_kind, mixtures):
        yield from group()
