"""Random fits and cross-validations, judged in extended precision.

python -m tests.fuzz --seed 1 --fits 1000 --cvs 50 --options 500
python -m tests.fuzz --seed 1 --stem Clustered
python -m tests.fuzz --case fit:1000017
"""

import argparse
import collections
import sys
import time

from threadpoolctl import threadpool_limits

from tests.fuzz.draw import STEMS
from tests.fuzz.run import run

SEEDS = 1_000_000


def main(arguments=None):
    """Run cases, print failures and counts; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fits", type=int, default=200)
    parser.add_argument("--cvs", type=int, default=10)
    parser.add_argument("--options", type=int, default=100)
    parser.add_argument("--stem", choices=STEMS, help="of all, by default random ones")
    parser.add_argument("--case", metavar="KIND:SEED", help="run one case again")
    options = parser.parse_args(arguments)
    first = SEEDS * options.seed
    cases = [("fit", first + k) for k in range(options.fits)]
    cases += [("cv", first + k) for k in range(options.cvs)]
    cases += [("options", first + k) for k in range(options.options)]
    if options.case:
        kind, _, seed = options.case.partition(":")
        cases = [(kind, int(seed))]
    counts, start = collections.Counter(), time.perf_counter()
    with threadpool_limits(1):
        for kind, seed in cases:
            outcome = run(kind, seed, options.stem)
            named = outcome.kind if outcome.kind != "refused" else ": ".join(outcome)
            counts[kind, named] += 1
            if outcome.kind == "FAILURE":
                stem = f" --stem {options.stem}" if options.stem else ""
                line = f"python -m tests.fuzz --case {kind}:{seed}{stem}"
                print(f"{line}\n    {outcome.detail}", flush=True)
    for (kind, named), number in sorted(counts.items()):
        print(f"{number:7d}  {kind}  {named}")
    print(f"{len(cases)} cases, {time.perf_counter() - start:.0f} s")
    return 1 if any(named == "FAILURE" for _, named in counts) else 0


if __name__ == "__main__":
    sys.exit(main())
