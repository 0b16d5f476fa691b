"""P6: events, 1,000 a second to 50 WebSockets of which one has stopped reading.

Usage: events.py PROGRAM. Each event is an activity report that is on disk before it is sent. Delays run from the
time stamp of the event, which is set as it is written, to its arrival; they are taken on five sockets, the others
are only read. The socket that stopped costs memory until the server lets go of it; it then connects again
with the last number it saw, and must get every event from there on, once and in order. Whoever reports, whoever
measures and whoever only reads are processes of their own, so that none of them waits for another.
"""

import base64
import contextlib
import datetime
import json
import multiprocessing
import os
import pathlib
import selectors
import socket
import struct
import sys
import tempfile
import time

from program import admin_token, connect, cpu_seconds, created, memory_mb, piped, request, server

SOCKETS, MEASURED, RATE = 50, 5, 1_000
# What the server's own caches grow by in as long a time before the one socket stops is not its cost.
WARM_UP, WINDOW = 6, 9
BUDGET_P99_MS, BUDGET_STALLED_MB = 100, 10


def socket_of(port, token, since=None, receive_buffer=None):
    """A WebSocket after its handshake."""
    stream = connect(port, receive_buffer)
    path = "/ws" if since is None else f"/ws?since={since}"
    key = base64.b64encode(os.urandom(16)).decode()
    stream.sendall(
        f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        head += stream.recv(1)
    if b" 101 " not in head.split(b"\r\n", 1)[0]:
        raise SystemExit(f"no WebSocket: {head.decode()}")
    return stream


def frames(rest):
    """The whole messages in `rest`, and what is left of it: `(opcode, payload)` each."""
    found, at = [], 0
    while len(rest) - at >= 2:
        opcode, length, start = rest[at] & 0x0F, rest[at + 1] & 0x7F, at + 2
        if length == 126:
            if len(rest) < start + 2:
                break
            (length,), start = struct.unpack_from(">H", rest, start), start + 2
        elif length == 127:
            if len(rest) < start + 8:
                break
            (length,), start = struct.unpack_from(">Q", rest, start), start + 8
        if len(rest) < start + length:
            break
        found.append((opcode, rest[start : start + length]))
        at = start + length
    return found, rest[at:]


def delay_ms(event, now):
    at = datetime.datetime.fromisoformat(event["timestamp"].replace("Z", "+00:00"))
    return (now - at.timestamp()) * 1000


def report(port, token, workspace, stop, told):
    """Reports at the rate until told to stop, on ten connections, and tells how many were taken. No report waits for
    the answers to those before it."""
    body = {"activity_type": "agent_log", "method": "tool", "summary": "Read a file", "status": "ok"}
    one = piped(port, "POST", f"/workspaces/{workspace}/activity", token, body)
    sent, taken, began = 0, 0, time.perf_counter()
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(contextlib.closing(connect(port))) for _ in range(10)]

        def answers():
            with contextlib.suppress(BlockingIOError):
                return stream.recv(1 << 16, socket.MSG_DONTWAIT).count(b"HTTP/1.1 200")
            return 0

        while not stop.is_set():
            for stream in streams:
                stream.sendall(one)
                taken += answers()
            sent += len(streams)
            time.sleep(max(0.0, began + sent / RATE - time.perf_counter()))
        until = time.perf_counter() + 10
        while taken < sent and time.perf_counter() < until:
            for stream in streams:
                taken += answers()
            time.sleep(0.01)
    if taken < sent:
        raise SystemExit(f"{sent - taken} of {sent} activity reports were not taken")
    told.send(taken)


def read(port, token, sockets, stop, told):
    """Reads so many sockets now and then, and looks at nothing."""
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(contextlib.closing(socket_of(port, token))) for _ in range(sockets)]
        told.send("ready")
        for stream in streams:
            stream.setblocking(False)
        while not stop.is_set():
            for stream in streams:
                with contextlib.suppress(BlockingIOError):
                    stream.recv(1 << 18)
            time.sleep(0.01)


def measure(port, token, sockets, stop, told):
    """Tells the delays of all events on so many sockets."""
    delays = []
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as chooser:
        for _ in range(sockets):
            stream = stack.enter_context(contextlib.closing(socket_of(port, token)))
            chooser.register(stream, selectors.EVENT_READ, [b""])
        told.send("ready")
        while not stop.is_set():
            for key, _ in chooser.select(0.1):
                piece = key.fileobj.recv(1 << 18)
                now = time.time()
                found, key.data[0] = frames(key.data[0] + piece)
                delays += [delay_ms(json.loads(payload), now) for opcode, payload in found if opcode == 1]
    told.send(delays)


