# pip install "a2a-sdk[http-server]>=1,<2" uvicorn httpx
import asyncio
import os

import httpx
import uvicorn
from a2a.helpers import get_message_text, new_text_message
from a2a.server.agent_execution import AgentExecutor
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill
from google.protobuf.json_format import MessageToDict
from starlette.applications import Starlette

WORKSPACE_ID = "{{workspace_id}}"
PLATFORM_URL = "{{platform_url}}"
AUTH_TOKEN = "<paste from create response>"
PORT = int(os.environ.get("PORT", "9000"))
AGENT_URL = f"http://127.0.0.1:{PORT}"


class Agent(AgentExecutor):
    async def execute(self, context, event_queue):
        await event_queue.enqueue_event(new_text_message(f"You said: {get_message_text(context.message)}"))

    async def cancel(self, context, event_queue):
        pass


card = AgentCard(
    name="{{agent_name}}",
    description="Agent on a2a-sdk",
    version="1.0.0",
    capabilities=AgentCapabilities(),
    default_input_modes=["text/plain"],
    default_output_modes=["text/plain"],
    skills=[AgentSkill(id="echo", name="Echo", description="Says what it was told", tags=["demo"])],
    supported_interfaces=[
        AgentInterface(url=AGENT_URL, protocol_binding="JSONRPC", protocol_version="1.0"),
        AgentInterface(url=AGENT_URL, protocol_binding="JSONRPC", protocol_version="0.3"),
    ],
)
handler = DefaultRequestHandler(agent_executor=Agent(), task_store=InMemoryTaskStore(), agent_card=card)
app = Starlette(routes=create_agent_card_routes(card) + create_jsonrpc_routes(handler, "/", enable_v0_3_compat=True))


async def stay_registered():
    async with httpx.AsyncClient(base_url=PLATFORM_URL, headers={"Authorization": f"Bearer {AUTH_TOKEN}"}) as platform:
        # The card says which versions it speaks; the platform translates for callers that speak another.
        about = {"id": WORKSPACE_ID, "url": AGENT_URL, "delivery_mode": "push", "agent_card": MessageToDict(card)}
        reply = await platform.post("/registry/register", json=about)
        reply.raise_for_status()
        uptime = 0
        while True:
            try:
                await platform.post("/registry/heartbeat", json={"workspace_id": WORKSPACE_ID, "uptime_seconds": uptime})
            except httpx.TransportError:
                pass  # The platform is being restarted; the next beat finds it again.
            await asyncio.sleep(20)
            uptime += 20


async def main():
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=PORT, log_level="warning"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.05)
    beating = asyncio.create_task(stay_registered())
    print(f"listening at {AGENT_URL}")
    ended, _ = await asyncio.wait([serving, beating], return_when=asyncio.FIRST_COMPLETED)
    beating.cancel()
    for task in ended:
        task.result()


asyncio.run(main())
