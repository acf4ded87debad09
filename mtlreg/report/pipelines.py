"""The steps from a table to a fit, as a pipeline and as the code that makes it."""

from pprint import pformat
from textwrap import indent

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mtlreg import estimators
from mtlreg.report.tables import MAX_CATEGORIES, PARQUET

# what the tasks of a stem share
SHARES = {
    "MeanRegularized": "their mean",
    "GroupLasso": "their features",
    "TraceNorm": "a subspace",
    "DirtyModel": "some of their features",
}


def preprocessing(table):
    """Return the transformer of the features; the task column passes through."""
    X = table.X.drop(columns=[table.task_column] if table.task_column else [])
    numbers = X.select_dtypes("number").columns
    others = X.columns.difference(numbers)
    many = np.array([_has_many(X[name]) for name in others], dtype=bool)
    texts = [("texts", _text_encoder(), others[many])] if many.any() else []
    return ColumnTransformer(
        [
            (
                "numbers",
                make_pipeline(
                    SimpleImputer(strategy="median", keep_empty_features=True),
                    StandardScaler(),
                ),
                numbers,
            ),
            (
                "categories",
                make_pipeline(
                    OneHotEncoder(handle_unknown="ignore", sparse_output=False),
                    StandardScaler(),
                ),
                others[~many],
            ),
            *texts,
        ],
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")


def _has_many(column):
    return column.nunique() > MAX_CATEGORIES


def _text_encoder():
    """Return the encoder of columns of many texts, by parts of words.

    Its columns fall off in size, those of the least parts to that of the rounding: they
    stay as they are, since the units of these would be of no meaning.
    """
    try:
        from skrub import ApplyToCols, StringEncoder
    except ImportError as error:
        raise ImportError(
            f"columns of more than {MAX_CATEGORIES} texts need skrub, which is not "
            f"installed: pip install 'mtlreg[report]', or --drop them"
        ) from error
    return ApplyToCols(StringEncoder(random_state=0))


def search(table, stem, n_strengths, tol):
    """Return the pipeline that prepares the features and chooses the strengths."""
    kind = "Classifier" if table.classifier else "Regressor"
    model = getattr(estimators, f"{stem}{kind}CV")(
        alphas=n_strengths, tol=tol, task_column=table.task_column
    )
    return make_pipeline(preprocessing(table), model)


def strengths(model):
    """Return the strengths that a fitted search has chosen, by name."""
    names = type(model)._model_class._strengths
    return {name: float(getattr(model, f"{name}_")) for name in names}


_DAYS = """

def days(X):
    \"\"\"Return dates as numbers of days, NaN where they are missing.\"\"\"
    start, day = pd.Timestamp(0, tz="UTC"), pd.Timedelta(days=1)
    return X.apply(
        lambda x: (pd.to_datetime(x, format="ISO8601", utc=True) - start) / day
    )
"""

_TEXT = """

def text(X):
    \"\"\"Return categories as strings.\"\"\"
    return X.astype(object).fillna("missing").astype(str)
"""

_CODE = """\
import pandas as pd
from mtlreg import {estimator}
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import {classes}
{encoder}

frame = pd.{reader}({path!r})
{rows}
{columns}
{functions}

model = make_pipeline(
    ColumnTransformer(
        [
{steps}
        ],
        verbose_feature_names_out=False,
    ).set_output(transform="pandas"),
    {estimator}(
{parameters}
    ),
)
model.fit(frame, frame[{target!r}])
"""

_STEP = """\
(
    "{name}",
    make_pipeline(
{parts}
    ),
    {name},
),"""

_ENCODER = "from skrub import ApplyToCols, StringEncoder\n"
_NAMED = 'FunctionTransformer({}, feature_names_out="one-to-one"),\n'
_SCALED = 'SimpleImputer(strategy="median"),\nStandardScaler(),'
_PARTS = {
    "numbers": _SCALED,
    "dates": f"{_NAMED.format('days')}{_SCALED}",
    "categories": f"""{_NAMED.format("text")}\
OneHotEncoder(handle_unknown="ignore", sparse_output=False),
StandardScaler(),""",
    "texts": f"""{_NAMED.format("text")}\
ApplyToCols(StringEncoder(random_state=0)),""",
}


def code(table, path, model):
    """Return the code that reads the file and fits the pipeline as it was found best.

    Parameters
    ----------
    table : Table
    path : Path
    model : fitted search
    """
    columns = {name: held for name, held in kinds(table).items() if held}
    as_text = bool({"categories", "texts"} & {*columns})
    functions = ["FunctionTransformer"] * (as_text or "dates" in columns)
    functions += ["OneHotEncoder"] * ("categories" in columns)
    steps = [
        _STEP.format(name=name, parts=indent(_PARTS[name], 8 * " ")) for name in columns
    ]
    parameters = strengths(model) | {"tol": model.tol}
    parameters = {name: _number(value) for name, value in parameters.items()}
    targets, rows = list(table.targets), ""
    if table.task_column is not None:
        steps.append(f'("task", "passthrough", [{table.task_column!r}]),')
        parameters["task_column"] = repr(table.task_column)
        (targets,) = table.targets
        rows = f"frame = frame.dropna(subset={[table.task_column, targets]!r})\n"
    return _CODE.format(
        estimator=type(model)._model_class.__name__,
        classes=", ".join([*functions, "StandardScaler"]),
        reader="read_parquet" if path.suffix in PARQUET else "read_csv",
        path=str(path),
        encoder=_ENCODER * ("texts" in columns),
        rows=rows,
        columns="\n".join(_assigned(*column) for column in columns.items()),
        functions=_DAYS * ("dates" in columns) + _TEXT * as_text,
        steps=indent("\n".join(steps), 12 * " "),
        parameters="\n".join(
            f"        {name}={value}," for name, value in parameters.items()
        ),
        target=targets,
    )


def kinds(table):
    """Return the names of the features that were read as each kind of column."""
    found = {"numbers": [], "dates": [], "categories": [], "texts": []}
    for name in table.X.columns.drop([table.task_column] * bool(table.task_column)):
        if pd.api.types.is_numeric_dtype(table.frame[name]):
            found["numbers"].append(name)
        elif pd.api.types.is_numeric_dtype(table.X[name]):
            found["dates"].append(name)
        else:
            kind = "texts" if _has_many(table.X[name]) else "categories"
            found[kind].append(name)
    return found


def _assigned(name, values):
    text = pformat(values, width=84 - len(name), compact=True)
    return f"{name} = {text}".replace("\n", "\n" + " " * (len(name) + 3))


def _number(value):
    return f'float("{value}")' if value == float("inf") else repr(float(value))
