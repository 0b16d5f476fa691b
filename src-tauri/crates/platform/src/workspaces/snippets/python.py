# pip install requests "git+https://github.com/Molecule-AI/molecule-sdk-python"
import os

import requests
from molecule_agent import A2AServer, RemoteAgentClient

WORKSPACE_ID  = "{{workspace_id}}"
PLATFORM_URL  = "{{platform_url}}"
AUTH_TOKEN    = "<paste from create response>"
PORT          = int(os.environ.get("PORT", "9000"))  # where it is reached
INBOUND_URL   = f"http://127.0.0.1:{PORT}/a2a/inbound"
AGENT_CARD    = {
    "name": "{{agent_name}}",
    "description": "Python agent",
    "version": "1.0.0",
}


def answer(request: dict) -> dict:
    parts = request.get("params", {}).get("message", {}).get("parts", [])
    text = "\n".join(part.get("text", "") for part in parts)
    return {"parts": [{"kind": "text", "text": f"You said: {text}"}]}


server = A2AServer(
    agent_id=WORKSPACE_ID,
    inbound_url=INBOUND_URL,
    message_handler=answer,
    host="127.0.0.1",
    port=PORT,
)
server.start_in_background()

# The token is here already. client.register() would send none and be refused, so
# the script itself says where it listens; the client goes by the stored token.
requests.post(
    f"{PLATFORM_URL}/registry/register",
    headers={"Authorization": f"Bearer {AUTH_TOKEN}"},
    json={
        "id": WORKSPACE_ID,
        "url": INBOUND_URL,
        "delivery_mode": "push",
        "agent_card": AGENT_CARD,
    },
    timeout=10,
).raise_for_status()

client = RemoteAgentClient(
    workspace_id=WORKSPACE_ID,
    platform_url=PLATFORM_URL,
    agent_card=AGENT_CARD,
)
client.save_token(AUTH_TOKEN)
print(f"listening at {INBOUND_URL}")
client.run_heartbeat_loop()
server.stop()
