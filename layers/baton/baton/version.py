"""Which Baton this is; everything else that says so reads it here."""

VERSION = "0.1.0"
