"""The use cases, one per file, each named by a verb. Clocks, stores and other adapters are arguments."""
