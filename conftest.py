"""The Python blocks of some pages run as tests, in order and in one namespace each."""

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser()],
    patterns=[
        "README.md",
        "docs/large.md",
        "docs/cluster.md",
        "docs/database.md",
        "docs/new_tasks.md",
        "docs/seeing.md",
        "docs/workflows.md",
    ],
).pytest()
