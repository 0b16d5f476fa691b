"""P4: 10,000 messages for a busy agent that frees up, from the first request to the last answer.

Usage: queued.py PROGRAM. Eighty agents write to one that hangs up: their messages wait on disk. Then it says that it
is free, and takes eighty at a time. It notes what it gets, so that each message is seen to arrive once, and in the
order of its sender. The reference is SQLite itself: rows of the same size into the same table, one thread, a hundred
a commit, synchronous=FULL, on the same file system, before and after each round.
"""

import contextlib
import json
import pathlib
import re
import selectors
import socket
import sqlite3
import statistics
import sys
import tempfile
import threading
import time

from program import admin_token, connect, cpu_seconds, created, piped, request, server

SENDERS, EACH = 80, 125
MESSAGES = SENDERS * EACH
ROUNDS, ROWS = 5, 20_000
TARGET = 0.25
PATIENCE_S = 120
TEXT = "m" * 580
ANSWER = json.dumps(
    {"jsonrpc": "2.0", "id": "1", "result": {"kind": "message", "role": "agent", "messageId": "r", "parts": [{"kind": "text", "text": "x" * 200}]}}
).encode()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(ANSWER) + ANSWER


class Agent(threading.Thread):
    """Answers every request at once, or hangs up while it is busy. Reads no more of HTTP than it must."""

    LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
    NUMBER = re.compile(rb'"messageId": *"([^"]+)"')

    def __init__(self):
        super().__init__(daemon=True)
        self.busy, self.got, self.hung_up = True, [], 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]

    def run(self):
        chooser = selectors.DefaultSelector()
        self.listener.setblocking(False)
        chooser.register(self.listener, selectors.EVENT_READ)
        rest = {}
        while True:
            for key, _ in chooser.select():
                if key.fileobj is self.listener:
                    with contextlib.suppress(BlockingIOError):
                        stream, _ = self.listener.accept()
                        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        chooser.register(stream, selectors.EVENT_READ)
                        rest[stream] = b""
                    continue
                stream = key.fileobj
                try:
                    piece = stream.recv(1 << 16)
                except OSError:
                    piece = b""
                request = rest[stream] + piece
                end = request.find(b"\r\n\r\n")
                whole = end > 0 and len(request) >= end + 4 + int(self.LENGTH.search(request, 0, end)[1])
                if piece and whole and not self.busy:
                    self.got.append(self.NUMBER.search(request, end)[1])
                    rest[stream] = b""
                    stream.sendall(ANSWER)
                elif piece and not whole:
                    rest[stream] = request
                else:
                    self.hung_up += whole
                    chooser.unregister(stream)
                    stream.close()
                    del rest[stream]


def message(port, target, sender, number):
    body = {
        "jsonrpc": "2.0",
        "id": number,
        "method": "message/send",
        "params": {"message": {"role": "user", "messageId": number, "parts": [{"kind": "text", "text": TEXT}]}},
    }
    return piped(port, "POST", f"/workspaces/{target['id']}/a2a", sender["connection"]["auth_token"], body)


def register(port, agent, url):
    body = {"id": agent["id"], "url": url, "delivery_mode": "push", "agent_card": {"name": "Busy"}}
    status, answer = request(port, "POST", "/registry/register", agent["connection"]["auth_token"], body)
    if status != 200:
        raise SystemExit(f"the agent could not register: {status} {answer.decode()}")


def beat(port, agent, active):
    body = {"workspace_id": agent["id"], "error_rate": 0.0, "active_tasks": active, "uptime_seconds": 60, "current_task": ""}
    status, _ = request(port, "POST", "/registry/heartbeat", agent["connection"]["auth_token"], body)
    if status != 200:
        raise SystemExit(f"a heartbeat was answered with {status}")


def accepted(stream, count):
    """How many answers said 202 until `count` had come, or one said something else."""
    seen, tail = 0, b""
    while seen < count:
        piece = stream.recv(1 << 16)
        if not piece:
            break
        tail += piece
        if tail.count(b"HTTP/1.1 ") != tail.count(b"HTTP/1.1 202"):
            break
        seen += tail.count(b"HTTP/1.1 202")
        tail = tail[-11:]
    return seen


def enqueue(port, streams):
    """All messages, one connection a sender, written without waiting for answers."""
    taken = [0] * len(streams)
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(contextlib.closing(connect(port))) for _ in streams]

        def read(number):
            taken[number] = accepted(sockets[number], EACH)

        readers = [threading.Thread(target=read, args=(number,)) for number in range(len(streams))]
        for reader in readers:
            reader.start()
        began = time.perf_counter()
        for stream, requests in zip(sockets, streams):
            stream.sendall(requests)
        for reader in readers:
            reader.join()
    if sum(taken) != MESSAGES:
        raise SystemExit(f"{MESSAGES - sum(taken)} messages were not accepted")
    return began


