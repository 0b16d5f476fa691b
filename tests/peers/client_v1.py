"""A client on a2a-sdk 1.x, told nothing but a base URL and ids. Tries every agent in the library's own v1 and, from a
card that lists 0.3 alone, in its v0.3. Prints one line of JSON for each step.

Arguments: the base URL, the gate's address, and the agents as a JSON object of name to workspace id.
"""

import asyncio
import json
import sys
import uuid

import httpx
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.helpers import get_artifact_text, get_message_text, new_message, new_text_message
from a2a.types import CancelTaskRequest, GetTaskRequest, Part, Role, SendMessageRequest, TaskState
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Value

BASE, GATE, AGENTS = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])

PARTS = [
    Part(text="parts"),
    Part(url="https://example.com/a.txt", filename="a.txt", media_type="text/plain"),
    Part(raw=b"\x00\x01\xff", filename="b.bin", media_type="application/octet-stream"),
    Part(data=ParseDict({"n": 1.5, "list": [True, None, "x"]}, Value())),
]


def asks(text):
    return SendMessageRequest(message=new_text_message(text, role=Role.ROLE_USER))


class Talk:
    """One agent, in one version."""

    def __init__(self, http, gate, card):
        self.gate = gate
        client = lambda streaming: ClientFactory(ClientConfig(streaming=streaming, httpx_client=http)).create(card)  # noqa: E731
        self.plain, self.streaming = client(False), client(True)
        self.nonce = uuid.uuid4().hex[:12]

    async def one(self, request):
        return [event async for event in self.plain.send_message(request)][-1]

    async def echo(self):
        said = get_message_text((await self.one(asks(f"echo {self.nonce}"))).message)
        assert said == f"heard {self.nonce}", said

    async def parts(self):
        sent = new_message(PARTS, role=Role.ROLE_USER)
        got = (await self.one(SendMessageRequest(message=sent))).message
        assert [MessageToDict(part) for part in got.parts] == [MessageToDict(part) for part in PARTS], got

    async def whole_task_and_get(self):
        task = (await self.one(asks(f"all {self.nonce}"))).task
        pieces = "".join(f"{self.nonce}-{n} " for n in (1, 2, 3))
        text = lambda task: "".join(get_artifact_text(each, "") for each in task.artifacts)  # noqa: E731
        assert task.status.state == TaskState.TASK_STATE_COMPLETED and text(task) == pieces, task
        again = await self.plain.get_task(GetTaskRequest(id=task.id))
        assert again.id == task.id and text(again) == pieces, again
        assert again.status.state == TaskState.TASK_STATE_COMPLETED, again

    async def failed_task(self):
        task = (await self.one(asks(f"fail {self.nonce}"))).task
        assert task.status.state == TaskState.TASK_STATE_FAILED, task
        assert get_message_text(task.status.message) == f"could not {self.nonce}", task

    async def stream_piece_by_piece(self):
        seen, states = [], []
        async for event in self.streaming.send_message(asks(f"steps {self.nonce}")):
            kind = event.WhichOneof("payload")
            if kind == "artifact_update":
                seen.append(get_artifact_text(event.artifact_update.artifact))
                # The agent says the next one only after this.
                (await self.gate.post(f"{GATE}/{self.nonce}-{len(seen)}")).raise_for_status()
            elif kind == "status_update":
                states.append(event.status_update.status.state)
        assert seen == [f"{self.nonce}-{n} " for n in (1, 2, 3)], seen
        assert states[-1] == TaskState.TASK_STATE_COMPLETED, states

    async def cancel(self):
        task, states = "", []
        async for event in self.streaming.send_message(asks(f"hold {self.nonce}")):
            kind = event.WhichOneof("payload")
            if kind == "task":
                task = event.task.id
            elif kind == "status_update":
                states.append(event.status_update.status.state)
                if states[-1] == TaskState.TASK_STATE_WORKING:
                    gone = await self.plain.cancel_task(CancelTaskRequest(id=task))
                    assert gone.status.state == TaskState.TASK_STATE_CANCELED, gone
        assert states[-1] == TaskState.TASK_STATE_CANCELED, states

    async def unknown_task(self):
        try:
            await self.plain.get_task(GetTaskRequest(id="no-such-task"))
        except Exception as error:
            assert "not found" in str(error).lower() and "task" in (type(error).__name__ + str(error)).lower(), repr(error)
        else:
            raise AssertionError("an unknown task was found")


STEPS = ["echo", "parts", "whole_task_and_get", "failed_task", "stream_piece_by_piece", "cancel", "unknown_task"]


async def main():
    async with httpx.AsyncClient(timeout=90) as http, httpx.AsyncClient(timeout=90) as gate:
        for agent, workspace in AGENTS.items():
            for version in ("1.0", "0.3"):
                card = await A2ACardResolver(http, f"{BASE}/workspaces/{workspace}/a2a").get_agent_card()
                offered = [each for each in card.supported_interfaces if each.protocol_version == version]
                del card.supported_interfaces[:]
                card.supported_interfaces.extend(offered)
                talk = Talk(http, gate, card)
                for step in STEPS:
                    wrong = ""
                    try:
                        await getattr(talk, step)()
                    except Exception as error:
                        wrong = f"{type(error).__name__}: {error}"[:2000]
                    said = {"client": f"a2a-sdk 1.x, v{version}", "agent": agent, "step": step, "wrong": wrong}
                    print(json.dumps(said), flush=True)


asyncio.run(main())
