"""Room 10: what if. A fleet that never was, with a truth that is known: what a report of it must find."""
