"""The comparison of benchmarks/compare.py, on small tables and on refused ones."""

import importlib
import pathlib
import subprocess
import sys
from datetime import date

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from mtlreg.datasets import make_multitask_classification, make_multitask_regression
from mtlreg.report.progress import progress
from mtlreg.report.tables import make_table, read_features

BENCHMARKS = pathlib.Path(__file__).parents[1] / "benchmarks"
SMALL = ["--folds", "2", "--strengths", "2", "--tol", "1e-4"]
SEPARATE = "separate fits"
POOLED = "pooled fit"
DUMMIES = "pooled, task dummies"
BOOSTING = "gradient boosting"
USUAL = {SEPARATE, POOLED, DUMMIES, BOOSTING}
MULTI_TASK = {"MeanRegularized", "GroupLasso", "TraceNorm", "DirtyModel"}


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("compare")


@pytest.fixture
def parts(script):
    return lambda name: importlib.import_module(f"_comparison.{name}")


@pytest.fixture
def run(script, tmp_path):
    def run(*arguments):
        out = tmp_path / "out"
        compared = script.main([*map(str, arguments), *SMALL, "--out", str(out)])
        return compared, out

    return run


@pytest.fixture
def refused(script, tmp_path, capsys):
    """Return what the script says when it refuses its arguments."""

    def refused(*arguments):
        with pytest.raises(SystemExit) as stop:
            script.main([*map(str, arguments), *SMALL, "--out", str(tmp_path / "out")])
        assert stop.value.code == 2
        return capsys.readouterr().err

    return refused


