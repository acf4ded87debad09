"""Many problems on the same data: paths, folds, leave-one-out."""
