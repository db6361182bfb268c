"""What the page shows, worked out before any markup: figures and their place in the report, geometry, findings."""
