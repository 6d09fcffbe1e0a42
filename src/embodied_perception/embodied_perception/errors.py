"""The errors of the package: one base, one subclass a folder.

A message says what was got, what was expected, and what mends it.
"""


class PerceptionError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(PerceptionError):
    """A parameter has a value that makes no sense; the message names the parameter."""


class FrameError(PerceptionError):
    """An image cannot be decoded or does not fit its camera."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class SourceError(PerceptionError):
    """A folder of photos, a video or a camera cannot be read; the message names it."""


class GeometryError(PerceptionError):
    """A rigid transform is malformed, or a look-up in the transform tree has no answer."""


class CameraError(PerceptionError):
    """A camera's calibration is missing, malformed, or used outside of its domain."""


class FeatureError(PerceptionError):
    """A kind of feature or a vocabulary is asked for that there is not."""


class InferenceError(PerceptionError):
    """A model cannot be found, loaded or run; the message names file and key."""


class OpenVocabularyError(PerceptionError):
    """Words make no vocabulary, or a model cannot take them; the message names the word."""


class OdometryError(PerceptionError):
    """Odometry was asked for something that it cannot do."""


class BagError(PerceptionError):
    """A recording or dataset cannot be read or written; the message names file and topic."""


class EvaluationError(PerceptionError):
    """Two results cannot be compared."""
