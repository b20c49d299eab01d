"""A small real model on this machine: `make run-real`, `make serve-real`, `make test-real`."""
