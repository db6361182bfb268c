"""ROOM 4: the agent on a node. Looks at the host in short-lived children, keeps the last good facts, serves bytes."""
