"""P8: first page of activity, of chat history and of a search, and the list of 1,000 workspaces, with 10,000 and with
1,000,000 rows of activity.

Usage: reading.py PROGRAM [FOLDER]. With a folder, the data directory of the larger one stays there as `large`. Rows are spread over the 1,000 workspaces as on a machine that is used: half of them belong
to ten. Each question goes to one of the ten. The two servers are asked in turns; what counts is how p99 grows.
"""

import contextlib
import http.client
import pathlib
import sqlite3
import sys
import tempfile
import time

from program import admin_token, created, server

WORKSPACES, BUSY = 1_000, 10
SMALL, LARGE = 10_000, 1_000_000
ROUNDS, CALLS = 5, 60
TARGET = 2
WORDS = ["harvest", "ledger", "meadow", "copper", "lantern", "orchard", "signal", "velvet", "winter", "yonder"]
# A word of one row in a thousand, one of most rows, and one of none.
SEARCHES = {"rare word": "quetzal", "common word": "copper", "no such word": "xylophone"}


def fill(program, home, rows):
    """Workspaces, rows, and the index of them, which the server feeds itself."""
    with server(program, home) as (_, port, _):
        created(port, admin_token(home), {"name": "Root", "runtime": "external"})
    with contextlib.closing(sqlite3.connect(home / "molecule.db")) as database:
        names = ", ".join(row[1] for row in database.execute("PRAGMA table_info(workspaces)") if row[1] not in ("id", "name"))
        database.execute(
            f"""WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
                INSERT INTO workspaces (id, name, {names})
                SELECT printf('00000000-0000-4000-8000-%012x', i), 'Agent ' || i, {names}
                FROM n, (SELECT * FROM workspaces LIMIT 1)""",
            (WORKSPACES,),
        )
        ids = [row[0] for row in database.execute("SELECT id FROM workspaces ORDER BY rowid")]
        database.executemany(
            """INSERT INTO activity_logs (id, workspace_id, activity_type, source_id, method, summary, request_body,
                   response_body, duration_ms, status, created_at)
               VALUES (?, ?, 'a2a_receive', ?, 'message/send', 'message/send', ?, ?, 5, 'ok', ?)""",
            messages(ids, rows),
        )
        database.commit()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        last = database.execute("SELECT max(seq) FROM activity_logs").fetchone()[0]
    began = time.perf_counter()
    with server(program, home):
        while indexed(home) < last:
            time.sleep(0.5)
    seconds = time.perf_counter() - began
    share = (home / "search.db").stat().st_size / (home / "molecule.db").stat().st_size
    print(f"{rows:>9,} rows indexed in {seconds:6.1f} s, pauses included; the index has {share:.2f} of the database's size", flush=True)
    return ids[:BUSY]


def messages(ids, rows):
    """Rows as a proxied message leaves them; the same ones at each run."""
    seed = 1
    for i in range(rows):
        seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        pick = seed >> 33
        of = ids[pick // 2 % BUSY] if pick & 1 else ids[BUSY + pick // 2 % (len(ids) - BUSY)]
        words = " ".join(WORDS[(pick >> shift) % len(WORDS)] for shift in range(0, 24, 2))
        if pick % 1000 == 7:
            words += " quetzal"
        source = None if pick % 3 == 0 else ids[pick % BUSY]
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(1_700_000_000 + i))
        asked = f'{{"params":{{"message":{{"role":"user","messageId":"m{i}","parts":[{{"kind":"text","text":"{words}"}}]}}}}}}'
        said = f'{{"result":{{"kind":"message","parts":[{{"kind":"text","text":"Done: {words}"}}]}}}}'
        yield (f"10000000-0000-4000-8000-{i:012x}", of, source, asked, said, f"{at}.{i % 1_000_000:06d}Z")


def indexed(home):
    """How far the server has come with its index."""
    with contextlib.suppress(sqlite3.Error):
        with contextlib.closing(sqlite3.connect(f"file:{home / 'search.db'}?mode=ro", uri=True)) as index:
            return index.execute("SELECT seq FROM upto").fetchone()[0]
    return 0


def questions(ids):
    """What is asked, by name, of each of the busy workspaces."""
    asked = {
        "activity, first page": "/workspaces/{}/activity?limit=100",
        "chat history, first page": "/workspaces/{}/activity?type=a2a_receive&source=canvas&limit=100",
    }
    asked |= {f"search, {name}": f"/workspaces/{{}}/session-search?q={word}" for name, word in SEARCHES.items()}
    asked["list of 1,000 workspaces"] = "/workspaces"
    return {name: [path.format(of) for of in ids] for name, path in asked.items()}


def timed(port, token, paths):
    """Milliseconds of each of a round's calls, over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    times = []
    with contextlib.closing(connection):
        for call in range(CALLS):
            path = paths[call % len(paths)]
            began = time.perf_counter()
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            answer.read()
            times.append((time.perf_counter() - began) * 1000)
            if answer.status != 200:
                raise SystemExit(f"{path}: {answer.status}")
    return times


def percentile(times, share):
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    with contextlib.nullcontext(sys.argv[2]) if len(sys.argv) > 2 else tempfile.TemporaryDirectory() as folder:
        homes = {SMALL: pathlib.Path(folder) / "small", LARGE: pathlib.Path(folder) / "large"}
        print(f"P8: reading with {SMALL:,} and with {LARGE:,} rows, {ROUNDS * CALLS} calls each, in turns", flush=True)
        ids = {rows: fill(program, home, rows) for rows, home in homes.items()}
        times = {}
        with contextlib.ExitStack() as running:
            at = {rows: (running.enter_context(server(program, home))[1], admin_token(home)) for rows, home in homes.items()}
            for turn in range(ROUNDS + 1):
                for rows, (port, token) in at.items():
                    for name, paths in questions(ids[rows]).items():
                        measured = timed(port, token, paths)
                        # The first round warms the caches of both.
                        if turn > 0:
                            times.setdefault((name, rows), []).extend(measured)
        for name in questions(ids[SMALL]):
            small, large = (times[name, rows] for rows in (SMALL, LARGE))
            growth = percentile(large, 0.99) / percentile(small, 0.99)
            verdict = "reached" if growth <= TARGET else "MISSED"
            print(
                f"{name:<26} p50 {percentile(small, 0.5):6.2f} → {percentile(large, 0.5):6.2f} ms"
                f"   p99 {percentile(small, 0.99):6.2f} → {percentile(large, 0.99):6.2f} ms"
                f"   × {growth:4.2f}   (target ≤ {TARGET} ×: {verdict})",
                flush=True,
            )


if __name__ == "__main__":
    main()
