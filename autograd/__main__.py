"""``python -m autograd`` is the console command ``payback``."""

import sys

from autograd.cli import main

if __name__ == "__main__":
    sys.exit(main())
