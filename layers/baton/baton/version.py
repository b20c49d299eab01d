"""The version of Baton. It is defined only here."""

VERSION = "0.1.0"
