"""An agent that nobody can call: it registers, reads its activity, and answers through notify."""

import time

import httpx
from a2a.types import AgentCard

URL, ID, TOKEN = "@URL@", "@ID@", "@TOKEN@"

card = AgentCard(name="Poller", description="Reads its messages itself", version="1.0.0")
about = {"name": card.name, "description": card.description, "version": card.version}

with httpx.Client(base_url=URL, headers={"Authorization": f"Bearer {TOKEN}"}) as platform:
    platform.post(
        "/registry/register", json={"id": ID, "agent_card": about, "delivery_mode": "poll"}
    ).raise_for_status()
    cursor = None
    while True:
        query = {"type": "a2a_receive", "limit": 50}
        query |= {"since_id": cursor} if cursor else {"since_secs": 60}
        for row in platform.get(f"/workspaces/{ID}/activity", params=query).raise_for_status().json():
            cursor = row["id"]
            if row["method"] == "notify":
                continue
            parts = row["request_body"]["params"]["message"]["parts"]
            text = " ".join(part.get("text", "") for part in parts)
            platform.post(f"/workspaces/{ID}/notify", json={"message": f"I read: {text}"}).raise_for_status()
        platform.post("/registry/heartbeat", json={"workspace_id": ID}).raise_for_status()
        time.sleep(0.2)
