"""Stands in for the Claude Code channel plugin: polls a workspace's messages and answers each of them.

A message of the person is answered by notify, one of a colleague by a new message to it, as the plugin's tools do.
"""

import os
import pathlib
import sys
import time

from wire import SECOND, Inbox, Platform, beating, note, text_of

STATE = pathlib.Path(os.environ.get("MOLECULE_STATE_DIR") or pathlib.Path.home() / ".claude/channels/molecule")
NAMES = ("MOLECULE_PLATFORM_URL", "MOLECULE_WORKSPACE_IDS", "MOLECULE_WORKSPACE_TOKENS")


def settings():
    """The environment, with the .env file behind it."""
    found = {}
    file = STATE / ".env"
    if file.exists():
        assert file.stat().st_mode & 0o777 == 0o600, "others can read .env"
        assert STATE.stat().st_mode & 0o777 == 0o700, "others can look into the folder"
        lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
        found = dict(line.split("=", 1) for line in lines)
    found |= {name: os.environ[name] for name in NAMES if os.environ.get(name)}
    if any(not found.get(name) for name in NAMES):
        sys.exit(1)
    ids, tokens = (found[name].split(",") for name in NAMES[1:])
    if len(ids) != len(tokens):
        sys.exit(1)
    return found[NAMES[0]], list(zip(ids, tokens, strict=True))


def answer(platform, workspace, row):
    text = f"Claude read: {text_of(row)}"
    if row["source_id"] is None:
        status, _ = platform.call("POST", f"/workspaces/{workspace}/notify", {"message": text})
    else:
        # No role, and `type` for `kind`: what the plugin sends.
        message = {"messageId": f"re-{row['id']}", "parts": [{"type": "text", "text": text}]}
        body = {"jsonrpc": "2.0", "id": row["id"], "method": "message/send", "params": {"message": message}}
        status, _ = platform.call("POST", f"/workspaces/{row['source_id']}/a2a", body)
    note("answered", text=text, status=status)


def main():
    url, workspaces = settings()
    inboxes = []
    for workspace, token in workspaces:
        platform = Platform(url, token)
        inbox = Inbox(platform, workspace, STATE / f"cursor-{workspace[:8]}")
        if not inbox.is_supported():
            sys.exit(2)
        card = {"name": os.environ.get("MOLECULE_AGENT_NAME", "Claude Code (channel)"), "description": ""}
        body = {"id": workspace, "delivery_mode": "poll", "agent_card": card}
        status, reply = platform.call("POST", "/registry/register", body)
        note("registered", status=status, mode=reply.get("delivery_mode") if status == 200 else None)
        beating(platform, workspace, 30)
        inboxes.append(inbox)
    while True:
        for inbox in inboxes:
            for row in inbox.next():
                answer(inbox.platform, inbox.workspace, row)
        time.sleep(5 * SECOND)


main()
