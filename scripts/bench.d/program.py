"""The server under measurement: started on a data directory of its own, asked over HTTP, stopped again."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import time


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def request(port, method, path, token=None, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    with contextlib.closing(connection):
        connection.request(method, path, body=json.dumps(body) if body else None, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def created(port, token, body):
    """Makes a workspace and answers with what the server said of it."""
    status, answer = request(port, "POST", "/workspaces", token, body)
    if status != 201:
        raise SystemExit(f"no workspace could be made: {status} {answer.decode()}")
    return json.loads(answer)


def admin_token(home):
    return (home / "admin.token").read_text().strip()


@contextlib.contextmanager
def server(program, home):
    """A running server, its port, and the milliseconds until it was healthy."""
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")}
    environment |= {"MOLECULE_HOME": str(home), "RUST_LOG": "error"}
    # A bus that is not there: the keychain of whoever measures is neither asked nor waited for.
    environment["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=/nonexistent/session-bus"
    began = time.perf_counter()
    process = subprocess.Popen(
        [program, "serve", "--port", str(port)], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        while True:
            if process.poll() is not None:
                raise SystemExit(f"{program} serve ended with code {process.returncode}")
            with contextlib.suppress(OSError):
                if request(port, "GET", "/health")[0] == 200:
                    break
            if time.perf_counter() - began > 60:
                raise SystemExit("no healthy answer within a minute")
            time.sleep(0.001)
        yield process, port, (time.perf_counter() - began) * 1000
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def connect(port, receive_buffer=None):
    """A connection; with a small buffer of its own, what is not read stays with the server."""
    stream = socket.socket()
    if receive_buffer:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    stream.connect(("127.0.0.1", port))
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream


def piped(port, method, path, token, body):
    """A request as bytes, to be written after others without waiting for their answers."""
    text = json.dumps(body).encode()
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
    )
    return head.encode() + text


def responses(stream, count):
    """Reads `count` answers and says how many of them were a 200."""
    good = seen = 0
    rest = b""
    while seen < count:
        piece = stream.recv(1 << 16)
        if not piece:
            break
        rest += piece
        while True:
            end = rest.find(b"\r\n\r\n")
            if end < 0:
                break
            head = rest[:end].lower()
            at = head.index(b"content-length:") + len(b"content-length:")
            length = int(head[at:].split(b"\r\n", 1)[0])
            if len(rest) < end + 4 + length:
                break
            seen += 1
            good += head.startswith(b"http/1.1 200")
            rest = rest[end + 4 + length :]
    return good


def cpu_seconds(process):
    """CPU time of the process so far."""
    if os.path.exists("/proc/self/stat"):
        fields = open(f"/proc/{process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    minutes, seconds = subprocess.check_output(["ps", "-o", "cputime=", "-p", str(process.pid)], text=True).strip().rsplit(":", 1)
    return sum(int(part) * 60 ** (power + 1) for power, part in enumerate(reversed(minutes.split(":")))) + float(seconds)


def memory_mb(process):
    """Resident memory of the process, MB."""
    return int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(process.pid)], text=True)) / 1024
