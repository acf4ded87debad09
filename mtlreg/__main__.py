"""The command line: a report on a table."""

import argparse
import importlib
import pathlib
import sys


def main(argv=None):
    """Run a command; wrong arguments and tables end it with exit code 2."""
    parser, options = _read_options(argv)
    try:
        _report(options)
    except (ValueError, ImportError) as error:
        parser.error(str(error))


def _read_options(argv):
    """Return the parser of the command, for its errors, and the options."""
    parser = argparse.ArgumentParser(prog="python -m mtlreg")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    report = commands.add_parser(
        "report",
        help="does sharing help on a table? one HTML page",
        description="Write a page on a table: does sharing help, for which tasks, how "
        "much, and the code of the best fit.",
    )
    add = report.add_argument
    path = pathlib.Path
    add("--table", metavar="FILE", type=path, required=True, help="CSV or Parquet")
    add(
        "--target",
        metavar="COL",
        nargs="+",
        action="extend",
        required=True,
        help="numbers, or two classes; several are a task each, and may have gaps",
    )
    add("--task", metavar="COL", help="which task a row belongs to, of one target")
    add("--drop", metavar="COL", nargs="+", default=[], help="columns to leave out")
    for name, default, text in [
        ("out", path("report.html"), "where the page goes"),
        ("folds", 5, "parts of the rows that are left out in turn"),
        ("repeats", 2, "how often rows are dealt to the folds"),
        ("strengths", 10, "of each grid"),
        ("tol", 1e-5, "of every fit"),
        ("seed", 0, "of the folds"),
    ]:
        kind, metavar = type(default), "FILE" if name == "out" else "N"
        text += " (default: %(default)s)"
        add(f"--{name}", metavar=metavar, type=kind, default=default, help=text)
    options = parser.parse_args(argv)
    for name, least in (("folds", 2), ("repeats", 1), ("strengths", 2)):
        if (given := getattr(options, name)) < least:
            report.error(f"--{name} must be at least {least}, got {given}")
    if (options.task is None) == (len(options.target) == 1):
        report.error(
            "name --task and one --target, or several --target columns that are a task "
            "each"
        )
    return report, options


def _report(options):
    """Read the table, examine it and write the page."""
    if options.out.is_dir():
        raise ValueError(f"--out {options.out} is a folder: name a file in it")
    if not options.out.parent.is_dir():
        raise ValueError(f"no such folder: {options.out.parent}; create it for --out")
    for name in ("pandas", "matplotlib"):
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ImportError(
                f"a report needs {name}, which is not installed: "
                f"pip install 'mtlreg[report]'"
            ) from error
    # slow to import: arguments are checked before
    import matplotlib as mpl

    from mtlreg.report.findings import examine, n_steps
    from mtlreg.report.page import page
    from mtlreg.report.progress import progress
    from mtlreg.report.tables import make_table, present, read_file, read_frame

    mpl.use("Agg")
    frame = read_file(options.table, read_frame)
    frame = frame.drop(columns=present(frame, options.drop))
    table = make_table(options.table.stem, frame, options.target, options.task, False)
    with progress(n_steps()) as announce:
        findings = examine(
            table,
            folds=options.folds,
            n_repeats=options.repeats,
            n_strengths=options.strengths,
            tol=options.tol,
            seed=options.seed,
            announce=announce,
        )
    options.out.write_text(page(findings, options.table), encoding="utf-8")
    sys.stdout.write(f"Written to {options.out}\n")


if __name__ == "__main__":
    main()
