"""Times corpus BLEU and chrF of sacreBLEU and of the program given, in turn; see metrics.sh.

Both are given the same files, read before the clock starts; the fastest of five runs counts, sacreBLEU with empty caches.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp

LEAST = 10


def corpus(lines):
    """Lines of 10 to 40 words from 20,000, drawn as in real text, and hypotheses that keep most of them."""
    rng = random.Random(1)
    words = ["".join(rng.choices("etaoinshrdlucmfw", k=rng.randint(2, 10))) for _ in range(20_000)]
    weights = [1 / (rank + 1) for rank in range(len(words))]
    references, hypotheses = [], []
    for _ in range(lines):
        line = rng.choices(words, weights, k=rng.randint(10, 40))
        references.append(" ".join(line) + ".")
        kept = [rng.choice(words) if rng.random() < 0.2 else word for word in line if rng.random() < 0.95]
        hypotheses.append(" ".join(kept) + ".")
    return hypotheses, references


def fastest(score):
    seconds = []
    for _ in range(5):
        for tokenizer in (Tokenizer13a, TokenizerRegexp):
            tokenizer.__call__.cache_clear()
        start = time.perf_counter()
        value = score()
        seconds.append(time.perf_counter() - start)
    return value, min(seconds)


def main():
    binary, lines = sys.argv[1], int(sys.argv[2])
    hypotheses, references = corpus(lines)
    with tempfile.TemporaryDirectory() as directory:
        paths = [Path(directory, name) for name in ("hypotheses", "references")]
        for path, side in zip(paths, (hypotheses, references)):
            path.write_text("".join(line + "\n" for line in side), encoding="utf-8")
        ours = json.loads(subprocess.run([binary, *paths], check=True, capture_output=True, encoding="utf-8").stdout)
    ratios = []
    total = [0.0, 0.0]
    for name, metric in (("bleu", BLEU()), ("chrf", CHRF())):
        score, seconds = fastest(lambda: metric.corpus_score(hypotheses, [references]).score)
        if abs(score - ours[name]) > 1e-6:
            sys.exit(f"{name}: ours {ours[name]}, sacreBLEU {score}")
        mine = ours[f"{name}_seconds"]
        total = [total[0] + mine, total[1] + seconds]
        print(f"{name}: {score:.4f} by both; ours {1000 * mine:.1f} ms, sacreBLEU {1000 * seconds:.1f} ms, {seconds / mine:.1f} times")
    ratio = total[1] / total[0]
    print(f"both, {lines} lines: ours {1000 * total[0]:.1f} ms, sacreBLEU {1000 * total[1]:.1f} ms, {ratio:.1f} times faster")
    sys.exit(ratio < LEAST)


if __name__ == "__main__":
    main()
