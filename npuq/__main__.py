"""`python -m npuq` is the command `npuq`."""

from __future__ import annotations

import sys

from npuq.cli import main

if __name__ == "__main__":
    sys.exit(main())
