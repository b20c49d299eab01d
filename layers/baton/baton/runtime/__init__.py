"""What a function is made of: settings from the environment, wiring and logging."""
