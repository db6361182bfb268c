"""Room 7: how it is kept. Rows, Parquet storage (a door), SQL questions and the engine that runs them (a door)."""
