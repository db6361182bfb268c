"""ROOM 1: what is on this machine. Text or bytes to `model.Machine`; nothing here judges."""
