"""P7: from the start of `molecule serve` to its first healthy answer, and the memory that it idles in.

Usage: start.py PROGRAM [HOME]. Measured on an empty data directory and on one with a million activity rows: HOME,
where given.
"""

import contextlib
import pathlib
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

from program import admin_token, created, server

STARTS = 10
ROWS = 1_000_000
BUDGET_EMPTY_MS, BUDGET_FULL_MS, BUDGET_IDLE_MB = 150, 250, 40


def starts(program, home):
    times = []
    for _ in range(STARTS):
        with server(program, home) as (_, _, elapsed):
            times.append(elapsed)
    return times


def idle_mb(program, home):
    with server(program, home) as (process, _, _):
        time.sleep(5)
        kilobytes = subprocess.check_output(["ps", "-o", "rss=", "-p", str(process.pid)], text=True)
        return int(kilobytes) / 1024


def fill(program, home):
    """A workspace by the server's own hand, then a million rows of its activity."""
    with server(program, home) as (_, port, _):
        workspace = created(port, admin_token(home), {"name": "Archive", "runtime": "external"})["id"]
    with contextlib.closing(sqlite3.connect(home / "molecule.db")) as database:
        database.execute(
            """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
               INSERT INTO activity_logs (id, workspace_id, activity_type, method, summary, request_body, status, created_at)
               SELECT printf('00000000-0000-4000-8000-%012x', i), ?, 'a2a_receive', 'message/send', 'Row ' || i,
                      '{"text":"What a message of the archive looks like, row ' || i || '"}', 'ok',
                      strftime('%Y-%m-%dT%H:%M:%S.000000Z', 1700000000 + i, 'unixepoch')
               FROM n""",
            (ROWS, workspace),
        )
        database.commit()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def line(what, times, budget):
    median = statistics.median(times)
    verdict = "reached" if median <= budget else "MISSED"
    print(
        f"{what:<28} median {median:6.0f} ms   min {min(times):6.0f}   max {max(times):6.0f}"
        f"   (budget {budget} ms: {verdict})",
        flush=True,
    )


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder) / "home"
        print(f"P7: from start to /health 200, {STARTS} starts each", flush=True)
        with server(program, home):
            pass  # the first start makes the database; it is not what a person meets every day
        line("empty database", starts(program, home), BUDGET_EMPTY_MS)
        memory = idle_mb(program, home)
        verdict = "reached" if memory <= BUDGET_IDLE_MB else "MISSED"
        print(f"{'idle memory':<28} {memory:13.1f} MB{'':>29}(budget {BUDGET_IDLE_MB} MB: {verdict})", flush=True)
        if len(sys.argv) > 2:
            home = pathlib.Path(sys.argv[2])
        else:
            fill(program, home)
        line(f"{ROWS:,} activity rows", starts(program, home), BUDGET_FULL_MS)


if __name__ == "__main__":
    main()
