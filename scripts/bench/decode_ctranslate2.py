"""Times greedy or beam search in CTranslate2, on a random model of the same shape: the peer of `regard bench decode`.

    python scripts/bench/decode_ctranslate2.py --threads 1 [the shape flags of `regard bench decode`]

The model: encoder-decoder, pre-norm with a final norm, ReLU, all embeddings and the output map tied, sinusoids; weights
are random, f32, and the length is forced, so that search does the same work whatever the tokens are. Scores are not asked
for, which in greedy search spares CTranslate2 the normalisation of the logits.

Prints one JSON object with the keys of `regard bench decode --json`.
"""

import argparse
import json
import resource
import statistics
import tempfile
import time

import ctranslate2
import numpy


def random_model(shape, random):
    """A specification with its weights: those of linear maps Xavier, those of embeddings normal."""
    spec = ctranslate2.specs.TransformerSpec.from_config(
        (shape.layers, shape.layers), shape.n_heads, pre_norm=True, activation=ctranslate2.specs.Activation.RELU
    )
    width, inner = shape.d_model, shape.d_ff

    def linear(map, rows, columns):
        bound = (6 / (rows + columns)) ** 0.5
        map.weight = random.uniform(-bound, bound, (columns, rows)).astype("float32")
        map.bias = numpy.zeros(columns, "float32")

    def norm(layer_norm):
        layer_norm.gamma = numpy.ones(width, "float32")
        layer_norm.beta = numpy.zeros(width, "float32")

    embedding = random.normal(0, width**-0.5, (shape.vocabulary, width)).astype("float32")
    spec.encoder.embeddings[0].weight = embedding
    spec.decoder.embeddings.weight = embedding
    spec.decoder.projection.weight = embedding
    for stack in (spec.encoder, spec.decoder):
        stack.scale_embeddings = True
        norm(stack.layer_norm)
        for layer in stack.layer:
            for attention, widths in ((layer.self_attention, [3 * width, width]),
                                      (getattr(layer, "attention", None), [width, 2 * width, width])):
                if attention is not None:
                    norm(attention.layer_norm)
                    for map, columns in zip(attention.linear, widths, strict=True):
                        linear(map, width, columns)
            norm(layer.ffn.layer_norm)
            linear(layer.ffn.linear_0, width, inner)
            linear(layer.ffn.linear_1, inner, width)
    tokens = ["<pad>", "<unk>", "<s>", "</s>"] + [str(i) for i in range(4, shape.vocabulary)]
    spec.register_source_vocabulary(tokens)
    spec.register_target_vocabulary(tokens)
    spec.validate()
    spec.optimize()
    return spec


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    defaults = {"layers": 3, "d-model": 256, "d-ff": 1024, "n-heads": 4, "vocabulary": 8000, "batch": 64,
                "source-length": 32, "target-length": 32, "beam": 1, "steps": 10, "threads": 1, "seed": 1}
    for name, value in defaults.items():
        arguments.add_argument(f"--{name}", type=int, default=value)
    arguments.add_argument("--json", action="store_true", help="as regard; there is no other form")
    shape = arguments.parse_args()

    random = numpy.random.default_rng(shape.seed)
    with tempfile.TemporaryDirectory() as directory:
        random_model(shape, random).save(directory)
        translator = ctranslate2.Translator(
            directory, device="cpu", compute_type="float32", inter_threads=1, intra_threads=shape.threads
        )
    source = [[str(id) for id in row]
              for row in random.integers(4, shape.vocabulary, (shape.batch, shape.source_length))]
    seconds = []
    for run in range(1 + shape.steps):
        begun = time.perf_counter()
        results = translator.translate_batch(
            source, beam_size=shape.beam, min_decoding_length=shape.target_length,
            max_decoding_length=shape.target_length,
        )
        if run > 0:
            seconds.append(time.perf_counter() - begun)
        assert all(len(result.hypotheses[0]) == shape.target_length for result in results)
    median = statistics.median(seconds)
    print(json.dumps({
        "target_tokens_per_second": shape.batch * shape.target_length / median,
        "sentences_per_second": shape.batch / median,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "version": f"CTranslate2 {ctranslate2.__version__}",
    }))


if __name__ == "__main__":
    main()
