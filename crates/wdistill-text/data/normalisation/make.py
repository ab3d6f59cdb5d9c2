"""Writes the tables of replacements of SentencePiece's rules nmt_nfkc and nfkc.

    pip install sentencepiece==0.2.3 protobuf
    python make.py

RULE.charsmap holds the bytes that the library puts into a model as `precompiled_charsmap`.
"""

import io
import pathlib

import sentencepiece
from sentencepiece import sentencepiece_model_pb2

for rule in ["nmt_nfkc", "nfkc"]:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a dog runs", "two dogs run"]), model_writer=model, model_type="char",
        vocab_size=20, hard_vocab_limit=False, normalization_rule_name=rule, minloglevel=2,
    )
    proto = sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())
    table = proto.normalizer_spec.precompiled_charsmap
    (pathlib.Path(__file__).parent / f"{rule}.charsmap").write_bytes(table)
