"""Times greedy or beam search in Hugging Face transformers, on a random model of the same shape: the peer of
`regard bench decode`.

    python scripts/bench/decode_transformers.py --threads 2 [the shape flags of `regard bench decode`]

The model: Pegasus, which is the recipe of `regard bench`: pre-norm with a final norm, all embeddings and the output map
tied, sinusoids; with ReLU; weights are random, f32, and the length is forced, so that search does the same work whatever
the tokens are.

Prints one JSON object with the keys of `regard bench decode --json`.
"""

import argparse
import json
import resource
import statistics
import time

import torch
import transformers


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    defaults = {"layers": 3, "d-model": 256, "d-ff": 1024, "n-heads": 4, "vocabulary": 8000, "batch": 64,
                "source-length": 32, "target-length": 32, "beam": 1, "steps": 10, "threads": 2, "seed": 1}
    for name, value in defaults.items():
        arguments.add_argument(f"--{name}", type=int, default=value)
    arguments.add_argument("--json", action="store_true", help="as regard; there is no other form")
    shape = arguments.parse_args()
    torch.set_num_threads(shape.threads)
    torch.manual_seed(shape.seed)
    transformers.logging.set_verbosity_error()

    config = transformers.PegasusConfig(
        vocab_size=shape.vocabulary, d_model=shape.d_model,
        encoder_layers=shape.layers, encoder_attention_heads=shape.n_heads, encoder_ffn_dim=shape.d_ff,
        decoder_layers=shape.layers, decoder_attention_heads=shape.n_heads, decoder_ffn_dim=shape.d_ff,
        activation_function="relu", scale_embedding=True, init_std=shape.d_model**-0.5,
        pad_token_id=0, decoder_start_token_id=2, eos_token_id=3, forced_eos_token_id=None,
    )
    model = transformers.PegasusForConditionalGeneration(config).eval()
    source = torch.randint(4, shape.vocabulary, (shape.batch, shape.source_length))
    seconds = []
    with torch.inference_mode():
        for run in range(1 + shape.steps):
            begun = time.perf_counter()
            ids = model.generate(
                input_ids=source, attention_mask=torch.ones_like(source), do_sample=False, num_beams=shape.beam,
                min_new_tokens=shape.target_length, max_new_tokens=shape.target_length,
            )
            if run > 0:
                seconds.append(time.perf_counter() - begun)
            assert ids.shape == (shape.batch, 1 + shape.target_length)
    median = statistics.median(seconds)
    print(json.dumps({
        "target_tokens_per_second": shape.batch * shape.target_length / median,
        "sentences_per_second": shape.batch / median,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "version": f"transformers {transformers.__version__}, PyTorch {torch.__version__}",
    }))


if __name__ == "__main__":
    main()
