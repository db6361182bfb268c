"""`python -m layercensus`, the same program as `layercensus`."""

import sys

from layercensus.cli import main

if __name__ == "__main__":
    sys.exit(main())
