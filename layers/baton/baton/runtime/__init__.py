"""How a function is put together: settings from the environment, wiring, HTTP and logging."""
