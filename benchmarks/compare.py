"""Compare multi-task estimators with what one would use without them.

Without a table: tables generated under a stated model, and real ones of scikit-learn.
All methods choose their strengths inside the training part of an outer fold, on the
same folds.
"""

import argparse
import pathlib


def main(argv=None):
    """Run the comparison; return one ``(table, results)`` for each table."""
    parser, options = read_options(argv)
    # slow to import: arguments are checked before
    from _comparison.tables import read_tables

    try:
        tables = read_tables(options)
        from _comparison import report
        from _comparison.nested import compare, n_steps

        from mtlreg.report.progress import progress

        print(report.legend(options.folds))
        compared = []
        for table in tables:
            with progress(n_steps(table, options.folds)) as announce:
                results = compare(
                    table,
                    folds=options.folds,
                    n_strengths=options.strengths,
                    tol=options.tol,
                    seed=options.seed,
                    announce=announce,
                )
            compared.append((table, results))
            print(report.section(table, results))
    except ValueError as error:
        parser.error(str(error))
    print(report.write(compared, options))
    return compared


def read_options(argv):
    """Return the parser, for its errors, and the options."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--table", metavar="FILE", type=file, help="CSV, Parquet")
    source.add_argument(
        "--npz",
        metavar="FILE",
        type=file,
        help="arrays X, y and tasks, or X and a 2-D Y (NaN: not observed)",
    )
    parser.add_argument(
        "--target",
        metavar="COL",
        nargs="+",
        help="target of --table, several: one task each; array of --npz if not Y or y",
    )
    parser.add_argument("--task", metavar="COL", help="column (array) of task labels")
    parser.add_argument(
        "--drop", metavar="COL", nargs="+", default=[], help="columns to leave out"
    )
    parser.add_argument(
        "--classes",
        action="store_true",
        help="the numbers in the target are classes (two values always are)",
    )
    parser.add_argument(
        "--full", action="store_true", help="more rows, folds, strengths"
    )
    parser.add_argument("--folds", type=at_least_two, help="default: 5, with --full 10")
    parser.add_argument("--strengths", type=at_least_two, help="default: 10 or 50")
    parser.add_argument("--tol", type=float, default=1e-6, help="of every fit")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=pathlib.Path,
        default=pathlib.Path(__file__).parent / "results",
        help="where the tables, their details and the picture go",
    )
    options = parser.parse_args(argv)
    if options.table and not options.target:
        parser.error("--table needs --target, the column to predict")
    if options.target and not (options.table or options.npz):
        parser.error("--target needs --table or --npz")
    defaults = {"folds": (5, 10), "strengths": (10, 50)}
    for name, values in defaults.items():
        if getattr(options, name) is None:
            setattr(options, name, values[options.full])
    return parser, options


def at_least_two(text):
    number = int(text)
    if number < 2:
        raise argparse.ArgumentTypeError(f"must be at least 2, got {text}")
    return number


def file(text):
    path = pathlib.Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"no such file: {path}")
    return path


if __name__ == "__main__":
    main()
