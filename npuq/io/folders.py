"""Which files of a folder are pictures."""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from npuq.errors import InvalidImageError

READ_SUFFIXES = frozenset(
    {
        ".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm", ".pgm", ".pbm", ".pnm", ".tif", ".tiff",
        ".gif", ".avif", ".jp2", ".j2k",
    }
)  # fmt: skip
"""What `list_images` takes for an image, by name; `read_image` goes by the contents."""


def list_images(folder: str | os.PathLike[str]) -> list[Path]:
    """The image files in a folder and its subfolders, by suffix, sorted by path.

    Symbolic links are followed; a folder that several paths lead to is listed once. Hidden files
    and folders (a leading dot) are left out, and links that lead nowhere, with a warning.

    Raises:
        InvalidImageError: there is no such folder, or no image in it, or one cannot be listed.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InvalidImageError(f"{folder}: there is no such folder")
    files = []
    for entry in _entries(folder):
        if entry.suffix.lower() in READ_SUFFIXES and entry.is_file():
            files.append(entry)
        elif entry.is_symlink() and not entry.exists():
            warnings.warn(f"{entry}: is a link that leads nowhere; left out", stacklevel=2)
    if not files:
        raise InvalidImageError(
            f"{folder}: holds no images (files that end in {', '.join(sorted(READ_SUFFIXES))})"
        )
    # by parts, not by string: the order must not depend on the system's path separator
    return sorted(files, key=lambda file: file.relative_to(folder).parts)


def _entries(folder: Path) -> Iterator[Path]:
    """Everything in a folder and in those below it, each of them once, without what is hidden.

    Links to folders come last: what can be reached without them keeps its own path.
    """
    folders, links, seen = deque([folder]), deque[Path](), set()
    while folders or links:
        place = folders.popleft() if folders else links.popleft()
        try:
            status = place.stat()
            if (status.st_dev, status.st_ino) in seen:  # one that contains itself would never end
                continue
            seen.add((status.st_dev, status.st_ino))
            entries = sorted(entry for entry in place.iterdir() if entry.name[0] != ".")
        except OSError as error:
            raise InvalidImageError(f"{place}: cannot be listed ({error.strerror})") from error
        for entry in entries:
            yield entry
            if entry.is_dir():
                (links if entry.is_symlink() else folders).append(entry)
