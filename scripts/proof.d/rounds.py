"""Runs cargo-mutants over exactly the mutants that are given to it."""

import json
import os
import pathlib
import shutil
import subprocess
import time

from sample import CRATES, read

CAUGHT, MISSED, TIMEOUT, UNVIABLE = "CaughtMutant", "MissedMutant", "Timeout", "Unviable"
# The suites that see the program from outside. The others of tests/ look at the source, at the window or at peers
# that would have to be installed.
BLACK_BOX = ("server", "agents", "reliability", "vault")


class Rounds:
    """One run's copy of the tree, with its target folder and the logs of cargo-mutants in `logs`."""

    def __init__(self, tree, place):
        self.tree, self.logs = tree, place / "logs"
        build = place / "build"
        self.environment = os.environ | {
            "CARGO_TARGET_DIR": str(build),
            # The smallest change is built forty times: with what was built before, and without what debuggers need.
            "CARGO_INCREMENTAL": "1",
            "CARGO_PROFILE_DEV_DEBUG": "none",
            "NEXTEST_PROFILE": "proof",
            "MOLECULE_BIN": str(build / "debug" / "molecule"),
            # No test writes what it should have found.
            "INSTA_UPDATE": "no",
        }
        shutil.rmtree(self.logs, ignore_errors=True)
        self.logs.mkdir(parents=True)

    def mutants(self):
        """All mutants of the crates."""
        packages = [f"--package=molecule-{crate}" for crate in CRATES]
        listed = subprocess.run(
            ["cargo", "mutants", "--config", ".config/mutants.toml", "--list", "--json", *packages],
            cwd=self.tree, check=True, capture_output=True,
        ).stdout
        return read(json.loads(listed), self.tree)

    def try_out(self, title, mutants, *tests):
        """What became of each mutant, by its name, under the tests that `tests` tell cargo to run."""
        if not mutants:
            return {}
        logs = self.logs / title.replace(" ", "-")
        logs.mkdir()
        print(f"\nproof: {len(mutants)} {title}", flush=True)
        timeout = max(120, 5 * self.without_a_change(logs / "unchanged.log", tests))
        lines = logs / "lines.diff"
        lines.write_text(diff_of(mutants, self.tree))
        command = [
            "cargo", "mutants", "--config", ".config/mutants.toml", "--in-place", "--baseline=skip", f"--timeout={timeout}",
            "--colors=never", "--caught", "--unviable", f"--output={logs}", f"--in-diff={lines}",
            *[f"--package=molecule-{crate}" for crate in sorted({mutant.crate for mutant in mutants})],
            *[f"--test-{test[2:]}" if test.startswith("--package=") else f"--cargo-arg={test}" for test in tests],
            *[f"--re=^{escaped(mutant.name)}$" for mutant in mutants],
        ]  # fmt: skip
        code = subprocess.run(command, cwd=self.tree, env=self.environment, stdin=subprocess.DEVNULL).returncode
        # 2: some were missed. 3: some stood still.
        if code not in (0, 2, 3):
            raise SystemExit(f"proof: cargo-mutants ended with code {code}; its logs are in {logs}")
        outcomes = json.loads((logs / "mutants.out" / "outcomes.json").read_text())["outcomes"]
        found = {one["scenario"]["Mutant"]["name"]: one["summary"] for one in outcomes}
        lost = [mutant.name for mutant in mutants if mutant.name not in found]
        if lost:
            raise SystemExit("proof: cargo-mutants did not try " + ", ".join(lost))
        return found

    def without_a_change(self, log, tests):
        """The seconds that the tests take; they have to pass. cargo-mutants itself would choose other packages."""
        began = 0
        with log.open("w") as output:
            for step in (["--no-run"], []):
                began = time.monotonic()
                command = ["cargo", "nextest", "run", *tests, *step]
                run = subprocess.run(
                    command, cwd=self.tree, env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
                )
                if run.returncode != 0:
                    raise SystemExit(f"proof: the tests fail without a change; see {log}")
        return int(time.monotonic() - began)

    def own_tests(self, crate, mutants):
        """With the tests of the crate itself. Of the platform with its unit tests: the suites take longer to build."""
        chosen = ["--lib"] if crate == "platform" else []
        return self.try_out(f"of {crate} by its own tests", mutants, f"--package=molecule-{crate}", *chosen)

    def platform_suites(self, mutants):
        """With the suites of the platform, which stands on all other crates."""
        suites = ["--test=messaging", "--test=workspaces"]
        return self.try_out("by the suites of the platform", mutants, "--package=molecule-platform", *suites)

    def black_box_tests(self, mutants):
        """With the suites that start the program."""
        suites = [f"--test={suite}" for suite in BLACK_BOX]
        return self.try_out("by the black-box suites", mutants, "--package=molecule-desktop", *suites)


def escaped(text):
    """The text as a regular expression that matches it alone.

    >>> print(escaped("a.rs:1:2: replace f -> Vec<u8> with vec![1 + 1]"))
    a\\.rs:1:2: replace f \\-> Vec<u8> with vec!\\[1 \\+ 1\\]
    """
    return "".join(f"\\{letter}" if letter in r"\.+*?()|[]{}^$#&-~" else letter for letter in text)


def diff_of(mutants, tree):
    """A diff that adds the line of each mutant: cargo-mutants 27 minds no name where a field is left out, but lines."""
    diff = []
    for file in sorted({mutant.file for mutant in mutants}):
        text = (tree / file).read_text().split("\n")
        diff += [f"--- a/{file}", f"+++ b/{file}"]
        for before, number in enumerate(sorted({mutant.number for mutant in mutants if mutant.file == file})):
            diff += [f"@@ -{number - 1 - before},0 +{number},1 @@", f"+{text[number - 1]}"]
    return "\n".join(diff) + "\n"


def checkout():
    """The folder that holds the whole product."""
    return pathlib.Path(__file__).resolve().parents[2]