def people(n_rows=64):
    """A table with numbers, categories and missing entries, four towns as tasks."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "town": rng.permutation(np.repeat(["a", "b", "c", "d"], n_rows // 4)),
            "age": rng.normal(40, 10, n_rows),
            "member": rng.random(n_rows) < 0.5,
            "plan": rng.choice(["free", "paid"], n_rows),
        }
    )
    frame["spent"] = frame["age"] / 10 + 2 * (frame["plan"] == "paid")
    frame["spent"] += rng.normal(size=n_rows)
    frame["bought"] = np.where(frame["spent"] > frame["spent"].median(), "yes", "no")
    frame.loc[[3, 8], "age"] = np.nan
    frame.loc[5, "plan"] = None
    return frame


@pytest.fixture
def csv(tmp_path):
    def csv(frame):
        path = tmp_path / "people.csv"
        frame.to_csv(path, index=False)
        return path

    return csv


@pytest.fixture
def npz(tmp_path):
    def npz(**arrays):
        path = tmp_path / "arrays.npz"
        np.savez(path, **arrays)
        return path

    return npz


def cells(path):
    """Return the cells of the written table, by the name of the method."""
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    return {
        row[0].strip().removeprefix("mtlreg "): [cell.strip(" *") for cell in row[1:]]
        for row in rows[2:]
    }


def numbers(cell, separator):
    return np.array([float(number) for number in cell.split(separator)])


def check_report(compared, out):
    """The written numbers are those of the results, whatever order they came in."""
    [(table, results)] = compared
    written, details = cells(out / "comparison.md"), cells(out / "details.md")
    assert set(written) == set(details) == set(results)
    base = results[SEPARATE].fold_scores
    for name, result in results.items():
        score, change, wins, _ = written[name]
        scores = np.array(result.scores)
        fold_scores = np.nanmean(scores, axis=1)
        mean = fold_scores.mean()
        assert float(score) == pytest.approx(mean, rel=5.1e-4, abs=5.1e-4)
        if name != SEPARATE:
            difference = mean - base.mean()
            if not table.classifier:
                difference *= 100 / base.mean()
            assert float(change.rstrip(" %")) == pytest.approx(difference, abs=0.051)
            better = fold_scores > base if table.classifier else fold_scores < base
            assert wins == f"{better.sum()} of {len(base)}"
        score, sd, sd_difference, spread, strengths, gap = details[name]
        expected = mean, fold_scores.std(ddof=1), (fold_scores - base).std(ddof=1)
        found = [float(cell) for cell in (score, sd, sd_difference)]
        np.testing.assert_allclose(found, expected, atol=5.1e-5)
        by_task = scores[:, np.isfinite(scores).any(axis=0)]
        expected = np.quantile(np.nanmean(by_task, axis=0), [0.1, 0.9])
        np.testing.assert_allclose(numbers(spread, "to"), expected, atol=5.1e-4)
        chosen = [numbers(cell, "/") for cell in strengths.split(", ")]
        for cell, strength in zip(chosen, result.strengths, strict=True):
            assert set(cell) == {float(f"{value:.2g}") for value in strength.values()}
        if name in MULTI_TASK | {SEPARATE, POOLED}:
            assert float(gap) == pytest.approx(result.gap, rel=0.5)
            assert 0 <= result.gap <= 1e-4
        else:
            assert gap == "-"
        assert result.seconds > 0
    picture = imread(out / "comparison.png")
    assert min(picture.shape[:2]) > 200
    assert len(np.unique(picture[..., :3])) > 20


def test_regression_from_csv(run, csv):
    path = csv(people(256))
    compared, out = run(
        *("--table", path, "--target", "spent", "--task", "town", "--drop", "bought")
    )
    [(table, results)] = compared
    check_report(compared, out)
    assert set(results) == USUAL | MULTI_TASK
    assert (table.n_tasks, table.n_features) == (4, 3)
    said = (out / "comparison.md").read_text(encoding="utf-8")
    assert "error (RMSE, unit of spent)" in said
    # nothing but noise of variance 1 is left where the features explain the target
    assert results[POOLED].fold_scores.mean() < 1.3 < table.y.std()


def test_classification_from_parquet(run, tmp_path):
    path = tmp_path / "people.parquet"
    people().astype({"town": "category"}).to_parquet(path)
    compared, out = run(
        *("--table", path, "--target", "bought", "--task", "town", "--drop", "spent")
    )
    [(table, results)] = compared
    check_report(compared, out)
    assert table.classifier
    assert np.all(np.array(results[POOLED].scores) >= 0)
    assert results[POOLED].fold_scores.mean() > 0.7


def test_task_with_one_class_has_no_score(run, csv):
    frame = people()
    frame.loc[frame["town"] == "b", "bought"] = "no"
    compared, out = run(
        *("--table", csv(frame), "--target", "bought", "--task", "town"),
        *("--drop", "spent"),
    )
    check_report(compared, out)
    [(table, results)] = compared
    said = (out / "comparison.md").read_text(encoding="utf-8")
    assert "- tasks of one class only, not scored: 1\n" in said
    task_b = table.codes[table.X["town"] == "b"][0]
    for result in results.values():
        missing = np.isnan(np.array(result.scores))
        assert missing[:, task_b].all()
        assert missing.sum() == len(result.scores)


def test_what_is_left_out_is_named(run, csv, capsys):
    frame = people().assign(notes=np.nan)
    frame["day"] = pd.date_range("2024-03-01", periods=64).astype(str)
    frame["id"] = [f"n{i}" for i in range(64)]
    frame.loc[[0, 1], "spent"] = np.nan
    frame.loc[2, "town"] = None
    frame.loc[4, "day"] = None
    [(table, _)], out = run(
        *("--table", csv(frame), "--target", "spent", "--task", "town"),
        *("--drop", "bought"),
    )
    assert len(table.y) == 61
    assert "notes" not in table.X
    days = np.arange(3.0, 64.0) - 3
    days[1] = np.nan
    np.testing.assert_array_equal(table.X["day"], days)
    said = (out / "comparison.md").read_text(encoding="utf-8")
    assert said in capsys.readouterr().out
    assert "- left out 3 rows without town or spent" in said
    assert "- left out column 'notes': it is empty" in said
    assert "- column 'day' holds dates: taken as days since 2024-03-04" in said
    assert "- column 'id' holds 61 different texts" in said


def test_small_tasks_train_without_a_score(run, csv):
    frame = people(128)
    few = frame[frame["town"] == "d"].iloc[:3]
    one = frame.iloc[[0]].assign(town="e")
    frame = pd.concat([frame[frame["town"] != "d"], few, one])
    compared, out = run(
        *("--table", csv(frame), "--target", "spent", "--task", "town"),
        *("--drop", "bought"),
    )
    check_report(compared, out)
    [(table, results)] = compared
    assert (len(table.y), table.n_tasks) == (100, 5)
    for result in results.values():
        scores = pd.DataFrame(result.scores, columns=pd.unique(table.X["town"]))
        assert set(scores.columns[scores.notna().all()]) == {"a", "b", "c"}
        assert scores[["d", "e"]].isna().all(axis=None)
    said = (out / "comparison.md").read_text(encoding="utf-8")
    assert "- tasks of fewer than 4 rows, not scored: 2\n" in said
    assert "- tasks that are scored: 3 of 5; the others are used in training\n" in said


def test_several_targets_are_the_tasks(run, csv):
    frame = people()
    frame["saved"] = -1000 * frame["spent"]
    compared, out = run(
        *("--table", csv(frame), "--target", "spent", "saved", "--drop", "town")
    )
    check_report(compared, out)
    [(_, results)] = compared
    assert set(results) == {SEPARATE, BOOSTING} | MULTI_TASK
    said = (out / "comparison.md").read_text(encoding="utf-8")
    assert "error (RMSE / sd of target)" in said
    # the same target in another unit
    spent, saved = np.array(results[SEPARATE].scores).T
    np.testing.assert_allclose(spent, saved, rtol=1e-8)


def test_stacked_arrays(run, npz):
    data = make_multitask_classification(
        n_tasks=3, n_samples=40, n_features=5, random_state=0
    )
    X = np.where(np.arange(data.X.size).reshape(data.X.shape) % 50 == 0, np.nan, data.X)
    compared, out = run("--npz", npz(X=X, y=data.y, tasks=data.tasks, unused=[1]))
    check_report(compared, out)
    assert compared[0][0].n_tasks == 3


@pytest.mark.parametrize(
    "make", [make_multitask_classification, make_multitask_regression]
)
def test_shared_arrays_with_missing_targets(run, npz, make):
    data = make(
        n_tasks=3,
        n_samples=60,
        n_features=5,
        shared_X=True,
        missing=0.2,
        random_state=0,
    )
    compared, out = run("--npz", npz(X=data.X, Y=data.y))
    check_report(compared, out)
    assert compared[0][0].classifier == (make is make_multitask_classification)


def test_classes_are_one_task_each(run, npz):
    rng = np.random.default_rng(0)
    label = np.arange(45) % 3
    X = rng.normal(size=(45, 4)) + 2 * label[:, None]
    compared, out = run(
        *("--npz", npz(X=X, label=label), "--target", "label", "--classes")
    )
    check_report(compared, out)
    assert compared[0][0].y.sum(axis=1).tolist() == [1.0] * 45


@pytest.mark.slow
def test_default_tables(script, tmp_path):
    compared = script.main(["--folds", "3", "--tol", "1e-4", "--out", str(tmp_path)])
    said = " ".join((tmp_path / "comparison.md").read_text(encoding="utf-8").split())
    conclusions = [text.split(":")[0] for text in said.split("Conclusion: ")[1:]]
    assert conclusions == ["sharing helps"] * 2 + ["mtlreg is not needed here"] * 3
    shapes = [(table.n_tasks, table.classifier) for table, _ in compared]
    assert shapes == [(30, False), (10, True), (60, False), (2, False), (10, True)]


def test_every_fold_has_its_share_of_tasks_and_classes(parts):
    table = make_table("people", people(), ["bought"], "town", False)
    folds = parts("nested").deal(table.y, table.codes, 3, 0)
    rows = np.concatenate([test for _, test in folds])
    np.testing.assert_array_equal(np.sort(rows), np.arange(64))
    for train, test in folds:
        assert not set(train) & set(test)
        for code in range(4):
            for label in (0, 1):
                count = np.sum((table.codes == code) & (table.y == label))
                here = np.sum((table.codes[test] == code) & (table.y[test] == label))
                assert count // 3 <= here <= -(-count // 3)


@pytest.mark.parametrize("missing", [[], ["rich.console", "rich.progress"]])
def test_progress_is_told_with_and_without_rich(monkeypatch, capsys, missing):
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress(2) as announce:
        announce("first")
        announce("second")
    told = capsys.readouterr()
    assert "second" in told.err
    assert (told.err == "[0/2] first\n[1/2] second\n") == bool(missing)
    assert told.out == ""


def test_nullable_columns():
    table, plain = (
        make_table("people", frame.drop(columns="bought"), ["spent"], "town", False)
        for frame in (people().convert_dtypes(), people())
    )
    np.testing.assert_array_equal(table.y, plain.y)
    kinds = table.X.drop(columns="town").dtypes.astype(str).to_dict()
    assert kinds == plain.X.drop(columns="town").dtypes.astype(str).to_dict()
    np.testing.assert_array_equal(table.X["age"], plain.X["age"])


def test_same_seed_same_scores(run, csv):
    arguments = "--target", "spent", "--task", "town", "--drop", "bought"
    path = csv(people())
    scores = [
        np.array(
            [
                r.scores
                for r in run("--table", path, *arguments, *seed)[0][0][1].values()
            ]
        )
        for seed in ([], [], ["--seed", "1"])
    ]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "weight", "--task", "town"], "no column ['weight']"),
        (["--target", "spent", "--task", "city"], "no column ['city']"),
        (["--target", "spent", "--task", "town", "--drop", "x"], "no column ['x']"),
        (["--target", "plan", "--task", "age"], "2 folds in every task: none has 4"),
        (["--target", "name", "--task", "town"], "'name' holds neither numbers nor"),
        (["--target", "spent"], "one target without tasks"),
        (["--target", "spent", "age", "--task", "town"], "several targets are the"),
        (["--target", "one", "--task", "town"], "'one' has one value only"),
        (["--target", "spent", "--task", "one"], "has one task only"),
        (["--task", "town"], "--table needs --target"),
        (["--target", "spent", "--task", "town", "--folds", "1"], "at least 2, got 1"),
    ],
)
def test_refused_tables(refused, csv, arguments, message):
    frame = people().assign(one=1, name=[f"n{i}" for i in range(64)])
    assert message in refused("--table", csv(frame), *arguments)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "no such file"),
        ("empty.csv", b"", "cannot read"),
        ("notes.txt", b"a,b\n1,2\n", "neither .csv nor .parquet"),
        ("bad.parquet", b"not a table", "cannot read"),
    ],
)
def test_refused_files(refused, tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    answer = refused("--table", path, "--target", "y", "--task", "t")
    assert message in answer
    assert name in answer


def test_unreadable_arrays(refused, tmp_path):
    path = tmp_path / "bad.npz"
    path.write_bytes(b"PK\x03\x04 is no archive")
    assert "cannot read" in refused("--npz", path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": np.ones((8, 2))}, "needs arrays X and y"),
        ({"X": np.ones((8, 2)), "y": np.arange(7)}, "with as many rows"),
        ({"X": np.ones(8), "y": np.arange(8)}, "X must be 2-D"),
        ({"X": np.ones((8, 2)), "y": np.arange(8)}, "one target without tasks"),
        (
            {"X": np.ones((8, 2)), "y": np.arange(8), "tasks": np.arange(7)},
            "tasks must be an array of shape (8,)",
        ),
        (
            {"X": np.ones((8, 2)), "y": np.arange(8), "tasks": np.arange(8) % 2},
            "no feature that varies",
        ),
        (
            {
                "X": np.arange(16.0).reshape(8, 2),
                "y": np.arange(8.0),
                "tasks": np.arange(8) % 2 + 0.5,
            },
            "non-integer",
        ),
    ],
)
def test_refused_arrays(refused, npz, arrays, message):
    assert message in refused("--npz", npz(**arrays))


@pytest.mark.parametrize(
    "values",
    [
        pd.date_range("2020-01-01", periods=3, tz="Europe/Paris").insert(1, pd.NaT),
        ["2020-01-01", None, "2020-01-02 00:00", "2020-01-03T00:00:00"],
        [date(2020, 1, 1), None, date(2020, 1, 2), date(2020, 1, 3)],
    ],
)
def test_dates_are_days(values):
    X = read_features(pd.DataFrame({"x": values}), notes := [])
    np.testing.assert_array_equal(X["x"], [0.0, np.nan, 1.0, 2.0])
    assert len(notes) == 1


@pytest.mark.parametrize("values", [["1999", "2000"], ["3-4", "5-6"], ["may", "june"]])
def test_texts_are_no_dates(values):
    X = read_features(pd.DataFrame({"x": values}), notes := [])
    assert X["x"].tolist() == values
    assert notes == []


def test_arguments_are_read_before_imports():
    """Those of numpy and what is built on it take seconds."""
    code = (
        "import sys; sys.argv = ['compare.py', *sys.argv[1:]]; import compare\n"
        "try: compare.main()\n"
        "except SystemExit: print(*sys.modules)"
    )
    for arguments in (["--help"], ["--task", "x", "--folds", "1"], ["--table", "none"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=BENCHMARKS,
            capture_output=True,
            text=True,
            check=True,
        )
        loaded = set(done.stdout.splitlines()[-1].split())
        assert "argparse" in loaded
        assert not loaded & {"numpy", "pandas", "sklearn", "matplotlib", "mtlreg"}
