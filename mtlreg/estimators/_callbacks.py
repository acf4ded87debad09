"""Callbacks of scikit-learn 1.9; before, a context to which nobody listens."""

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stand-in without `set_callbacks`."""

        def _init_callback_context(self, **options):
            return _SilentContext()

    class _SilentContext:
        def subcontext(self, **options):
            return self

        def call_on_fit_task_begin(self, **state):
            return self

        def call_on_fit_task_end(self, **state):
            return False

    def with_callbacks(method):
        """Return the method as it is."""
        return method


__all__ = ["CallbackSupportMixin", "with_callbacks"]
