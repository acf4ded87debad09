"""A page on a table: does sharing help, where, how much, and the code of the best fit.

``python -m mtlreg report --help`` says how to have one.
"""
