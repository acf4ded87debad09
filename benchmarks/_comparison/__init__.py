"""The parts of compare.py; it imports them only once its arguments are read."""
