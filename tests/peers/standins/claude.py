"""Stands in for the `claude` command, as far as the snippets use it: keeps MCP servers in ~/.claude.json, notes what is
done with plugins, and starts the channel plugin where it is told to load it.
"""

import json
import pathlib
import runpy
import sys

from wire import note

CHANNEL = "molecule-channel@molecule-mcp-claude-channel"
CONFIG = pathlib.Path.home() / ".claude.json"


def add_server(arguments):
    name, options, command = arguments[0], arguments[1 : arguments.index("--")], arguments[arguments.index("--") + 1 :]
    pairs = dict(zip(options[::2], options[1::2], strict=True)) if "-e" not in options else {}
    env = dict(value.split("=", 1) for flag, value in zip(options, options[1:], strict=False) if flag == "-e")
    assert pairs or "-s" in options, options
    known = json.loads(CONFIG.read_text()) if CONFIG.exists() else {"mcpServers": {}}
    known["mcpServers"][name] = {"command": command[0], "args": command[1:], "env": env}
    CONFIG.write_text(json.dumps(known))


def main(arguments):
    note("called", arguments=arguments if "mcp" not in arguments else arguments[:3])
    match arguments:
        case ["mcp", "add", *rest]:
            add_server(rest)
        case ["plugin", "marketplace", "add", _] | ["plugin", "install", _]:
            pass
        case ["--dangerously-load-development-channels", plugin] if plugin == f"plugin:{CHANNEL}":
            runpy.run_path(str(pathlib.Path(__file__).with_name("channel.py")))
        case _:
            sys.exit(f"claude: {arguments} is not known here")


main(sys.argv[1:])
