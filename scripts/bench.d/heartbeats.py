"""P5: heartbeats, 10,000 in one burst from 1,000 agents, and then 1,000 agents every 10 s.

Usage: heartbeats.py PROGRAM. The beats of a burst are written to the sockets at once, one after the other on
each connection (HTTP/1.1 pipelining), so that what is measured is the server and not this program.
"""

import contextlib
import json
import pathlib
import sys
import tempfile
import threading
import time

from program import admin_token, connect, cpu_seconds, created, piped, request, responses, server

AGENTS, BEATS = 1_000, 10
CONNECTIONS = 50
STEADY_SECONDS, EVERY = 20, 10
BUDGET_BURST_S, BUDGET_STEADY, BUDGET_ANSWER_MS = 2.0, 0.03, 25


def beat(port, agent, number):
    body = {
        "workspace_id": agent["id"],
        "error_rate": 0.0,
        "active_tasks": 0,
        "uptime_seconds": number,
        "current_task": "",
    }
    return piped(port, "POST", "/registry/heartbeat", agent["token"], body)


def agents(port, admin):
    made = []
    for number in range(AGENTS):
        answer = created(port, admin, {"name": f"Agent {number}", "runtime": "external"})
        made.append({"id": answer["id"], "token": answer["connection"]["auth_token"]})
    return made


def burst(port, made):
    """Seconds until the last of all beats was answered."""
    share = AGENTS // CONNECTIONS
    streams = []
    for number in range(CONNECTIONS):
        own = made[number * share : (number + 1) * share]
        streams.append(b"".join(beat(port, agent, count + 1) for count in range(BEATS) for agent in own))
    answered = [0] * CONNECTIONS
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(connect(port)) for _ in range(CONNECTIONS)]

        def ask(number):
            writer = threading.Thread(target=sockets[number].sendall, args=(streams[number],))
            writer.start()
            answered[number] = responses(sockets[number], share * BEATS)
            writer.join()

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(CONNECTIONS)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        elapsed = time.perf_counter() - began
    if sum(answered) != AGENTS * BEATS:
        raise SystemExit(f"{AGENTS * BEATS - sum(answered)} heartbeats were not accepted")
    return elapsed


def lost(port, admin):
    """How many agents' last beat did not arrive."""
    rows = json.loads(request(port, "GET", "/workspaces", admin)[1])
    return sum(row["uptime_seconds"] != BEATS or row["status"] != "online" for row in rows)


def steady(process, port, made):
    """The share of one core that 1,000 agents cost, each beating every 10 s, and how long the answers took, ms."""
    pause = EVERY / AGENTS
    count = int(STEADY_SECONDS / pause)
    taken = []
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(contextlib.closing(connect(port))) for _ in range(CONNECTIONS)]
        before, began = cpu_seconds(process), time.perf_counter()

        def due(number):
            return began + number * pause

        # Each connection carries every 50th beat: none is sent before the one before it was answered.
        def ask(connection):
            for number in range(connection, count, CONNECTIONS):
                time.sleep(max(0.0, due(number) - time.perf_counter()))
                sent = time.perf_counter()
                streams[connection].sendall(beat(port, made[number % AGENTS], 100 + number // AGENTS))
                if responses(streams[connection], 1) != 1:
                    return
                taken.append((time.perf_counter() - sent) * 1000)

        threads = [threading.Thread(target=ask, args=(connection,)) for connection in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        share = (cpu_seconds(process) - before) / (time.perf_counter() - began)
    if len(taken) != count:
        raise SystemExit(f"{count - len(taken)} heartbeats were not accepted")
    return share, sorted(taken)


def verdict(reached):
    return "reached" if reached else "MISSED"


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as place:
        home = pathlib.Path(place) / "home"
        with server(program, home) as (process, port, _):
            admin = admin_token(home)
            made = agents(port, admin)
            print(f"P5: heartbeats of {AGENTS:,} agents", flush=True)
            elapsed = burst(port, made)
            missing = lost(port, admin)
            print(
                f"burst of {AGENTS * BEATS:,}: {elapsed:.2f} s, {missing} lost"
                f" (budget {BUDGET_BURST_S:.0f} s, none lost: {verdict(elapsed <= BUDGET_BURST_S and not missing)})",
                flush=True,
            )
            share, taken = steady(process, port, made)
            p50, p95 = taken[len(taken) // 2], taken[int(len(taken) * 0.95)]
            print(
                f"every {EVERY} s: {share * 100:.1f} % of one core, {share * EVERY / AGENTS * 1e6:.0f} us a beat"
                f" (budget {BUDGET_STEADY * 100:.0f} %: {verdict(share <= BUDGET_STEADY)})",
                flush=True,
            )
            print(
                f"answers: p50 {p50:.1f} ms, p95 {p95:.1f} ms (budget p50 {BUDGET_ANSWER_MS} ms: {verdict(p50 <= BUDGET_ANSWER_MS)})",
                flush=True,
            )


if __name__ == "__main__":
    main()
