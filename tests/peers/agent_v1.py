"""Agents on a2a-sdk 1.x: one whose card lists 1.0 alone, one that lists 0.3 alone and speaks it by the library's
compatibility layer. Prints one line of JSON for each once it listens; the gate's address is the only argument.

What a message asks for, N being a word of the caller's own:
  echo N    one message                     parts    a message with the same parts
  all N     a task of three pieces          steps N  the same, each piece after the gate has opened for the last
  hold N    a task that runs until it is cancelled
  fail N    a task that fails
"""

import asyncio
import json
import socket
import sys

import httpx
import uvicorn
from a2a.helpers import get_message_text, new_message, new_task_from_user_message, new_text_message, new_text_part
from a2a.server.agent_execution import AgentExecutor
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill
from google.protobuf.json_format import MessageToDict
from starlette.applications import Starlette

GATE = sys.argv[1]


class Agent(AgentExecutor):
    async def execute(self, context, event_queue):
        word, _, nonce = get_message_text(context.message).partition(" ")
        if word == "echo":
            await event_queue.enqueue_event(new_text_message(f"heard {nonce}"))
            return
        if word == "parts":
            await event_queue.enqueue_event(new_message(list(context.message.parts)))
            return
        task = context.current_task or new_task_from_user_message(context.message)
        await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        await updater.start_work()
        if word == "hold":
            await asyncio.Event().wait()
        if word == "fail":
            await updater.failed(updater.new_agent_message([new_text_part(f"could not {nonce}")]))
            return
        async with httpx.AsyncClient(timeout=60) as gate:
            for n in (1, 2, 3):
                part = new_text_part(f"{nonce}-{n} ")
                await updater.add_artifact([part], artifact_id="pieces", append=n > 1, last_chunk=n == 3)
                if word == "steps":
                    (await gate.get(f"{GATE}/{nonce}-{n}")).raise_for_status()
        await updater.complete()

    async def cancel(self, context, event_queue):
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()


async def serve(name, version):
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    card = AgentCard(
        name=name, description="Says what it was told", version="7.0.0",
        capabilities=AgentCapabilities(streaming=True),
        default_input_modes=["text/plain"], default_output_modes=["text/plain"],
        skills=[AgentSkill(id="echo", name="Echo", description="Repeats", tags=["test"])],
        supported_interfaces=[AgentInterface(url=url, protocol_binding="JSONRPC", protocol_version=version)],
    )  # fmt: skip
    handler = DefaultRequestHandler(agent_executor=Agent(), task_store=InMemoryTaskStore(), agent_card=card)
    rpc = create_jsonrpc_routes(handler, "/", enable_v0_3_compat=version == "0.3")
    app = Starlette(routes=create_agent_card_routes(card) + rpc)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    print(json.dumps({"name": name, "url": url, "card": MessageToDict(card)}), flush=True)
    await running


async def main():
    await asyncio.gather(serve("a2a-sdk 1.x, v1", "1.0"), serve("a2a-sdk 1.x, v0.3", "0.3"))


asyncio.run(main())
