"""The real template on an emulator, on this machine: `make up`, `make down`, `make run`."""
