"""Stands in for the Python SDK: on the wire what the contract says of it, down to the registration without a bearer."""

import http.server
import json
import os
import pathlib
import threading
import time

import requests
from wire import SECOND, note


class RemoteAgentClient:
    def __init__(self, workspace_id, platform_url, agent_card=None, reported_url="", heartbeat_interval=30.0):
        self.workspace_id, self.platform_url = workspace_id, platform_url.rstrip("/")
        self.agent_card, self.reported_url = agent_card or {"name": f"agent-{workspace_id[:8]}"}, reported_url
        self.heartbeat_interval, self.session = heartbeat_interval, requests.Session()
        self.token_file = pathlib.Path.home() / ".molecule" / workspace_id / ".auth_token"

    def save_token(self, token):
        self.token_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(self.token_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(token)

    def load_token(self):
        return self.token_file.read_text().strip() if self.token_file.exists() else None

    def _call(self, method, path, **more):
        headers = {"Origin": self.platform_url, "Authorization": f"Bearer {self.load_token()}"}
        return self.session.request(method, self.platform_url + path, headers=headers, timeout=10, **more)

    def register(self):
        body = {
            "id": self.workspace_id,
            "url": self.reported_url or "remote://no-inbound",
            "agent_card": self.agent_card,
        }
        answer = self.session.post(f"{self.platform_url}/registry/register", json=body, timeout=10)
        answer.raise_for_status()
        token = answer.json().get("auth_token")
        if token:
            self.save_token(token)
        return token

    def run_heartbeat_loop(self):
        began = time.monotonic()
        while True:
            try:
                state = self._call("GET", f"/workspaces/{self.workspace_id}/state")
                if state.status_code == 404:
                    note("ended", why="removed")
                    return "removed"
                if state.ok and state.json().get("paused"):
                    note("ended", why="paused")
                    return "paused"
                body = {
                    "workspace_id": self.workspace_id,
                    "error_rate": 0.0,
                    "sample_error": "",
                    "active_tasks": 0,
                    "current_task": "",
                    "uptime_seconds": int((time.monotonic() - began) / SECOND),
                }
                note("beat", status=self._call("POST", "/registry/heartbeat", json=body).status_code)
            except requests.RequestException as error:
                note("beat", status=0, error=type(error).__name__)
            time.sleep(self.heartbeat_interval * SECOND)


class A2AServer:
    """Answers with its own envelope, which is not JSON-RPC."""

    def __init__(self, agent_id, inbound_url, message_handler, host="127.0.0.1", port=8000):
        path = "/" + inbound_url.split("/", 3)[3]

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                if self.path != path:
                    return self.say(404, {"error": "not found"})
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                try:
                    request = json.loads(raw)
                except ValueError:
                    return self.say(400, {"error": "invalid JSON"})
                return self.say(200, {"status": "ok", "result": message_handler(request)})

            def say(self, status, body):
                raw = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((host, port), Handler)

    def start_in_background(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
