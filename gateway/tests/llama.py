"""A real llama.cpp server with a model of a hundred kilobytes that is made here: it says "rain " without end.

`python -m gateway.tests.llama FILE PORT` serves the model in a process of its own, so that it can be ended.
"""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy
from gguf import GGUFWriter, TokenType

from bench.ports import free_port
from gateway.tests.live import PROJECT

WORD = "rain\u2581"  # what follows each letter is the next, and after the blank the first
TEMPLATE = "{% for message in messages %}{{ message.content }} {% endfor %}"
SPECIAL = {"<unk>": TokenType.UNKNOWN, "<s>": TokenType.CONTROL, "</s>": TokenType.CONTROL}
WIDTH, HIDDEN, HEADS, CONTEXT = 64, 64, 2, 2048
START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Llama:
    """Where it listens."""

    url: str

    def is_busy(self) -> bool:
        """Whether any of its slots works on a request now."""
        return any(slot["is_processing"] for slot in httpx.get(f"{self.url}/slots", timeout=5).json())

    def becomes(self, *, busy: bool, timeout: float = 5.0) -> bool:
        """Wait until it is busy, or idle; False when it was not in time."""
        until = time.monotonic() + timeout
        while self.is_busy() != busy:
            if time.monotonic() > until:
                return False
            time.sleep(0.02)
        return True

    def catalogue(self) -> dict[str, Any]:
        """Aliases `llama`, asked as chat, and `llama-native`, asked in the dialects that it speaks itself."""
        native = ["chat", "completions", "messages", "embeddings"]
        common = {"provider": "llama", "model": "tiny", "tier": "free", "capabilities": ["tools"]}
        return {
            "providers": {
                "llama": {"upstream": "llama", "base_url": f"{self.url}/v1", "address_class": "private"}
            },
            "deployments": {"llama/chat": common, "llama/native": common | {"dialects": native}},
            "aliases": {"llama": {"routes": ["llama/chat"]}, "llama-native": {"routes": ["llama/native"]}},
        }


@contextlib.contextmanager
def llama_server(directory: Path) -> Iterator[Llama]:
    """A server with the tiny model, from the moment it answers until the block ends."""
    model, port = directory / "tiny.gguf", free_port()
    write_model(model)
    log = directory / "llama.log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "gateway.tests.llama", str(model), str(port)]
        process = subprocess.Popen(command, cwd=PROJECT, stdout=output, stderr=output)
    try:
        llama = Llama(f"http://127.0.0.1:{port}")
        wait_until_healthy(llama.url, process, log)
        yield llama
    finally:
        process.kill()  # nothing in it is worth keeping
        process.wait()


def wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until the model is loaded."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/health", timeout=5).status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError(f"llama.cpp did not start:\n{log.read_text()[-4000:]}")


def write_model(path: Path) -> None:
    """A transformer whose layer adds nothing, so that the last token alone says which comes next."""
    letters = [*dict.fromkeys(WORD), *(chr(code) for code in range(33, 127) if chr(code) not in WORD)]
    tokens = [*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), *letters]
    kinds = [*SPECIAL.values(), *[TokenType.BYTE] * 256, *[TokenType.NORMAL] * len(letters)]
    writer = GGUFWriter(path, "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(TEMPLATE)
    add_weights(writer, tokens)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_weights(writer: GGUFWriter, tokens: list[str]) -> None:
    """Each letter of the word points at the next one; every other token has no weight at all."""
    embedding = numpy.random.default_rng(1).standard_normal((len(tokens), WIDTH)).astype(numpy.float32)
    output = numpy.zeros_like(embedding)
    for letter, following in zip(WORD, WORD[1:] + WORD[0], strict=True):
        output[tokens.index(following)] = embedding[tokens.index(letter)]
    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output.weight", output)
    ones, zeros = numpy.ones(WIDTH, numpy.float32), numpy.zeros((WIDTH, WIDTH), numpy.float32)
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", ones)
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        writer.add_tensor(f"blk.0.{name}.weight", zeros)


def serve(model: str, port: int) -> None:
    """Serve the model until the process is ended. A full context is shifted, so an answer never has to end."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = model
    parameters.hostnames, parameters.port = ["127.0.0.1"], port
    parameters.n_ctx, parameters.n_parallel, parameters.ctx_shift = CONTEXT, 1, True
    parameters.cpuparams.n_threads = 1
    parameters.endpoint_slots = parameters.embedding = True
    parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
