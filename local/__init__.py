"""The local stack: the template, deployed to an emulator on this machine (`make up`, `make down`, `make run`)."""
