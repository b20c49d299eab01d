"""HTTP: the requests and answers of the API, and which error becomes which status."""
