# pip install requests "git+https://github.com/Molecule-AI/molecule-sdk-python"
import requests
from molecule_agent import A2AServer, RemoteAgentClient

WORKSPACE_ID  = "{{workspace_id}}"
PLATFORM_URL  = "{{platform_url}}"
AUTH_TOKEN    = "<paste from create response>"
INBOUND_URL   = "http://127.0.0.1:9000/a2a/inbound"  # where the platform reaches this script


def answer(request: dict) -> dict:
    parts = request.get("params", {}).get("message", {}).get("parts", [])
    text = "\n".join(part.get("text", "") for part in parts)
    return {"parts": [{"kind": "text", "text": f"You said: {text}"}]}


session = requests.Session()
session.headers["Authorization"] = f"Bearer {AUTH_TOKEN}"
client = RemoteAgentClient(
    workspace_id=WORKSPACE_ID,
    platform_url=PLATFORM_URL,
    agent_card={"name": "{{agent_name}}", "description": "Python agent", "version": "1.0.0"},
    reported_url=INBOUND_URL,
    session=session,
)
client.save_token(AUTH_TOKEN)

server = A2AServer(agent_id=WORKSPACE_ID, inbound_url=INBOUND_URL, message_handler=answer, host="127.0.0.1", port=9000)
server.start_in_background()
client.register()
print("registered; waiting for messages")
client.run_heartbeat_loop()
server.stop()
