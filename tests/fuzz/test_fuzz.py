"""Half a minute of the fuzz; ``python -m tests.fuzz`` runs more of it."""

import pytest

from tests.fuzz.run import run

SHARES = 3
NUMBERS = {"fit": 30, "cv": 4, "options": 15}


@pytest.mark.slow
@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("kind", NUMBERS)
def test_nothing_is_wrong(kind, share):
    number = NUMBERS[kind]
    found = {
        seed: run(kind, seed) for seed in range(share * number, (share + 1) * number)
    }
    failures = [
        f"python -m tests.fuzz --case {kind}:{seed}: {outcome.detail}"
        for seed, outcome in found.items()
        if outcome.kind == "FAILURE"
    ]
    assert not failures, "\n".join(failures)
    # a generator of what is refused would test nothing
    refused = sum(outcome.kind == "refused" for outcome in found.values())
    assert refused <= number // 2
