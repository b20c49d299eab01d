"""The three tables: their keys, their items, and one store for each."""
