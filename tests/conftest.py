"""Hypothesis settings; when tests marked ``data`` and ``nightly`` run."""

from hypothesis import settings

from tests.datafiles import data_folder

# the same examples in every run; compiling a kernel may take any example seconds
settings.register_profile("mtlreg", derandomize=True, deadline=None)
settings.load_profile("mtlreg")


def pytest_collection_modifyitems(config, items):
    if "nightly" in config.option.markexpr:
        return
    now, later = [], []
    for item in items:
        (later if item.get_closest_marker("nightly") else now).append(item)
    items[:] = now
    config.hook.pytest_deselected(items=later)


def pytest_runtest_setup(item):
    if item.get_closest_marker("data"):
        data_folder()


def pytest_terminal_summary(terminalreporter):
    def count(*outcomes):
        reports = (r for name in outcomes for r in terminalreporter.stats.get(name, []))
        return sum("data" in getattr(report, "keywords", ()) for report in reports)

    ran, skipped = count("passed", "failed", "error"), count("skipped")
    terminalreporter.write_line(f"data tests: {ran} run, {skipped} skipped")
