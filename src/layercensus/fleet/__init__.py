"""ROOM 6: how it arrives. Wire bytes, admitted samples, a durable inbox (a door), snapshots, rows; HTTP (doors)."""
