"""The runtime of the functions: settings from the environment, wiring, logging and metrics of invocations."""
