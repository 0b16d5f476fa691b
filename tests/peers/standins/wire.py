"""What the stand-ins share: calls to the platform, and time that a test can make short.

A stand-in does on the wire what the program of the same name does (agent runtime contract), and nothing else. It writes
what it does to standins.log in the home folder, one JSON object a line.
"""

import json
import os
import pathlib
import sys
import threading
import time
import urllib.error
import urllib.request

#: A second of the real program, in seconds.
SECOND = float(os.environ.get("STANDIN_SECOND", "1"))


def note(what, **more):
    line = json.dumps({"program": pathlib.Path(sys.argv[0]).stem, "what": what, **more})
    with open(pathlib.Path.home() / "standins.log", "a", encoding="utf-8") as log:
        log.write(line + "\n")


class Platform:
    """One workspace's way to the platform: base URL, bearer, Origin."""

    def __init__(self, url, token, origin=True):
        self.url, self.token, self.origin = url.rstrip("/"), token, origin

    def call(self, method, path, body=None):
        """The status and the decoded body; 0 and the reason where nobody answered."""
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if self.origin:
            headers["Origin"] = self.url
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raw = error.read()
            try:
                return error.code, json.loads(raw)
            except ValueError:
                return error.code, raw.decode(errors="replace")
        except OSError as error:
            return 0, str(error)


def beating(platform, workspace, seconds):
    """Beats on a daemon thread. Errors are noted and never end it; three refusals in a row are noted as such."""

    def loop():
        refused = 0
        while True:
            status, _ = platform.call("POST", "/registry/heartbeat", {"workspace_id": workspace})
            refused = refused + 1 if status == 401 else 0
            note("beat", status=status, **({"needs": "a new token"} if refused == 3 else {}))
            time.sleep(seconds * SECOND)

    threading.Thread(target=loop, daemon=True).start()


def text_of(row):
    """The words of a received message, as pollers find them."""
    body = row.get("request_body") or {}
    params = body.get("params") or {}
    parts = (params.get("message") or {}).get("parts") or params.get("parts") or body.get("parts") or []
    texts = [part.get("text", "") for part in parts if "text" in (part.get("kind"), part.get("type"))]
    return "\n".join(texts) or row.get("summary") or ""


class Inbox:
    """Polls by cursor; the cursor is kept in a file of mode 0600, replaced as a whole."""

    def __init__(self, platform, workspace, path):
        self.platform, self.workspace, self.path = platform, workspace, pathlib.Path(path)

    def cursor(self):
        return self.path.read_text() if self.path.exists() else ""

    def keep(self, cursor):
        fresh = self.path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(cursor)
        fresh.replace(self.path)

    def is_supported(self):
        """410 for a cursor of nobody says that the platform knows cursors; 200 says that it does not."""
        nobody = "00000000-0000-0000-0000-000000000000"
        status, _ = self.platform.call("GET", f"/workspaces/{self.workspace}/activity?since_id={nobody}")
        note("probe", status=status)
        return status != 200

    def next(self, window=30):
        """The messages since the last call. What is the agent's own is skipped, its row still moves the cursor."""
        cursor = self.cursor()
        since = f"since_id={cursor}" if cursor else f"since_secs={window}"
        path = f"/workspaces/{self.workspace}/activity?type=a2a_receive&limit=100&{since}"
        status, rows = self.platform.call("GET", path)
        if status == 410:
            self.path.unlink(missing_ok=True)
            note("cursor dropped")
            return
        if status != 200:
            note("poll", status=status)
            return
        for row in rows:
            if row.get("method") != "notify" and row.get("source_id") != self.workspace:
                yield row
            # After it was dealt with: what a crash interrupts comes again rather than never.
            self.keep(row["id"])
