"""Request and reply formats that several providers share, streaming, and the validation of JSON answers."""
