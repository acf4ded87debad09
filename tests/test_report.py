"""The page of ``python -m mtlreg report``: its code, hostile tables, refusals."""

import re
import sys
from html import escape, unescape
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from mtlreg.__main__ import main
from mtlreg.inspection import transfer_report
from mtlreg.report import findings
from mtlreg.report.pipelines import search
from mtlreg.report.tables import make_table, read_frame

SMALL = ["--folds", "2", "--repeats", "1", "--strengths", "2"]
VOID = {"meta", "link", "img", "br"}


def sales(n=16):
    """All kinds of columns; a task of three rows and one class with markup in its name.

    Labels, targets and features are missing here and there, and one column is empty.
    """
    rng = np.random.default_rng(0)
    sizes = {"north": n, "south": n, "tiny <b>": 3}
    store = np.repeat([*sizes], [*sizes.values()]).astype(object)
    n_rows = len(store)
    frame = pd.DataFrame(
        {
            "store": store,
            "price": rng.normal(size=n_rows),
            "open": rng.random(n_rows) < 0.5,
            "day": pd.date_range("2024-01-01", periods=n_rows).strftime("%Y-%m-%d"),
            "kind": rng.choice(["a & b", "c", None], n_rows),
            "empty": np.nan,
        }
    )
    frame["sales"] = 2 * frame["price"] + rng.normal(size=n_rows)
    frame["bought"] = np.where(frame["sales"] > 0, "yes", "no")
    frame.loc[frame["store"] == "tiny <b>", "bought"] = "no"
    frame.loc[::7, "price"] = np.nan
    frame.loc[::9, "day"] = None
    frame.loc[4, "store"] = None
    frame.loc[20, ["sales", "bought"]] = np.nan, None
    return frame


def write(frame, path):
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    return path


