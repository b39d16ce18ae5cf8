#!/usr/bin/python3
"""Clients that know several gateways: each thread sends request after request to the address that worked last, with a
connect time-out of 300 ms, and tries the next one when it fails. Prints a line for each request.

    failover_client.py NAME THREADS ADDRESS...
"""
import http.client
import signal
import sys
import threading
import time

host = sys.argv[1] if "." in sys.argv[1] else sys.argv[1] + ".gw.localhost"
threads, addresses = int(sys.argv[2]), sys.argv[3:]
lock, stop = threading.Lock(), threading.Event()
rows = []


def ask(address):
    connection = http.client.HTTPConnection(address, 80, timeout=0.3)
    try:
        connection.connect()
        connection.sock.settimeout(1.0)
        connection.request("GET", "/", headers={"Host": host, "Connection": "close"})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def client(number):
    at = number % len(addresses)
    while not stop.is_set():
        begun, status = time.monotonic(), 0
        for attempt in range(1, 2 * len(addresses) + 1):
            status = ask(addresses[at])
            if status != 0:
                break
            at = (at + 1) % len(addresses)
        with lock:
            rows.append((begun, time.monotonic(), status, attempt))
        stop.wait(0.01)


workers = [threading.Thread(target=client, args=(i,)) for i in range(threads)]
signal.signal(signal.SIGTERM, lambda *_: stop.set())
for worker in workers:
    worker.start()
while not stop.wait(0.2):
    pass
for worker in workers:
    worker.join()
for row in rows:
    print("{:.6f} {:.6f} {} {}".format(*row))
