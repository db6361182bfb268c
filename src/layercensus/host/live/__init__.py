"""This host, or one seen below a root: files, ostree objects and the rpm database, unprivileged and read-only."""
