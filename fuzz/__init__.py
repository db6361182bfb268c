"""Foreign bytes into every parser, guided by coverage (`make fuzz`) and replayed in CI (`tests/properties`)."""
