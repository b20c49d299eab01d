"""make serve-real: serve the real model until Ctrl-C."""

from rich.console import Console

from local import terminal
from local.problem import Problem
from local.real.server import ModelServer


def serve(console: Console) -> None:
    with ModelServer() as server:
        console.print(f"{server.llm.model} answers at {server.llm.base_url} until Ctrl-C. In another terminal:")
        console.print(f"  make run LLM_BASE_URL={server.llm.base_url} LLM_MODEL={server.llm.model}", soft_wrap=True)
        server.wait()
        raise Problem(f"The model server has ended by itself; its log may say why: {server.log}")


if __name__ == "__main__":
    terminal.end(serve)
