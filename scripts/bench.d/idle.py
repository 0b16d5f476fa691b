"""What a person pays for an organisation that does nothing: the processor time of the server and of 20 idle agents.

Usage: idle.py PROGRAM [SECONDS]. Imports an organisation of 20 `local` agents, waits until all are online and quiet, and
counts the processor time of all processes together over a minute. Linux only: it reads /proc.
"""

import json
import os
import pathlib
import sys
import tempfile
import time

from program import request, server

AGENTS = 20
BUDGET_PERCENT = 2.0
TICKS = os.sysconf("SC_CLK_TCK")


def organisation(home):
    """An org template of its own: one lead with nineteen below, all of them played from a script."""
    folder = home / "templates" / "orgs" / "idle"
    folder.mkdir(parents=True)
    member = "      - {name: Idle %d, role: Waits}\n"
    text = "name: Idle\ndefaults: {runtime: local, model: rehearsal}\nworkspaces:\n  - name: Lead\n    role: Waits\n    children:\n"
    (folder / "org.yaml").write_text(text + "".join(member % n for n in range(1, AGENTS)))


def agents(installation):
    """The processes that carry the mark of this installation."""
    mark = f"MOLECULE_INSTALLATION={installation}".encode()
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                pass
    return found


def ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def switches(pid):
    """How often its threads were woken."""
    count = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                count += int(line.split()[1])
    return count


def get(port, token, path):
    status, answer = request(port, "GET", path, token)
    if status != 200:
        raise SystemExit(f"{path}: {status} {answer.decode()}")
    return json.loads(answer)


def everybody_online(port, token):
    began = time.monotonic()
    while True:
        rows = get(port, token, "/workspaces")
        online = sum(row["status"] == "online" for row in rows)
        if online == AGENTS:
            return time.monotonic() - began
        if time.monotonic() - began > 120:
            raise SystemExit(f"{online} of {AGENTS} are online: {sorted({row['status'] for row in rows})}")
        time.sleep(0.1)


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder) / "home"
        organisation(home)
        with server(program, home) as (process, port, _):
            token = (home / "admin.token").read_text().strip()
            status, answer = request(port, "POST", "/org/import", token, {"dir": "idle"})
            if status != 201:
                raise SystemExit(f"the organisation could not be imported: {status} {answer.decode()}")
            everybody_online(port, token)
            installation = get(port, token, "/app/state")["installation_id"]
            time.sleep(5)  # what a start leaves behind is not idleness
            everybody = [process.pid, *agents(installation)]
            if len(everybody) != AGENTS + 1:
                raise SystemExit(f"{len(everybody) - 1} agents run, not {AGENTS}")
            before, woken = [ticks(pid) for pid in everybody], [switches(pid) for pid in everybody]
            began = time.monotonic()
            time.sleep(seconds)
            took = time.monotonic() - began
            used = [(ticks(pid) - was) / TICKS / took * 100 for pid, was in zip(everybody, before)]
            wakes = [(switches(pid) - was) / took for pid, was in zip(everybody, woken)]
    verdict = "reached" if sum(used) <= BUDGET_PERCENT else "MISSED"
    print(f"Idle: the server and {AGENTS} local agents over {took:.0f} s, percent of one core", flush=True)
    print(f"{'server':<28} {used[0]:6.2f} %   {wakes[0]:6.1f} wakes a second", flush=True)
    print(f"{'all agents':<28} {sum(used[1:]):6.2f} %   {sum(wakes[1:]):6.1f} wakes a second", flush=True)
    print(f"{'together':<28} {sum(used):6.2f} %   (budget {BUDGET_PERCENT} %: {verdict})", flush=True)


if __name__ == "__main__":
    main()