class Worker:
    """A process that does `work` until it is told to stop."""

    def __init__(self, work, *given):
        fork = multiprocessing.get_context("fork")
        self.stop, (self.hears, told) = fork.Event(), fork.Pipe(duplex=False)
        self.process = fork.Process(target=work, args=(*given, self.stop, told), daemon=True)
        self.process.start()
        told.close()

    def heard(self):
        try:
            return self.hears.recv()
        except EOFError:
            raise SystemExit("a part of the bench ended early") from None

    def stopped(self):
        self.stop.set()
        return self.heard()


def numbers(stream, until):
    """The numbers of the events that come until number `until`, in their order."""
    seen, rest = [], b""
    stream.settimeout(30)
    while not seen or seen[-1] < until:
        piece = stream.recv(1 << 16)
        if not piece:
            break
        found, rest = frames(rest + piece)
        for opcode, payload in found:
            if opcode == 1:
                seen += [event["seq"]] if (event := json.loads(payload)).get("seq") else []
    return seen


def event_seq(port, admin):
    """The number of the newest event."""
    return json.loads(request(port, "GET", "/app/state", admin)[1])["event_seq"]


def verdict(reached):
    return "reached" if reached else "MISSED"


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stack:
        home = pathlib.Path(place) / "home"
        process, port, _ = stack.enter_context(server(program, home))
        admin = admin_token(home)
        made = created(port, admin, {"name": "Reporter", "runtime": "external"})
        reader = Worker(read, port, admin, SOCKETS - 1 - MEASURED)
        measurer = Worker(measure, port, admin, MEASURED)
        for worker in (reader, measurer):
            worker.heard()
        began = time.perf_counter()
        reporter = Worker(report, port, made["connection"]["auth_token"], made["id"])
        spent = cpu_seconds(process)
        time.sleep(WARM_UP)
        before = memory_mb(process)
        time.sleep(WINDOW)
        most = without = memory_mb(process)
        first = event_seq(port, admin)
        stalled = stack.enter_context(contextlib.closing(socket_of(port, admin, first, 4096)))
        for _ in range(WINDOW):
            time.sleep(1)
            most = max(most, memory_mb(process))
        taken = reporter.stopped()
        elapsed, spent = time.perf_counter() - began, cpu_seconds(process) - spent
        time.sleep(0.5)
        delays = measurer.stopped()
        reader.stop.set()
        last = event_seq(port, admin)
        delays.sort()
        p50, p99 = delays[len(delays) // 2], delays[int(len(delays) * 0.99)]
        print(f"P6: {SOCKETS} sockets, {taken / elapsed:.0f} events/s for {elapsed:.0f} s, one socket stalled;"
              f" {spent / elapsed * 100:.0f} % of one core", flush=True)
        print(f"delay: p50 {p50:.1f} ms, p99 {p99:.1f} ms, {len(delays):,} taken (budget p99 {BUDGET_P99_MS} ms: {verdict(p99 <= BUDGET_P99_MS)})")
        own = without - before
        cost = most - without - own
        print(f"memory of the stalled socket: {cost:+.1f} MB, beside {own:+.1f} MB of caches in as long a time (budget {BUDGET_STALLED_MB} MB: {verdict(cost <= BUDGET_STALLED_MB)})")

        # What it can still read is a beginning without a gap; the rest comes after it connects again.
        stalled.settimeout(5)
        head, rest = [], b""
        with contextlib.suppress(TimeoutError, ConnectionError):
            while piece := stalled.recv(1 << 18):
                found, rest = frames(rest + piece)
                head += [json.loads(payload).get("seq") for opcode, payload in found if opcode == 1]
        head = [seq for seq in head if seq]
        seen = head[-1] if head else first
        with contextlib.closing(socket_of(port, admin, seen)) as again:
            got = head + (numbers(again, last) if seen < last else [])
        whole = got == list(range(first + 1, last + 1))
        print(f"resume of the stalled socket: {len(head):,} events read late, {len(got) - len(head):,} after it connected again,"
              f" {'each once and in order' if whole else 'NOT each once and in order'} ({verdict(whole)})", flush=True)


if __name__ == "__main__":
    main()
