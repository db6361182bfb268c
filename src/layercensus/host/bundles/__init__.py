"""Support bundles, sosreports and must-gathers: which members matter, and the machines that they show."""
