"""The one error type that a user's mistake raises: shown as a single line, never as a traceback."""


class InputError(ValueError):
    """A user's input is unusable: the message says what, where, what was expected and the remedy."""
