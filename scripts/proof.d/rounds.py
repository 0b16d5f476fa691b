"""Runs cargo-mutants over exactly the mutants that are given to it."""

import json
import os
import pathlib
import shutil
import subprocess

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

    def try_out(self, title, mutants, *options):
        """What became of each mutant, by its name, when the tests that `options` choose were run on it."""
        if not mutants:
            return {}
        logs = self.logs / title.replace(" ", "-")
        logs.mkdir()
        lines = logs / "lines.diff"
        lines.write_text(diff_of(mutants, self.tree))
        crates = sorted({mutant.crate for mutant in mutants})
        command = [
            "cargo", "mutants", "--config", ".config/mutants.toml", "--in-place", "--colors", "never", "--caught",
            "--unviable", "--output", str(logs), f"--in-diff={lines}",
            *[f"--package=molecule-{crate}" for crate in crates], *options,
        ]  # fmt: skip
        command += [f"--re=^{escaped(mutant.name)}$" for mutant in mutants]
        code = subprocess.run(command, cwd=self.tree, env=self.environment, stdin=subprocess.DEVNULL).returncode
        # 2: some were missed. 3: some stood still. Else the tests fail without a change, or nothing was tried at all.
        if code not in (0, 2, 3):
            raise SystemExit(f"proof: cargo-mutants ended with code {code}; its logs are in {logs}")
        outcomes = json.loads((logs / "mutants.out" / "outcomes.json").read_text())["outcomes"]
        found = {one["scenario"]["Mutant"]["name"]: one["summary"] for one in outcomes if one["scenario"] != "Baseline"}
        lost = [mutant.name for mutant in mutants if mutant.name not in found]
        if lost:
            raise SystemExit("proof: cargo-mutants did not try " + ", ".join(lost))
        return found

    def own_tests(self, crate, mutants):
        """With the tests of the crate itself. Of the platform with its unit tests: the suites take longer to build."""
        chosen = ["--cargo-arg=--lib"] if crate == "platform" else []
        return self.try_out(f"{crate} by its own tests", mutants, *chosen)

    def platform_suites(self, mutants):
        """With the suites of the platform, which stands on all other crates."""
        chosen = ["--cargo-arg=--test=messaging", "--cargo-arg=--test=workspaces"]
        return self.try_out("by the platform's suites", mutants, "--test-package=molecule-platform", *chosen)

    def black_box_tests(self, mutants):
        """With the suites that start the program."""
        chosen = [f"--cargo-arg=--test={suite}" for suite in BLACK_BOX]
        return self.try_out("by the black-box tests", mutants, "--test-package=molecule-desktop", *chosen)


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
