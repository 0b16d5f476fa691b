"""P1 and P2: messages through the whole pipeline, against nginx as a plain reverse proxy to the same agent.

Usage: proxy.py PROGRAM. The agent is a second nginx that answers every request with the same A2A message; the
load comes from wrk, which asks both in turn, round by round, so that a noisy machine hits both. Each of our
answers has its activity row on disk (synchronous=FULL) before it is sent; nginx stores nothing.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from program import admin_token, created, free_port, server

ROUNDS, SECONDS = 5, 3
CONNECTIONS = 32
TARGET_RATIO, TARGET_P99, TARGET_ADDED_MS = 0.40, 3.0, 0.5
REPLY = {
    "jsonrpc": "2.0",
    "id": "1",
    "result": {"kind": "message", "role": "agent", "messageId": "reply", "parts": [{"kind": "text", "text": "x" * 200}]},
}

NGINX = """
daemon off; worker_processes auto; pid {folder}/{name}.pid; error_log stderr crit;
events {{ worker_connections 512; }}
http {{
  access_log off; keepalive_requests 1000000;
  client_body_temp_path {folder}/{name}-body; proxy_temp_path {folder}/{name}-proxy;
  fastcgi_temp_path {folder}/{name}-fastcgi; uwsgi_temp_path {folder}/{name}-uwsgi; scgi_temp_path {folder}/{name}-scgi;
  {http}
}}
"""
AGENT = "server {{ listen 127.0.0.1:{port}; default_type application/json; location / {{ return 200 '{reply}'; }} }}"
PROXY = """
  upstream agent {{ server 127.0.0.1:{agent}; keepalive 64; keepalive_requests 1000000; }}
  server {{ listen 127.0.0.1:{port}; location / {{
    proxy_pass http://agent; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}"""

# 0.8 KB a message; every message has an id of its own, as a client's has.
LOAD = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer {token}"
local text = string.rep("m", 580)
local n, refused = 0, 0
local run = tostring(os.time()) .. "-{run}-"
function request()
  n = n + 1
  local id = run .. n
  return wrk.format(nil, nil, nil, '{{"jsonrpc":"2.0","id":"' .. id .. '","method":"message/send","params":{{"message":'
    .. '{{"role":"user","messageId":"' .. id .. '","parts":[{{"kind":"text","text":"' .. text .. '"}}]}}}}}}')
end
function done(summary, latency, requests)
  local bad = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), bad))
end
"""


@contextlib.contextmanager
def nginx(folder, name, port, http):
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")
    settings = folder / f"{name}.conf"
    settings.write_text(NGINX.format(folder=folder, name=name, http=http))
    process = subprocess.Popen([program, "-p", str(folder), "-c", str(settings)], stdin=subprocess.DEVNULL)
    try:
        while True:
            if process.poll() is not None:
                raise SystemExit(f"nginx ended with code {process.returncode}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.01)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def load(folder, run, url, token, connections, seconds):
    """Requests a second, p50 and p99 in milliseconds."""
    script = folder / "load.lua"
    script.write_text(LOAD.format(token=token, run=run))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script), url]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+)", output)
    requests, micros, p50, p99, bad = map(int, found.groups())
    if bad:
        raise SystemExit(f"{bad} of {requests} requests to {url} failed")
    return requests / (micros / 1e6), p50 / 1000, p99 / 1000


def spent(process):
    """CPU seconds and bytes written by a process so far, where the system tells."""
    try:
        fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        written = re.search(r"wchar: (\d+)", pathlib.Path(f"/proc/{process.pid}/io").read_text())
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), int(written[1])
    except OSError:
        return 0.0, 0


def compare(folder, ours, theirs, token, connections):
    """Rounds in turn: rows of (our rate, p50, p99, nginx's rate, p50, p99)."""
    rows = []
    for number in range(-1, ROUNDS):
        seconds = SECONDS if number >= 0 else 1
        row = load(folder, f"o{connections}-{number}", ours, token, connections, seconds)
        row += load(folder, f"n{connections}-{number}", theirs, token, connections, seconds)
        if number < 0:
            continue  # warm-up
        rows.append(row)
        print(
            f"{number + 1:<7} {row[0]:9.0f} {row[1]:9.2f} {row[2]:9.2f}      {row[3]:9.0f} {row[4]:9.2f} {row[5]:9.2f}"
            f"      {row[0] / row[3]:.2f}",
            flush=True,
        )
    return rows


def median(values):
    return statistics.median(list(values))


def verdict(reached):
    return "reached" if reached else "MISSED"


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        home = folder / "home"
        agent, proxy = free_port(), free_port()
        with (
            nginx(folder, "agent", agent, AGENT.format(port=agent, reply=json.dumps(REPLY))),
            nginx(folder, "proxy", proxy, PROXY.format(port=proxy, agent=agent)),
            server(program, home) as (process, port, _),
        ):
            admin = admin_token(home)
            lead = created(port, admin, {"name": "Lead", "runtime": "external"})
            helper = created(
                port,
                admin,
                {
                    "name": "Helper",
                    "runtime": "external",
                    "parent_id": lead["id"],
                    "url": f"http://127.0.0.1:{agent}/",
                },
            )
            token = lead["connection"]["auth_token"]
            ours = f"http://127.0.0.1:{port}/workspaces/{helper['id']}/a2a"
            theirs = f"http://127.0.0.1:{proxy}/"
            heading = "round   requests/s   p50 ms    p99 ms    nginx: requests/s   p50 ms    p99 ms      ratio"

            print(f"P1: messages of one agent to another, {CONNECTIONS} connections", flush=True)
            print(heading, flush=True)
            before = spent(process)
            rows = compare(folder, ours, theirs, token, CONNECTIONS)
            after = spent(process)
            ratio = median(row[0] / row[3] for row in rows)
            tail = median(row[2] / row[5] for row in rows)
            print(f"P1 requests/s, median ratio: {ratio:.2f} of nginx (target >= {TARGET_RATIO:.2f}: {verdict(ratio >= TARGET_RATIO)})")
            print(f"P1 p99, median ratio: {tail:.1f} x nginx (target <= {TARGET_P99:.0f}: {verdict(tail <= TARGET_P99)})")

            requests = sum(row[0] for row in rows) * SECONDS + rows[0][0]  # with the warm-up
            print(
                f"P1 profile: {(after[0] - before[0]) / requests * 1e6:.0f} us of CPU and"
                f" {(after[1] - before[1]) / requests / 1024:.1f} KiB written a message"
            )
            print("P2: the same, 1 connection", flush=True)
            print(heading, flush=True)
            rows = compare(folder, ours, theirs, token, 1)
            added = median(row[1] - row[4] for row in rows)
            print(f"P2 added p50: {added:.2f} ms (target <= {TARGET_ADDED_MS} ms: {verdict(added <= TARGET_ADDED_MS)})", flush=True)


if __name__ == "__main__":
    main()
