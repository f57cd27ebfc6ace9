"""Models that came with earlier versions and do not any more, by hash.

Files that were made with them need them still: whoever reads such a file is told where they are.
"""

from __future__ import annotations

RETIRED = {
    "1a7e3f37a8344e83": ("hyperprior-un-1", "0.1.0"),
    "14e20c53d578e30a": ("hyperprior-sr-1", "0.1.0"),
    "09b6d63d5b734683": ("hyperprior-un-2", "0.1.0"),
    "53a5171957e6ade9": ("hyperprior-sr-2", "0.1.0"),
    "b56873dd7b650a39": ("hyperprior-un-4", "0.1.0"),
    "0a9da59ed48897ff": ("hyperprior-sr-4", "0.1.0"),
}
"""The name of each model, and the last version that it came with."""


def where_to_find(wanted: bytes) -> str:
    """What to do about a file whose model does not come with this version, for its error."""
    needed = wanted.hex()
    if needed not in RETIRED:
        return f"the file needs model {needed}, which does not come with npuq; give its model file"
    name, version = RETIRED[needed]
    return (
        f"the file needs model {needed}, the {name} of npuq {version}, which does not come with "
        f"npuq any more; give its model file (npuq/weights/{name}.npz there), or decompress with "
        f"npuq {version}"
    )
