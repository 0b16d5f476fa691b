"""Draws the mutants of a date, tries them and gives the verdict. scripts/proof says how it is called."""

import collections
import datetime
import os
import time

from rounds import CAUGHT, MISSED, TIMEOUT, UNVIABLE, Rounds, checkout
from sample import CRATES, draw
from survivors import named
from tree import synchronise

# The share of viable mutants that has to be caught.
WANTED = 0.85


def try_all(rounds, drawn, excused):
    """What became of each drawn mutant, and which tests decided: the nearest first, the slow ones for what is left."""
    fate = {}

    def note(found):
        fate.update(found)
        return [mutant for mutant in drawn if fate.get(mutant.name) == MISSED and str(mutant) not in excused]

    left = []
    for crate in CRATES:
        left = note(rounds.own_tests(crate, [mutant for mutant in drawn if mutant.crate == crate]))
    left = note(rounds.platform_suites(left))
    note(rounds.black_box_tests(left))
    return fate


def report(drawn, fate, excused):
    """Prints the table and what survived, and answers whether the tests bite."""
    kinds = {"caught": CAUGHT, "missed": MISSED, "timeout": TIMEOUT, "unviable": UNVIABLE}
    print(f"\n{'crate':<10}" + "".join(f"{kind:>10}" for kind in kinds))
    for crate in [*CRATES, "all"]:
        count = collections.Counter(fate[mutant.name] for mutant in drawn if crate in (mutant.crate, "all"))
        print(f"{crate:<10}" + "".join(f"{count[name]:>10}" for name in kinds.values()))
    # The last count is that of all. Tests that stand still are ended by nextest and fail: a timeout is caught too.
    caught, viable = count[CAUGHT] + count[TIMEOUT], count.total() - count[UNVIABLE]
    survivors = [mutant for mutant in drawn if fate[mutant.name] == MISSED]
    unnamed = [mutant for mutant in survivors if str(mutant) not in excused]
    for mutant in survivors:
        print(f"\nmissed: {mutant.name}\n  {excused.get(str(mutant), f'not named in docs/mutants.md: - {mutant}: why')}")
    share = caught / viable if viable else 1.0
    print(f"\nproof: {caught} of {viable} viable mutants caught, {share * 100:.0f} % (wanted: {WANTED * 100:.0f} %)")
    return share >= WANTED or not unnamed


def main():
    date = os.environ.get("PROOF_DATE") or datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    datetime.date.fromisoformat(date)
    root = checkout()
    place = root / os.environ.get("CARGO_TARGET_DIR", "target") / "proof"
    tree = place / "tree"
    synchronise(root, tree)
    rounds = Rounds(tree, place)
    everything = rounds.mutants()
    drawn = draw(everything, date, int(os.environ.get("PROOF_COUNT", "40")))
    drawn = [mutant for mutant in drawn if os.environ.get("PROOF_ONLY", "") in mutant.name]
    print(f"proof: {len(drawn)} of {len(everything)} mutants, drawn by PROOF_DATE={date}", flush=True)
    for mutant in drawn:
        print(f"  {mutant.name}", flush=True)
    excused = named((root / "docs" / "mutants.md").read_text())
    for stale in excused.keys() - {str(mutant) for mutant in everything}:
        print(f"proof: docs/mutants.md names what is no mutant any more: {stale}")
    if os.environ.get("PROOF_LIST") == "1":
        return
    began = time.monotonic()
    passed = report(drawn, try_all(rounds, drawn, excused), excused)
    # A loaded machine takes longer for the same work.
    took, worked = (time.monotonic() - began) / 60, sum(os.times()[2:4]) / 60
    print(f"proof: PROOF_DATE={date}, {took:.0f} min, {worked:.0f} min of one core, {'passed' if passed else 'FAILED'}")
    raise SystemExit(0 if passed else 1)


if __name__ == "__main__":
    main()
