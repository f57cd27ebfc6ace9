"""The errors that npuq raises on bad input; each message names the culprit and says what to do."""

from __future__ import annotations


class NpuqError(Exception):
    """Base of every error that a user can cause and mend."""


class InvalidImageError(NpuqError, ValueError):
    """The image is not what the operation takes (shape, dtype, size)."""


class InvalidFileError(NpuqError, ValueError):
    """Base of everything that can be wrong with a compressed file."""


class NotNpuqFileError(InvalidFileError):
    """The data does not begin like a compressed file of ours."""


class UnsupportedVersionError(InvalidFileError):
    """The file was written by a newer format than this library reads."""


class TruncatedFileError(InvalidFileError):
    """The data ends before the file does."""


class CorruptFileError(InvalidFileError):
    """A checksum does not match, or bytes follow the end of the file."""


class ModelError(NpuqError):
    """A model file is missing, damaged, or not one of ours."""


class WrongModelError(ModelError):
    """The file was made with another model than the one at hand."""


class InvalidArrayError(NpuqError, ValueError):
    """The array, or its scales or means, is not what the operation takes (shape, dtype, values)."""


class TablesError(NpuqError, ValueError):
    """Tables cannot be made, or a file of them is missing, damaged, or not one of ours."""


class WrongTablesError(TablesError):
    """The array was coded with other tables, or other scales, than those at hand."""


class TargetError(NpuqError, ValueError):
    """No file of the image is as small as was asked for."""


class MissingDependencyError(NpuqError, ImportError):
    """An optional package is needed; the message names the extra that brings it."""


class DeviceError(NpuqError, TypeError):
    """Arrays of two devices meet in one call; the message says which to move."""


class NoDeviceError(NpuqError, RuntimeError):
    """A CUDA device was asked for and cannot be used; the message says what is missing."""


class SettingError(NpuqError, ValueError):
    """An environment variable of ours has a value that it cannot have."""


class TrainingError(NpuqError):
    """Training cannot start or go on (no images, foreign checkpoint, diverged)."""


class RankError(NpuqError):
    """Processes at one work are not alike, or one has failed or gives no answer (`npuq.ranks`)."""


class CheckError(NpuqError, ValueError):
    """What was given to `npuq.check` cannot be judged: not found, or no function of the list."""


def missing_dependency(
    what: str, package: str, extra: str, error: ImportError
) -> MissingDependencyError:
    """The error that says why an optional package could not be imported.

    Args:
        what: needs the package.
        package: its name.
        extra: of npuq, that brings it.
        error: what its import raised; a package that is there may fail to load, for want of
            memory or of a library.
    """
    if isinstance(error, ModuleNotFoundError):
        return MissingDependencyError(f"{what} needs {package}: pip install 'npuq[{extra}]'")
    return MissingDependencyError(f"{what} needs {package}, which cannot be loaded: {error}")
