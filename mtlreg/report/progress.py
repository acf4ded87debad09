"""How far long work has come, on stderr."""

import contextlib
import itertools
import sys


@contextlib.contextmanager
def progress(n_steps):
    """Yield a function that tells of every step on stderr before it is taken."""
    try:
        from rich.console import Console
        from rich.progress import Progress
    except ImportError:
        Console = None
    steps = itertools.count()
    if Console is None or not sys.stderr.isatty():
        yield lambda text: sys.stderr.write(f"[{next(steps)}/{n_steps}] {text}\n")
        return
    console = Console(stderr=True)
    with Progress(console=console, transient=True, redirect_stdout=False) as bar:
        job = bar.add_task("", total=n_steps)
        yield lambda text: bar.update(job, completed=next(steps), description=text)