class Page(HTMLParser):
    """Tags and their addresses; every tag has to be closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.inside, self.found, self.addresses = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)
        self.addresses += [v for k, v in attrs if k in ("src", "href", "srcset")]
        if tag == "table":
            assert ("div", "box tall") in self.open
        if tag not in VOID:
            self.open.append((tag, dict(attrs).get("class")))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag


def report(*arguments):
    """Return the findings and the page of a run; the first file is the table."""
    caught = []

    def examine(*args, **options):
        caught.append(original(*args, **options))
        return caught[-1]

    original = findings.examine
    out = arguments[1].parent / "page.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(findings, "examine", examine)
        main(["report", *map(str, arguments), "--out", str(out), *SMALL])
    return caught[0], out.read_text(encoding="utf-8")


@pytest.fixture(
    scope="module", params=[("sales", "sales.csv"), ("bought", "sales.parquet")]
)
def made(request, tmp_path_factory):
    """Return the findings, the page and the file of a run."""
    target, name = request.param
    folder = tmp_path_factory.mktemp("report")
    frame = sales().drop(columns={"sales", "bought"} - {target})
    path = write(frame, folder / name)
    return *report("--table", path, "--target", target, "--task", "store"), path


def test_the_page_stands_alone(made):
    _, text, _ = made
    page = Page(text)
    assert page.found.count("img") == 3
    assert all(address.startswith("data:") for address in page.addresses)
    assert not {"script", "iframe", "object"} & set(page.found)
    assert "url(" not in text
    assert "@import" not in text
    assert "width=device-width" in text
    assert "default-src 'none'" in text
    assert "<b>" not in text
    assert "tiny &lt;b&gt;" in text


def test_the_page_says_what_the_data_are(made):
    found, text, _ = made
    said = unescape(text)
    assert "33 rows of 3 tasks, 3 to 15 rows each" in said
    assert f"left out 2 rows without store or {found.table.target}" in said
    assert "left out column 'empty': it is empty" in said
    assert "column 'day' holds dates" in said
    assert ("1 of 3 tasks have no score" in said) == found.table.classifier
    assert "nan" not in re.sub("base64,[^']*", "", text).replace("NaN", "")
    for name, _ in found.scores():
        assert f"<td>{name}</td>" in text
    assert found.reports[found.best].conclusion in said


@pytest.mark.filterwarnings("ignore:the target has one class only")
def test_the_code_of_the_page_makes_the_best_fit(made):
    found, text, path = made
    rows = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    rows = rows[rows["store"].notna() & rows[found.table.target].notna()]
    assert_makes_the_best_fit(text, found, rows)


def assert_makes_the_best_fit(text, found, rows):
    """Assert that the code of a page predicts raw rows as its best fit does."""
    (code,) = re.findall("<pre><code>(.*?)</code></pre>", text, re.DOTALL)
    names = {}
    exec(unescape(code), names)
    model, best = names["model"], found.fits[found.best]
    method = "decision_function" if found.table.classifier else "predict"
    expected = getattr(best, method)(found.table.X)
    # both are within tol of the optimum, of which the square bounds the distance
    atol = np.sqrt(best[-1].tol) * np.std(expected)
    np.testing.assert_allclose(getattr(model, method)(rows), expected, atol=atol)
    np.testing.assert_array_equal(model[-1].tasks_, best[-1].tasks_)
    if found.table.classifier:
        assert set(model.predict(rows).ravel()) <= {"yes", "no"}


def brands(n=60):
    """Rows with a text of their own each, of which a word says what the target is."""
    rng = np.random.default_rng(0)
    brand = rng.choice(["acme", "zeta"], n)
    frame = pd.DataFrame({"store": np.arange(n) % 3, "price": rng.normal(size=n)})
    frame["item"] = [f"{word} no. {i}" for i, word in enumerate(brand)]
    frame["sales"] = frame["price"] + 5.0 * (brand == "acme") + rng.normal(size=n)
    frame.loc[[4, 9], "item"] = None
    return frame


def test_many_texts_count_by_their_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(findings, "SHARES", {"MeanRegularized": "their mean"})
    frame = brands()
    path = write(frame, tmp_path / "brands.csv")
    found, text = report("--table", path, "--target", "sales", "--task", "store")
    assert "column 'item' holds 59 different texts: encoded by the" in unescape(text)
    assert "<td>item</td><td>text</td><td>58</td>" in text
    assert_makes_the_best_fit(text, found, pd.read_csv(path))
    new = found.table.X.assign(item="acme no. 1000")
    gap = found.fits[found.best].predict(new)
    gap -= found.fits[found.best].predict(new.assign(item="zeta no. 1000"))
    assert gap.min() > 1.0


def wide():
    """A target for each of two shops, with gaps, and a row without any."""
    frame = sales().drop(columns=["store", "bought"])
    frame["other"] = frame["sales"] + np.random.default_rng(1).normal(size=len(frame))
    frame.loc[::5, "other"] = np.nan
    frame.loc[3, ["sales", "other"]] = np.nan
    return frame.rename(columns={"sales": "shop <1>"})


@pytest.mark.parametrize("classes", [False, True])
def test_several_targets_are_the_tasks(tmp_path, monkeypatch, classes):
    monkeypatch.setattr(findings, "SHARES", {"GroupLasso": "their features"})
    frame, names = wide(), ["shop <1>", "other"]
    if classes:
        signs = frame[names].gt(0).replace({True: "yes", False: "no"})
        frame[names] = signs.where(frame[names].notna())
    path = write(frame, tmp_path / "wide.csv")
    targets = ["--target", names[0], "--target", names[1]]
    found, text = report("--table", path, *targets)
    assert Page(text).found.count("img") == 3
    said = unescape(text)
    assert "<h1>2 targets: does sharing help?</h1>" in text
    counts = frame[names].notna().sum()
    assert f"35 rows of 2 tasks, {counts.min()} to {counts.max()} rows each" in said
    assert f"The targets hold {'two classes' if classes else 'numbers'}" in said
    assert "nan" not in re.sub("base64,[^']*", "", text).replace("NaN", "")
    for name, count in counts.items():
        assert f"<td>{escape(name)}</td><td>{count}</td>" in text
    assert ("share of yes" in said) == classes
    assert found.fits[found.best][-1].tasks_.tolist() == names
    assert_makes_the_best_fit(text, found, pd.read_csv(path))


def test_models_have_the_folds_of_the_baselines(made):
    found, _, _ = made
    table = found.table
    model = search(table, "TraceNorm", 2, 1e-5)
    alone = transfer_report(
        model, table.X, table.y, cv=2, n_repeats=1, baselines="pooled"
    )
    for name in ("model", "pooled"):
        losses = found.reports["TraceNorm"].losses[name]
        np.testing.assert_allclose(losses, alone.losses[name], rtol=1e-6)


def test_rows_of_the_same_name_in_a_file(tmp_path):
    frame = pd.concat([sales(), sales()])  # whose index has every number twice
    path = write(frame, tmp_path / "sales.parquet")
    table = make_table("", read_frame(path), ["sales"], "store", False)
    assert len(table.X) == len(table.y) == len(table.frame) == 66


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main(["report", *map(str, arguments)])
    assert stop.value.code == 2
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sales": 1.0}, "'sales' has one value only: [1.0]; name another --target"),
        ({"sales": lambda f: f["store"].str.len()}, "does not vary inside any task"),
        ({"sales": [np.inf, *range(34)]}, "'sales' has infinite values: leave them"),
        ({"sales": lambda f: f.index.map("n{}".format)}, "neither numbers nor two"),
        ({"price": [np.inf, *range(34)]}, "'price' has infinite values: leave them"),
        ({"store": "north"}, "'store' has one task only"),
        ({"store": range(35)}, "no task of column 'store' has 2 rows"),
    ],
)
def test_refused_tables(tmp_path, capsys, change, message):
    path = write(sales().assign(**change), tmp_path / "sales.csv")
    given = ["--table", path, "--target", "sales", "--task", "store", *SMALL]
    assert message in refused(capsys, *given, "--out", tmp_path / "page.html")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--table": "none.csv"}, "cannot read none.csv"),
        ({"--target": "weight"}, "no column ['weight']; there are ['store', "),
        ({"--task": "city"}, "no column ['city']"),
        ({"--task": "sales"}, "'sales' is the target and the task"),
        ({"--task": None}, "name --task and one --target, or several --target"),
        ({"--folds": "2 --target price"}, "name --task and one --target, or several"),
        ({"--task": None, "--drop": "day --target sales"}, "is named twice: ['sales'"),
        ({"--drop": "city"}, "no column ['city']"),
        ({"--folds": 1}, "--folds must be at least 2, got 1"),
        ({"--out": "no/page.html"}, "no such folder: no; create it"),
        ({"--out": "."}, "--out . is a folder"),
    ],
)
def test_refused_arguments(tmp_path, capsys, change, message):
    path = write(sales(), tmp_path / "sales.csv")
    given = {"--table": path, "--target": "sales", "--task": "store"} | change
    given = [(name, *str(value).split(" ")) for name, value in given.items() if value]
    assert message in refused(capsys, *(text for words in given for text in words))


@pytest.mark.parametrize("name", ["pandas", "matplotlib"])
def test_what_is_not_installed_is_named(monkeypatch, capsys, name):
    monkeypatch.setitem(sys.modules, name, None)
    said = refused(capsys, "--table", "a.csv", "--target", "y", "--task", "t")
    assert f"a report needs {name}, which is not installed: pip install" in said


def test_texts_without_skrub(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "skrub", None)
    path = write(brands(), tmp_path / "brands.csv")
    said = refused(capsys, "--table", path, "--target", "sales", "--task", "store")
    assert "more than 30 texts need skrub, which is not installed: pip install" in said
