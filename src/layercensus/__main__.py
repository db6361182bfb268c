"""`python -m layercensus`, the same program as `layercensus`."""

from layercensus.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
