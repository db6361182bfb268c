"""ROOM 2: what it means. A machine and the catalog of its release to a census. Pure."""
