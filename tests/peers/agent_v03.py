"""An agent on a2a-sdk 0.3.x, which speaks v0.3 alone. It understands the words of agent_v1.py."""

import asyncio
import json
import socket
import sys

import httpx
import uvicorn
from a2a.server.agent_execution import AgentExecutor
from a2a.server.apps import A2AStarletteApplication
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentSkill, Message, Part, Role, TextPart
from a2a.utils import get_message_text, new_agent_text_message, new_task

GATE = sys.argv[1]


class Agent(AgentExecutor):
    async def execute(self, context, event_queue):
        word, _, nonce = get_message_text(context.message).partition(" ")
        if word == "echo":
            await event_queue.enqueue_event(new_agent_text_message(f"heard {nonce}"))
            return
        if word == "parts":
            same = Message(role=Role.agent, message_id="same", parts=context.message.parts)
            await event_queue.enqueue_event(same)
            return
        task = context.current_task or new_task(context.message)
        await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        await updater.start_work()
        if word == "hold":
            # What cancel() says does not reach the stream in this generation, so this end of it says it too.
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return await updater.cancel()
        if word == "fail":
            await updater.failed(updater.new_agent_message([Part(root=TextPart(text=f"could not {nonce}"))]))
            return
        async with httpx.AsyncClient(timeout=60) as gate:
            for n in (1, 2, 3):
                part = Part(root=TextPart(text=f"{nonce}-{n} "))
                await updater.add_artifact([part], artifact_id="pieces", append=n > 1, last_chunk=n == 3)
                if word == "steps":
                    (await gate.get(f"{GATE}/{nonce}-{n}")).raise_for_status()
        await updater.complete()

    async def cancel(self, context, event_queue):
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()


async def main():
    name = "a2a-sdk 0.3.x"
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    card = AgentCard(
        name=name, description="Says what it was told", version="7.0.0", url=url,
        capabilities=AgentCapabilities(streaming=True),
        default_input_modes=["text/plain"], default_output_modes=["text/plain"],
        skills=[AgentSkill(id="echo", name="Echo", description="Repeats", tags=["test"])],
    )  # fmt: skip
    handler = DefaultRequestHandler(agent_executor=Agent(), task_store=InMemoryTaskStore())
    app = A2AStarletteApplication(agent_card=card, http_handler=handler).build()
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    said = {"name": name, "url": url, "card": card.model_dump(mode="json", by_alias=True, exclude_none=True)}
    print(json.dumps(said), flush=True)
    await running


asyncio.run(main())
