"""What a caller can ask for, one verb a file. Time, ids and stores come in as arguments."""
