"""ROOM 9: from local layers to an image. Censuses in; a plan, a Containerfile, a MachineOSConfig out. Pure."""
