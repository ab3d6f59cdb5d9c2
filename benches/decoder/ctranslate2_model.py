"""Writes a wdistill model folder as a CTranslate2 model whose words are the token ids as text.

The end token and the decoder's start are told apart by name, everything else by number.
"""

import tomllib
from pathlib import Path

import numpy as np
from ctranslate2.specs import common_spec, transformer_spec
from safetensors.numpy import load_file

ACTIVATIONS = {
    "relu": common_spec.Activation.RELU,
    "swish": common_spec.Activation.SWISH,
    "gelu": common_spec.Activation.GELU,
}


def positions(table, width, count):
    """The table that wdistill calls `marian`, or `tensor2tensor`."""
    half = width // 2
    last = {"marian": half, "tensor2tensor": half - 1}[table]
    angles = np.arange(count)[:, None] / 10000 ** (np.arange(half) / last)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def linear(spec, weights, *names):
    spec.weight = np.concatenate([weights[f"{name}.weight"] for name in names])
    spec.bias = np.concatenate([weights[f"{name}.bias"] for name in names])


def norm(spec, weights, name):
    spec.gamma = weights[f"{name}.gain"]
    spec.beta = weights[f"{name}.shift"]


def feed_forward(spec, weights, name):
    linear(spec.linear_0, weights, f"{name}.up")
    linear(spec.linear_1, weights, f"{name}.down")
    norm(spec.layer_norm, weights, f"{name}_norm")


def self_attention(spec, weights, name):
    linear(spec.linear[0], weights, f"{name}.query", f"{name}.key", f"{name}.value")
    linear(spec.linear[1], weights, f"{name}.output")
    norm(spec.layer_norm, weights, f"{name}_norm")


def cross_attention(spec, weights, name):
    linear(spec.linear[0], weights, f"{name}.query")
    linear(spec.linear[1], weights, f"{name}.key", f"{name}.value")
    linear(spec.linear[2], weights, f"{name}.output")
    norm(spec.layer_norm, weights, f"{name}_norm")


def convert(folder, output, quantization=None):
    """Reads a model folder and writes CTranslate2's."""
    config = tomllib.loads((Path(folder) / "config.toml").read_text())
    shape, words = config["architecture"], config["vocabularies"]
    if shape["norm"] != "post":
        raise SystemExit(f"{folder}: expected post-norm")
    weights = load_file(Path(folder) / "model.safetensors")
    common = {
        "pre_norm": False,
        "activation": ACTIVATIONS[shape["activation"]],
    }
    encoder = transformer_spec.TransformerEncoderSpec(
        shape["encoder"]["layers"], shape["encoder"]["heads"], **common
    )
    decoder = transformer_spec.TransformerDecoderSpec(
        shape["decoder"]["layers"], shape["decoder"]["heads"], **common
    )
    spec = transformer_spec.TransformerSpec(encoder, decoder)
    source = weights["embeddings.source"]
    target = weights.get("embeddings.target", source)
    spec.encoder.embeddings[0].weight = source
    spec.decoder.embeddings.weight = target
    spec.decoder.projection.weight = weights.get("embeddings.output", target)
    if "embeddings.output_bias" in weights:
        spec.decoder.projection.bias = weights["embeddings.output_bias"]
    scaled = shape["embedding_scale"] == "square-root-of-width"
    for stack, name in ((spec.encoder, "encoder"), (spec.decoder, "decoder")):
        stack.scale_embeddings = scaled
        stack.position_encodings.encodings = positions(
            shape["positions"], shape[name]["width"], 1024
        )
        for number, layer in enumerate(stack.layer):
            place = f"{name}.layers.{number}"
            self_attention(layer.self_attention, weights, f"{place}.self_attention")
            if name == "decoder":
                cross_attention(layer.attention, weights, f"{place}.cross_attention")
            feed_forward(layer.ffn, weights, f"{place}.feed_forward")
    spec.register_source_vocabulary([str(number) for number in range(words["source"])])
    spec.register_target_vocabulary([str(number) for number in range(words["target"])])
    # Where the decoder starts from zeros, its first token is a name without a meaning.
    start = words["decoder_start"]
    spec.decoder.start_from_zero_embedding = start == "zero-vector"
    start = words["target_end"] if start == "zero-vector" else start
    spec.config.bos_token = str(start)
    spec.config.decoder_start_token = str(start)
    spec.config.eos_token = str(words["target_end"])
    spec.config.unk_token = str(words["target_end"])
    spec.validate()
    spec.optimize(quantization=quantization)
    Path(output).mkdir(parents=True, exist_ok=True)
    spec.save(str(output))
