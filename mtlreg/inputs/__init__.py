"""User input, checked once, becomes plain arrays."""
