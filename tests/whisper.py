"""A Whisper model of random weights in CTranslate2's form: it hears nothing, and says some words of its own."""

from pathlib import Path

import numpy as np

WORDS = ("lost", "cry", "alone", "everything", "tonight")
"""All that it can say."""

_SIZE = 16
_MARKS = "endoftext startoftranscript en translate transcribe startoflm startofprev nospeech notimestamps"


def write_whisper(folder: Path) -> Path:
    """Write one: one layer, 400 KB."""
    import tokenizers
    from ctranslate2.specs.whisper_spec import WhisperSpec

    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    known = [*letters, *(f"Ġ{word}" for word in WORDS)]  # the letter by which a blank is written
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE({token: i for i, token in enumerate(known)}, []))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [f"<|{mark}|>" for mark in (*_MARKS.split(), *(f"{i / 50:.2f}" for i in range(1501)))]
    )
    n = tokenizer.get_vocab_size()

    rng = np.random.default_rng(0)

    def draw(*shape):
        return rng.normal(scale=0.3, size=shape).astype(np.float32)

    def linear(layer, n_out, n_in=_SIZE):
        layer.weight, layer.bias = draw(n_out, n_in), draw(n_out)

    def norm(layer):
        layer.gamma, layer.beta = np.ones(_SIZE, np.float32), np.zeros(_SIZE, np.float32)

    spec = WhisperSpec(1, 1, 1, 1)
    for convolution, n_in in ((spec.encoder.conv1, 80), (spec.encoder.conv2, _SIZE)):
        convolution.weight, convolution.bias = draw(_SIZE, n_in, 3), draw(_SIZE)
    spec.encoder.position_encodings.encodings = draw(1500, _SIZE)
    spec.decoder.position_encodings.encodings = draw(448, _SIZE)
    spec.decoder.embeddings.weight = draw(n, _SIZE)
    linear(spec.decoder.projection, n)
    likely = np.full(n, -30, np.float32)  # of letters; words are likelier than the marks of times
    likely[len(letters) :] = 0
    likely[len(letters) : len(known)] = 2
    spec.decoder.projection.bias = likely
    for side in (spec.encoder, spec.decoder):
        norm(side.layer_norm)
        (layer,) = side.layer
        norm(layer.self_attention.layer_norm)
        linear(layer.self_attention.linear[0], 3 * _SIZE)
        linear(layer.self_attention.linear[1], _SIZE)
        norm(layer.ffn.layer_norm)
        linear(layer.ffn.linear_0, 4 * _SIZE)
        linear(layer.ffn.linear_1, _SIZE, 4 * _SIZE)
        if side is spec.decoder:
            norm(layer.attention.layer_norm)
            for part, times in zip(layer.attention.linear, (1, 2, 1), strict=True):
                linear(part, times * _SIZE)
    spec.register_vocabulary([tokenizer.id_to_token(i) for i in range(n)])
    spec.config.suppress_ids, spec.config.suppress_ids_begin = [], []
    spec.config.lang_ids, spec.config.alignment_heads = [len(known) + 2], [[0, 0]]
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    spec.validate()
    spec.save(str(folder))
    return folder
