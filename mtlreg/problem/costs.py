"""The model of the machine: prices and limits by which one way is taken, not another.

Ways that lead to the same result are compared by what they take in multiply-adds of the
plain loops of an epoch; ``docs/cost.md`` has the counts, and these numbers in a table.
How a loop is cut so that it stays in the cache is its own affair, no choice of a way.
"""

# Multiply-adds that a library makes in the time of one of a plain loop
BLAS = 2  # on the few rows of A that a Newton step takes
BLAS_BY_MEMORY = 4  # the same where an epoch waits for the columns of many rows
BLAS_OF_SHARED = 4  # on Gram matrices of dense columns that all tasks share,
BLAS_OF_OWN = 8  # and on those of tasks with dense rows of their own
BLAS_OF_PRODUCTS = 10  # where the other way reads X once for a product

# Multiply-adds that take no time, or that other work is worth
ROW = 20  # to solve for one entry of a row, beside reading its column
CHEAP_EPOCH = 500_000  # of an epoch that takes no longer than a gap check
SMALL_SPAN = 1e6  # to be saved, or making another problem takes longer
SMALL_SPECTRUM = 1e7  # of a spectrum that is taken whatever it saves
# of one product, from which on it gets several threads: beside another process that
# computes, those of a library wait for each other, spinning. `benchmarks/threads.py`
# measures what they gain on an idle machine and lose on a busy one.
THREADED_WORK = 4e9

# What is still to come, as far as can be known before
EXPECTED_EPOCHS = 40  # on a working set, for Gram matrices at the price of loops
PRODUCTS_LEFT = 10  # with the data, when the first working set was too small
STEPS_ON_ONE_FACE = 4  # of Newton's method, where the face holds all moves,
STEPS_BETWEEN_FACES = 16  # and where it does not
STEPS_FOR_MOMENTUM = 64  # that epochs have to be worth for momentum to be given up

# Bytes; beyond, what is quicker does not fit beside the data of other processes
MOST_BYTES = 2**30  # of matrices that are made to save time: Gram matrices, a basis
KEPT_BYTES = 2**26  # of the matrices that a fitted model holds for its covariances
DIRECT_BYTES = 2**31  # of the matrices of a direct solver; beyond, FISTA does without
COPIED_BYTES = 2**28  # of columns that are written out for one Newton step
STATISTICS_COPIES = 5  # of the sums of a table, which a fit of these holds at most

# Sizes up to which compiled passes over all tasks beat a call of a library a task
GRAMS_AT_ONCE = 64  # features, to multiply with each other
FACTORS_AT_ONCE = 48  # equations, to factorise and solve

# Sizes beyond which a cube, or a loop, takes longer than going about it
DIRECT_FEATURES = 3000  # of the matrices of a direct solver, for the same reason
DENSE_SPECTRUM = 1000  # of a matrix whose eigenvalues are all taken, not the largest
KERNEL_ROWS = 1000  # of all tasks, whose kernel is factorised as a preconditioner
BLOCK_RANK = 64  # of factors that have a block of the preconditioner for each task
FEW_WEIGHTS = 16  # sets of weights, one Gram matrix after the other
GATHERED_SHARE = 1 / 3  # of the rows of a matrix: fewer are faster multiplied apart
GRAMS_BY_SAMPLES = 0.75  # of the samples of a task: for fewer rows its Gram matrix
