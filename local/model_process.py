"""The program of the model server's process: llama.cpp with its OpenAI-compatible server.

Nothing has to be saved, so SIGTERM has its default action: the process ends immediately, even during an answer.
"""

import os
import signal

import xllamacpp

CONTEXT_TOKENS = 4096


def serve() -> None:
    threads = int(os.environ["MODEL_THREADS"])
    params = xllamacpp.CommonParams()
    params.model.path = os.environ["MODEL_FILE"]
    params.model_alias = {os.environ["MODEL_NAME"]}
    params.hostnames = [os.environ["MODEL_HOST"]]
    params.port = int(os.environ["MODEL_PORT"])
    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = 1  # requests queue; in parallel, each would get only a part of the context and of the speed
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.cache_prompt = False  # so that the same prompt and seed produce the same answer
    params.cache_ram_mib = 0
    params.cors_origins = "localhost"  # web pages of other origins can't read from it
    params.offline = True
    params.ui = False
    server = xllamacpp.Server(params)
    print(f"Serving at {server.listening_address}", flush=True)  # noqa: T201 - its output is the log
    while True:
        signal.pause()


if __name__ == "__main__":
    serve()
