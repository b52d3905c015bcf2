"""The errors that are the user's to mend: one line, exit code 2, no traceback."""


class UserError(Exception):
    """Something the user gave (a setting, a file, a path) cannot be used.

    The message is one or a few lines that say what was expected, what came and the remedy. A job prints it
    without a traceback and ends with exit code 2.
    """


class ConfigError(UserError):
    """The settings are wrong: unknown keys, wrong types or impossible combinations, all of them in one message."""


class DoesNotFit(UserError):
    """The run would take more memory than there is, or than `machine.memory_gb` allows."""


class DataError(UserError):
    """The input data cannot be used: unreadable, empty selection, too many rejected rows."""
