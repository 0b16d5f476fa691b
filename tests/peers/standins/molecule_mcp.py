"""Stands in for `molecule-mcp`: registers, beats every 20 s, and serves MCP on standard input and output."""

import json
import os
import pathlib
import sys

from wire import Inbox, Platform, beating, note, text_of

CONFIGS = pathlib.Path(os.environ.get("CONFIGS_DIR") or pathlib.Path.home())
QUIET = os.environ.get("MOLECULE_MCP_DISABLE_HEARTBEAT") == "1"


def settings():
    workspace, url = os.environ.get("WORKSPACE_ID"), os.environ.get("PLATFORM_URL")
    token = os.environ.get("MOLECULE_WORKSPACE_TOKEN")
    kept = CONFIGS / ".auth_token"
    if not token and kept.exists():
        token = kept.read_text().strip()
    missing = [n for n, v in (("WORKSPACE_ID", workspace), ("PLATFORM_URL", url), ("MOLECULE_WORKSPACE_TOKEN", token)) if not v]
    if missing:
        sys.exit(f"molecule-mcp: {', '.join(missing)} must be set")
    return workspace, Platform(url, token)


WORKSPACE, PLATFORM = settings()
INBOX = Inbox(PLATFORM, WORKSPACE, CONFIGS / f".inbox_cursor_{WORKSPACE[:8]}")
SELF = f"/workspaces/{WORKSPACE}"


def wait_for_message(_):
    return [{"activity_id": row["id"], "peer_id": row["source_id"] or "", "text": text_of(row)} for row in INBOX.next()]


def get_workspace_info(arguments):
    status, body = PLATFORM.call("GET", f"/workspaces/{arguments.get('workspace_id') or WORKSPACE}")
    if status == 410:
        return {"error": "removed", **{key: body[key] for key in ("id", "removed_at", "hint")}}
    return body


TOOLS = {
    "wait_for_message": wait_for_message,
    "get_workspace_info": get_workspace_info,
    "list_peers": lambda a: PLATFORM.call("GET", f"/registry/{WORKSPACE}/peers?q={a.get('q', '')}")[1],
    "send_message_to_user": lambda a: PLATFORM.call("POST", f"{SELF}/notify", {"message": a["message"]})[1],
    "commit_memory": lambda a: PLATFORM.call("POST", f"{SELF}/memories", {"content": a["content"], "scope": "LOCAL"})[1],
    "recall_memory": lambda a: PLATFORM.call("GET", f"{SELF}/memories?q={a['query']}")[1],
    "delegate_task_async": lambda a: PLATFORM.call(
        "POST", f"{SELF}/delegate", {"target_id": a["workspace_id"], "task": a["task"]}
    )[1],
    "check_task_status": lambda a: [
        row for row in PLATFORM.call("GET", f"{SELF}/delegations")[1] if row["delegation_id"] == a["task_id"]
    ],
    "chat_history": lambda a: PLATFORM.call(
        "GET", f"{SELF}/activity?limit=100" + "".join(f"&{k}={a[k]}" for k in ("peer_id", "before_ts") if a.get(k))
    )[1],
}


def answer(request):
    match request["method"]:
        case "initialize":
            about = {"name": "molecule", "version": "0"}
            return {"result": {"protocolVersion": "2024-11-05", "capabilities": {"tools": {}}, "serverInfo": about}}
        case "tools/list":
            return {"result": {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]}}
        case "tools/call":
            made = TOOLS[request["params"]["name"]](request["params"].get("arguments") or {})
            return {"result": {"content": [{"type": "text", "text": json.dumps(made)}]}}
        case _:
            return {"error": {"code": -32601, "message": "method not found"}}


if not QUIET:
    name = os.environ.get("MOLECULE_AGENT_NAME", f"molecule-mcp-{WORKSPACE[:8]}")
    skills = [{"id": each, "name": each} for each in os.environ.get("MOLECULE_AGENT_SKILLS", "").split(",") if each]
    body = {"id": WORKSPACE, "agent_card": {"name": name, "description": "", "skills": skills}}
    status, reply = PLATFORM.call("POST", "/registry/register", body)
    if status == 401:
        sys.exit("molecule-mcp: the platform refused the token")
    note("registered", status=status, secret=bool(isinstance(reply, dict) and reply.get("platform_inbound_secret")))
    beating(PLATFORM, WORKSPACE, 20)
for line in sys.stdin:
    request = json.loads(line)
    if "id" in request:
        print(json.dumps({"jsonrpc": "2.0", "id": request["id"], **answer(request)}), flush=True)
