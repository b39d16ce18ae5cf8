"""redis-py, unchanged (run.py puts it into the path)."""
import threading


def judge_redis_py(judge, port, who, protocol):
    import redis
    client = redis.Redis(port=port, protocol=protocol, client_name="conformance", socket_timeout=10)
    equal = judge.equal
    equal(who, "ping", client.ping(), True)
    client.flushdb()
    equal(who, "set, get", (client.set("k", "v"), client.get("k")), (True, b"v"))
    equal(who, "set nx, xx, get", (client.set("k", "w", nx=True), client.set("k", "w", xx=True, get=True)), (None, b"v"))
    equal(who, "numbers", (client.incr("n", 5), client.decr("n"), client.incrby("n", 2)), (5, 4, 6))
    equal(who, "append, strlen, getrange", (client.append("k", "xyz"), client.strlen("k"), client.getrange("k", 1, 2)),
          (4, 4, b"xy"))
    equal(who, "mset, mget", (client.mset({"a": 1, "b": 2}), client.mget("a", "b", "none")), (True, [b"1", b"2", None]))
    equal(who, "msetnx", client.msetnx({"a": 1, "c": 2}), False)
    equal(who, "exists, delete, type", (client.exists("a", "b"), client.delete("a", "none"), client.type("b")), (2, 1, b"string"))
    equal(who, "getdel, getset", (client.getdel("b"), client.getset("g", "1"), client.getset("g", "2")), (b"2", None, b"1"))
    equal(who, "keys", sorted(client.keys("[gkn]")), [b"g", b"k", b"n"])
    for i in range(500):
        client.set(f"many{i}", i)
    equal(who, "scan_iter", len(set(client.scan_iter(match="many*", count=37))), 500)
    equal(who, "dbsize", client.dbsize(), 503)
    equal(who, "binary values", client.set("bin", bytes(range(256))) and client.get("bin"), bytes(range(256)))
    judge.check(who, "a large value", client.set("large", b"x" * (4 << 20)) and len(client.get("large")) == 4 << 20)
    judge_pipelines(judge, client, who)
    equal(who, "client_getname, client_id", (client.client_getname() in ("conformance", b"conformance"), client.client_id() > 0), (True, True))
    judge.check(who, "info", client.info()["redis_version"].startswith("7") and "db0" in client.info("keyspace"))
    equal(who, "config_get", client.config_get("databases"), {"databases": "16"})
    equal(who, "command_count", client.command_count() >= 50, True)
    try:
        client.lpush("list", 1)
        came = "no error"
    except redis.ResponseError as error:
        came = str(error)
    judge.check(who, "an unknown command is a ResponseError, the connection goes on",
                came.startswith("unknown command 'LPUSH'") and client.ping(), came)
    other = redis.Redis(port=port, protocol=protocol, db=2)
    other.flushdb()
    equal(who, "another database", (other.get("k"), other.set("k", "two"), client.get("k")), (None, True, b"wxyz"))


def judge_pipelines(judge, client, who):
    import redis
    with client.pipeline(transaction=False) as pipe:
        for i in range(1000):
            pipe.set(f"p{i}", i)
        judge.equal(who, "a pipeline of 1000", pipe.execute(), [True] * 1000)
    with client.pipeline() as pipe:
        judge.equal(who, "a transaction", pipe.set("t", 1).incr("t").get("t").execute(), [True, 2, b"2"])
    with client.pipeline() as pipe:
        pipe.watch("t")
        client.set("t", 10)
        pipe.multi()
        pipe.set("t", 11)
        try:
            pipe.execute()
            came = "no error"
        except redis.WatchError:
            came = "WatchError"
        judge.equal(who, "watch", (came, client.get("t")), ("WatchError", b"10"))
    client.set("count", 0)

    def add():
        for _ in range(25):
            client.transaction(lambda pipe: pipe.multi() or pipe.incr("count"), "count")

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    judge.equal(who, "transaction() by four threads", client.get("count"), b"100")
