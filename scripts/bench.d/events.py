"""P6: events, 1,000 a second to 50 WebSockets of which one has stopped reading.

Usage: events.py PROGRAM. Each event is an activity report that is on disk before it is sent. Delays run from the
time stamp of the event, which is set as it is written, to its arrival; they are taken on every tenth socket, the
others are only read. The socket that stopped costs memory until the server lets go of it; it then connects again
with the last number it saw, and must get every event from there on, once and in order.
"""

import base64
import contextlib
import datetime
import json
import os
import pathlib
import selectors
import struct
import sys
import tempfile
import threading
import time

from program import admin_token, connect, created, memory_mb, piped, request, responses, server

SOCKETS, RATE, SECONDS = 50, 1_000, 25
# Before the one socket stops: what the server needs for the rate itself is not its cost.
WARM_UP = 8
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


def report(port, token, workspace, stop):
    """Reports at the rate until told to stop, on ten connections, and answers with how many were taken."""
    body = {"activity_type": "agent_log", "method": "tool", "summary": "Read a file", "status": "ok"}
    one = piped(port, "POST", f"/workspaces/{workspace}/activity", token, body)
    sent, began = 0, time.perf_counter()
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(contextlib.closing(connect(port))) for _ in range(10)]
        while not stop.is_set():
            for stream in streams:
                stream.sendall(one)
            if sum(responses(stream, 1) for stream in streams) != len(streams):
                raise SystemExit("an activity report was refused")
            sent += len(streams)
            time.sleep(max(0.0, began + sent / RATE - time.perf_counter()))
    return sent


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
        chooser, delays, taken = selectors.DefaultSelector(), [], []
        for number in range(SOCKETS - 1):
            stream = stack.enter_context(contextlib.closing(socket_of(port, admin)))
            chooser.register(stream, selectors.EVENT_READ, {"rest": b""} if number % 10 == 0 else None)
        stop = threading.Event()
        reporter = threading.Thread(
            target=lambda: taken.append(report(port, made["connection"]["auth_token"], made["id"], stop))
        )
        first, stalled, before, most = 0, None, 0.0, 0.0
        reporter.start()
        began = time.perf_counter()
        looked = began
        while time.perf_counter() - began < SECONDS:
            for key, _ in chooser.select(0.1):
                piece = key.fileobj.recv(1 << 18)
                now = time.time()
                if key.data is not None:
                    found, key.data["rest"] = frames(key.data["rest"] + piece)
                    delays += [delay_ms(json.loads(payload), now) for opcode, payload in found if opcode == 1]
            if time.perf_counter() - looked > 1:
                looked = time.perf_counter()
                if looked - began < WARM_UP:
                    continue
                if stalled is None:
                    first = event_seq(port, admin)
                    before = memory_mb(process)
                    stalled = stack.enter_context(contextlib.closing(socket_of(port, admin, first, 4096)))
                most = max(most, memory_mb(process))
        stop.set()
        reporter.join()
        last = event_seq(port, admin)
        delays.sort()
        p50, p99 = delays[len(delays) // 2], delays[int(len(delays) * 0.99)]
        print(f"P6: {SOCKETS} sockets, {taken[0] / SECONDS:.0f} events/s for {SECONDS} s, one socket stalled", flush=True)
        print(f"delay: p50 {p50:.1f} ms, p99 {p99:.1f} ms, {len(delays):,} taken (budget p99 {BUDGET_P99_MS} ms: {verdict(p99 <= BUDGET_P99_MS)})")
        cost = most - before
        print(f"memory beside the stalled socket: {cost:+.1f} MB (budget {BUDGET_STALLED_MB} MB: {verdict(cost <= BUDGET_STALLED_MB)})")

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
