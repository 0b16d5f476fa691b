"""An MCP client as agents have one: the official SDK over HTTP, driven line by line.

Each line of standard input is `{"name": …, "arguments": …}`; each line of standard output is what the tool said.
The first line of output is what the server told of itself and its tools.
"""

import asyncio
import json
import sys

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

URL = sys.argv[1]
HEADERS = {"Authorization": f"Bearer {sys.argv[2]}"} if len(sys.argv) > 2 else {}


def say(value):
    print(json.dumps(value), flush=True)


async def main():
    async with httpx2.AsyncClient(headers=HEADERS, timeout=60) as http:
        async with Client(streamable_http_client(URL, http_client=http)) as client:
            tools = (await client.list_tools()).tools
            say(
                {
                    "version": client.protocol_version,
                    "server": client.server_info.name,
                    "tools": {tool.name: sorted(tool.input_schema.get("required", [])) for tool in tools},
                }
            )
            while line := await asyncio.to_thread(sys.stdin.readline):
                call = json.loads(line)
                try:
                    result = await client.call_tool(call["name"], call["arguments"])
                    say({"text": result.content[0].text})
                except MCPError as error:
                    say({"code": error.code, "error": error.message})


asyncio.run(main())
