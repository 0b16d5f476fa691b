"""A client on a2a-sdk 0.3.x, which speaks v0.3 alone. The same steps and arguments as client_v1.py."""

import asyncio
import json
import sys
import uuid

import httpx
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.types import (
    DataPart, FilePart, FileWithBytes, FileWithUri, Message, Part, Role, TaskArtifactUpdateEvent, TaskIdParams,
    TaskQueryParams, TaskState, TaskStatusUpdateEvent, TextPart,
)  # fmt: skip
from a2a.utils import get_message_text

BASE, GATE, AGENTS = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])

PARTS = [
    Part(root=TextPart(text="parts")),
    Part(root=FilePart(file=FileWithUri(uri="https://example.com/a.txt", name="a.txt", mime_type="text/plain"))),
    Part(root=FilePart(file=FileWithBytes(bytes="AAH/", name="b.bin", mime_type="application/octet-stream"))),
    Part(root=DataPart(data={"n": 1.5, "list": [True, None, "x"]})),
]


def message(parts):
    return Message(role=Role.user, message_id=uuid.uuid4().hex, parts=parts)


def asks(text):
    return message([Part(root=TextPart(text=text))])


def text_of(artifacts):
    return "".join(part.root.text for each in artifacts for part in each.parts)


def shape(part):
    return part.model_dump(mode="json", exclude_none=True)


class Talk:
    """One agent."""

    def __init__(self, http, gate, card):
        self.gate = gate
        client = lambda streaming: ClientFactory(ClientConfig(streaming=streaming, httpx_client=http)).create(card)  # noqa: E731
        self.plain, self.streaming = client(False), client(True)
        self.nonce = uuid.uuid4().hex[:12]

    async def one(self, request):
        last = [event async for event in self.plain.send_message(request)][-1]
        return last[0] if isinstance(last, tuple) else last

    async def echo(self):
        said = get_message_text(await self.one(asks(f"echo {self.nonce}")))
        assert said == f"heard {self.nonce}", said

    async def parts(self):
        got = await self.one(message(PARTS))
        assert [shape(part) for part in got.parts] == [shape(part) for part in PARTS], got

    async def whole_task_and_get(self):
        task = await self.one(asks(f"all {self.nonce}"))
        pieces = "".join(f"{self.nonce}-{n} " for n in (1, 2, 3))
        assert task.status.state == TaskState.completed and text_of(task.artifacts) == pieces, task
        again = await self.plain.get_task(TaskQueryParams(id=task.id))
        assert again.id == task.id and text_of(again.artifacts) == pieces, again
        assert again.status.state == TaskState.completed, again

    async def failed_task(self):
        task = await self.one(asks(f"fail {self.nonce}"))
        assert task.status.state == TaskState.failed, task
        assert get_message_text(task.status.message) == f"could not {self.nonce}", task

    async def stream_piece_by_piece(self):
        seen, states = [], []
        async for task, update in self.streaming.send_message(asks(f"steps {self.nonce}")):
            if isinstance(update, TaskArtifactUpdateEvent):
                seen.append(text_of([update.artifact]))
                # The agent says the next one only after this.
                (await self.gate.post(f"{GATE}/{self.nonce}-{len(seen)}")).raise_for_status()
            elif isinstance(update, TaskStatusUpdateEvent):
                states.append((update.status.state, update.final))
        assert seen == [f"{self.nonce}-{n} " for n in (1, 2, 3)], seen
        assert states[-1] == (TaskState.completed, True), states
        assert task.status.state == TaskState.completed, task

    async def cancel(self):
        states = []
        async for task, update in self.streaming.send_message(asks(f"hold {self.nonce}")):
            if isinstance(update, TaskStatusUpdateEvent):
                states.append(update.status.state)
                if states[-1] == TaskState.working:
                    gone = await self.plain.cancel_task(TaskIdParams(id=task.id))
                    assert gone.status.state == TaskState.canceled, gone
        assert states[-1] == TaskState.canceled, states

    async def unknown_task(self):
        try:
            await self.plain.get_task(TaskQueryParams(id="no-such-task"))
        except Exception as error:
            assert "-32001" in str(error) or "not found" in str(error).lower(), repr(error)
        else:
            raise AssertionError("an unknown task was found")


STEPS = ["echo", "parts", "whole_task_and_get", "failed_task", "stream_piece_by_piece", "cancel", "unknown_task"]


async def main():
    async with httpx.AsyncClient(timeout=90) as http, httpx.AsyncClient(timeout=90) as gate:
        for agent, workspace in AGENTS.items():
            card = await A2ACardResolver(http, f"{BASE}/workspaces/{workspace}/a2a").get_agent_card()
            talk = Talk(http, gate, card)
            for step in STEPS:
                wrong = ""
                try:
                    await getattr(talk, step)()
                except Exception as error:
                    wrong = f"{type(error).__name__}: {error}"[:2000]
                print(json.dumps({"client": "a2a-sdk 0.3.x", "agent": agent, "step": step, "wrong": wrong}), flush=True)


asyncio.run(main())
