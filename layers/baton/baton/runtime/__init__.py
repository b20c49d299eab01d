"""The runtime of the functions: settings from the environment, wiring and logging."""
