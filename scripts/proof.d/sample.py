"""Which mutants a date draws: the same ones on every machine, and others on the next day."""

import collections
import dataclasses
import hashlib
import re

from tree import own_names

CRATES = ("model", "a2a", "store", "vault", "launcher", "platform")


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One change of the program.

    `name` is that of cargo-mutants, with line and column. `change` says the same without them and in the names of the
    person's tree, and `line` is the text of the line, whose `number` is as in the copy: so a mutant is known again after
    other lines moved it.
    """

    name: str
    crate: str
    file: str
    change: str
    line: str
    number: int

    def __str__(self):
        """As docs/mutants.md names it."""
        return f"`{self.file}` `{self.change}` at `{self.line}`"


def read(listed, tree):
    """The mutants of `cargo mutants --list --json`, in the order of the source."""
    mutants, lines = [], {}
    for one in listed:
        file, start = one["file"], one["span"]["start"]
        if file not in lines:
            lines[file] = (tree / file).read_text().split("\n")
        change = one["name"].removeprefix(f"{file}:{start['line']}:{start['column']}: ")
        crate = one["package"].removeprefix("molecule-")
        line = lines[file][start["line"] - 1]
        mutants.append(Mutant(one["name"], crate, file, quotable(change), quotable(line), start["line"]))
    return mutants


def quotable(text):
    """The text on one line, in the names of the person's tree, and without what would end a quotation.

    >>> quotable("replace f -> crate::error::plain::Result<()>\\n    with Ok(()) in `g`")
    "replace f -> AppResult<()> with Ok(()) in 'g'"
    """
    return own_names(re.sub(r"\s+", " ", text).strip().replace("`", "'"))


def shares(counts, total):
    """How many of `total` each crate gives: in proportion to its mutants, and one at least.

    >>> shares({"big": 960, "mid": 30, "small": 10}, 40)
    {'big': 38, 'mid': 1, 'small': 1}
    >>> shares({"a": 50, "b": 50}, 3)
    {'a': 2, 'b': 1}
    >>> shares({"a": 2, "b": 1}, 40)
    {'a': 2, 'b': 1}
    """
    total = min(total, sum(counts.values()))
    given = {crate: min(1, count) for crate, count in counts.items()}
    while sum(given.values()) < total:
        # The one that is furthest below its due; the larger one first where two are equally far.
        due = {crate: counts[crate] * total / sum(counts.values()) - given[crate] for crate in counts}
        open_ones = [crate for crate in counts if given[crate] < counts[crate]]
        given[max(open_ones, key=lambda crate: (due[crate], counts[crate]))] += 1
    return given


def draw(mutants, date, total):
    """The mutants of `date`, crate by crate.

    Each has a lot made of the date and of what it changes, and the lowest lots are drawn. No random generator is
    needed, and a change elsewhere in the crate leaves most of a day's sample as it was.
    """
    seen, lots = collections.Counter(), {}
    for mutant in mutants:
        key = f"{mutant.file}\n{mutant.change}\n{mutant.line}"
        seen[key] += 1
        lots[mutant] = hashlib.sha256(f"{date}\n{key}\n{seen[key]}".encode()).digest()
    drawn = []
    given = shares(collections.Counter(mutant.crate for mutant in mutants), total)
    for crate in CRATES:
        own = sorted((mutant for mutant in mutants if mutant.crate == crate), key=lots.__getitem__)
        drawn += own[: given.get(crate, 0)]
    return drawn
