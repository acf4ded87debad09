"""How often 95 % intervals of mixed models hold what they are for, on simulated data.

    python benchmarks/coverage.py [--sets 500]

For every design the share of rows whose mean response lies in the interval around its
prediction, of tasks that the fit has seen and of new ones, and the same of new
observations; the strengths are those of restricted maximum likelihood. The intervals
take them as known, which fewer tasks contradict.
"""

import argparse

import numpy as np

from mtlreg import MeanRegularizedRegressorCV

# tasks, rows of a task at least and at most, features, sd of intercepts, slopes, noise
DESIGNS = {
    "40 tasks": (40, 10, 10, 2, 1.0, 0.5, 1.0),
    "100 tasks, unequal": (100, 3, 20, 3, 2.0, 0.3, 1.0),
    "200 tasks, few rows": (200, 2, 4, 1, 1.0, 0.5, 2.0),
    "60 tasks, slopes alike": (60, 8, 8, 4, 1.0, 0.0, 1.0),
    "10 tasks": (10, 10, 10, 2, 1.0, 0.5, 1.0),
    "5 tasks": (5, 20, 20, 1, 1.0, 0.5, 1.0),
}
NORMAL = 1.959963984540054  # the 97.5 % quantile


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=500)
    sets = parser.parse_args().sets
    print("| design | known, mean | known, new row | new task, mean | new task, row |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for number, (name, design) in enumerate(DESIGNS.items()):
        rngs = np.random.default_rng(number).spawn(sets)
        shares = np.mean([covered(rng, *design) for rng in rngs], axis=0)
        print(f"| {name} | " + " | ".join(f"{100 * s:.1f}" for s in shares) + " |")


def covered(rng, n_tasks, fewest, most, d, intercept_sd, slope_sd, noise_sd):
    """Return the shares of rows that the four kinds of intervals hold."""
    known = np.repeat(np.arange(n_tasks), rng.integers(fewest, most + 1, n_tasks))
    new = np.arange(n_tasks, 2 * n_tasks)
    tasks = np.concatenate([known, np.arange(n_tasks), new])
    X = rng.normal(size=(len(tasks), d))
    slopes = 1.0 + slope_sd * rng.normal(size=(2 * n_tasks, d))
    intercepts = intercept_sd * rng.normal(size=2 * n_tasks)
    mean = np.sum(X * slopes[tasks], axis=1) + intercepts[tasks]
    y = mean + noise_sd * rng.normal(size=len(tasks))
    fitted = len(known)
    model = MeanRegularizedRegressorCV(
        cv="reml", task_weight="proportional", unseen_task="mean"
    ).fit(X[:fitted], y[:fitted], tasks=known)
    shares = []
    for part in (slice(fitted, fitted + n_tasks), slice(fitted + n_tasks, None)):
        for target, noise in ((mean, False), (y, True)):
            z, std = model.predict(
                X[part], tasks=tasks[part], return_std=True, noise=noise
            )
            shares.append(np.mean(np.abs(target[part] - z) <= NORMAL * std))
    return shares


if __name__ == "__main__":
    main()
