"""ROOM 5: what lands on a cluster of a release: recording rules, alerts, manifests, and the words with them."""
