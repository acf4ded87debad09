"""The parts of the speed board: problems, judge, competitors, clock and report."""
