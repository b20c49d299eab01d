"""make bench: measurements of Baton on this machine, one module per subject.

Speeds depend on the machine and on its other load, so each table has the load beside it, and what is compared is
measured alternately, in one run.
"""
