"""What the page shows, worked out before any markup: figures with their place in the JSON report, geometry, findings."""
