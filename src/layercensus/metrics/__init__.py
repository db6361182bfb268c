"""ROOM 3: how it is said. A census to JSON, to a table for people, to metric families and exposition text. Pure."""