def drained(database, agent, target):
    """Waits until the agent has got all messages, and the server knows that it has."""
    until = time.perf_counter() + PATIENCE_S
    while len(agent.got) < MESSAGES and time.perf_counter() < until:
        time.sleep(0.002)
    open_rows = "SELECT count(*) FROM a2a_queue WHERE workspace_id = ? AND status IN ('queued', 'dispatched')"
    while (left := database.execute(open_rows, (target["id"],)).fetchone()[0]) and time.perf_counter() < until:
        time.sleep(0.002)
    if left:
        raise SystemExit(f"after {PATIENCE_S} s {left} messages still wait")
    return time.perf_counter()


def in_order(got, run):
    """Whether every message came once, and those of each sender in their order."""
    wanted = [[f"{run}-{sender}-{number}".encode() for number in range(EACH)] for sender in range(SENDERS)]
    came = [[] for _ in range(SENDERS)]
    for number in got:
        came[int(number.split(b"-")[1])].append(number)
    return came == wanted


def raw(folder, schema, template):
    """Rows a second of SQLite itself."""
    path = folder / "raw.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA cache_size = -16000")
        for statement in schema:
            database.execute(statement)
        columns = [name for name in template.keys() if name not in ("seq", "id", "idempotency_key")]
        insert = f"INSERT INTO a2a_queue (id, idempotency_key, {', '.join(columns)}) VALUES (?, ?, {', '.join('?' * len(columns))})"
        values = tuple(template[name] for name in columns)
        rows = [(f"{number:036d}", f"row-{number}", *values) for number in range(ROWS)]
        began = time.perf_counter()
        for start in range(0, ROWS, 100):
            database.execute("BEGIN IMMEDIATE")
            database.executemany(insert, rows[start : start + 100])
            database.execute("COMMIT")
        elapsed = time.perf_counter() - began
    for file in folder.glob("raw.db*"):
        file.unlink()
    return ROWS / elapsed


def verdict(reached):
    return "reached" if reached else "MISSED"


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        home = folder / "home"
        with server(program, home) as (process, port, _):
            admin = admin_token(home)
            agent = Agent()
            agent.start()
            lead = created(port, admin, {"name": "Lead", "runtime": "external"})
            below = {"runtime": "external", "parent_id": lead["id"]}
            senders = [created(port, admin, {"name": f"Sender {number}", **below}) for number in range(SENDERS)]
            target = created(port, admin, {"name": "Busy", "max_concurrent_tasks": SENDERS, **below})
            register(port, target, f"http://127.0.0.1:{agent.port}/")
            database = sqlite3.connect(f"file:{home / 'molecule.db'}?mode=ro", uri=True)
            database.row_factory = sqlite3.Row
            schema = [row[0] for row in database.execute("SELECT sql FROM sqlite_schema WHERE tbl_name = 'a2a_queue' AND type <> 'trigger' AND sql IS NOT NULL")]
            print(f"P4: {MESSAGES:,} messages of {SENDERS} senders to a busy agent that frees up", flush=True)
            print("round   enqueue s   deliver s   messages/s   CPU us: enqueue   deliver   SQLite rows/s   ratio   arrived", flush=True)
            ratios, whole, before = [], True, None
            for run in range(ROUNDS):
                streams = [
                    b"".join(message(port, target, sender, f"{run}-{place}-{number}") for number in range(EACH))
                    for place, sender in enumerate(senders)
                ]
                agent.busy, agent.got = True, []
                beat(port, target, SENDERS)
                spent = [cpu_seconds(process)]
                began = enqueue(port, streams)
                spent.append(cpu_seconds(process))
                agent.busy = False
                freed = time.perf_counter()
                beat(port, target, 0)
                ended = drained(database, agent, target)
                spent.append(cpu_seconds(process))
                once = in_order(agent.got, run)
                whole = whole and once
                template = database.execute("SELECT * FROM a2a_queue ORDER BY seq DESC LIMIT 1").fetchone()
                before = before or raw(folder, schema, template)
                after = raw(folder, schema, template)
                reference, rate = (before + after) / 2, MESSAGES / (ended - began)
                before = after
                ratios.append(rate / reference)
                enqueuing, delivering = ((b - a) / MESSAGES * 1e6 for a, b in zip(spent, spent[1:]))
                print(
                    f"{run + 1:<7} {freed - began:9.2f} {ended - freed:11.2f} {rate:12.0f} {enqueuing:17.0f} {delivering:9.0f}"
                    f" {reference:15.0f} {ratios[-1]:7.2f}   {'each once, in order' if once else 'NOT each once and in order'}",
                    flush=True,
                )
            database.close()
            ratio = statistics.median(ratios)
            print(f"P4 ratio, median of {ROUNDS} rounds: {ratio:.2f} (target >= {TARGET:.2f}: {verdict(ratio >= TARGET and whole)})", flush=True)


if __name__ == "__main__":
    main()
