"""How a command ends when it does not end well, beside the errors of the library."""

from sightline.errors import SightlineError


class UsageError(SightlineError):
    """The command line cannot be understood."""


class RunFailedError(SightlineError):
    """The work was begun and failed."""

    exit_code = 1


class SaidElsewhereError(SightlineError):
    """Another process of the same work says what went wrong.

    Args:
        exit_code: of the process.
    """

    def __init__(self, *, exit_code: int) -> None:
        super().__init__("another process says why")
        self.exit_code = exit_code


class StoppedError(SightlineError):
    """A signal stopped the work, which can be continued.

    Args:
        message: what can be done.
        exit_code: of the process.
    """

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
