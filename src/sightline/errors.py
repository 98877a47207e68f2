"""Every error that Sightline raises on purpose."""


class SightlineError(Exception):
    """Something was asked that cannot be done; the message says what was asked, what came, and what to do."""


class ShapeError(SightlineError, ValueError):
    """A tensor has another shape than the one documented."""


class UnsupportedOperationError(SightlineError, NotImplementedError):
    """The forward pass uses an operation for which the explanation has no rule."""


class LayerNotFoundError(SightlineError, LookupError):
    """A layer was named that the model does not have, or none fits."""


class DataError(SightlineError, ValueError):
    """The data are there but are not usable as they are."""


class DataNotFoundError(SightlineError, FileNotFoundError):
    """A file or folder that the data need is not there."""


class SettingsError(SightlineError, ValueError):
    """A setting is unknown, of the wrong kind or out of its range."""


class RunError(SightlineError, RuntimeError):
    """A run folder cannot be used for what was asked."""


class MissingExtraError(SightlineError, ImportError):
    """An optional dependency is needed and not installed."""


class TimeLimitError(SightlineError, TimeoutError):
    """Something took longer than it was allowed to."""


class ExportError(SightlineError, RuntimeError):
    """A model cannot be written in a format, or the file that was written does not answer as it does."""


class ServerError(SightlineError, ConnectionError):
    """A server is away, refuses, or answers otherwise than it should; asked again later, it may do better."""

    exit_code = 1


class LostWorkError(SightlineError, RuntimeError):
    """Processes or machines that did the work have gone; what is done stays done, the rest can be asked for again."""

    exit_code = 1
