"""Room 8: what it answers. A pure estimator, the report it fills, and renderers that yield text, JSON, CSV and HTML."""
