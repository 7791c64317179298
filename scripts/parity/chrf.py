"""Writes corpora with their chrF by sacreBLEU: what crates/regard-eval is held to.

    python scripts/parity/chrf.py                                  the committed fixture
    python scripts/parity/chrf.py --corpora 5000 --out FILE.json   a wider one
"""

import argparse
import json
import random
from pathlib import Path

import sacrebleu
from sacrebleu.metrics import CHRF

from bleu import NAMED, random_corpus

FIXTURE = Path(__file__).parents[2] / "crates/regard-eval/tests/fixtures/chrf.json"

SHORT = {
    "shorter than the longest n-gram": (["abc", "abcdef"], ["abd", "abcdef"]),
    "one character": (["a"], ["a"]),
    "reference too short for the orders of the hypothesis": (["abcdefgh", "x"], ["ab", "x"]),
    "hypothesis too short for the orders of the reference": (["ab", "x"], ["abcdefgh", "x"]),
    "spaces alone differ": (["ab cd ef"], ["a bc de f"]),
    "separators python removes": (["a\u001cb\u001dc\u001ed\u001fe\u0085f\u200bg"], ["abcdef\u200bg"]),
    "repeated characters": (["aaaaaaaaaa"], ["aaab"]),
    "combining and composed": (["e\u0301tude d'e\u0301te\u0301"], ["\u00e9tude d'\u00e9t\u00e9"]),
    "final sigma": (["\u039f\u0394\u039f\u03a3 \u039f\u0394\u039f\u03a3"], ["\u03bf\u03b4\u03bf\u03c2 \u03bf\u03b4\u03bf\u03c3"]),
    "emoji": (["\U0001f469\u200d\U0001f680 \U0001f680"], ["\U0001f680\U0001f469"]),
}


def result(hypotheses, references, lowercase):
    chrf = CHRF(lowercase=lowercase)
    score = chrf.corpus_score(hypotheses, [references])
    return {
        "lowercase": lowercase,
        "hypotheses": hypotheses,
        "references": references,
        "score": score.score,
        "signature": str(chrf.get_signature()),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=int, default=180, help="random corpora beside the named ones")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--out", type=Path, default=FIXTURE)
    arguments = parser.parse_args()

    rng = random.Random(arguments.seed)
    corpora = []
    for name, (hypotheses, references) in {**NAMED, **SHORT}.items():
        for lowercase in (False, True):
            corpora.append({"name": name, **result(hypotheses, references, lowercase)})
    for i in range(arguments.corpora):
        corpora.append({"name": f"random {i}", **result(*random_corpus(rng), rng.random() < 0.3)})

    rows = ",\n".join(json.dumps(corpus) for corpus in corpora)
    arguments.out.write_text(
        f'{{"sacrebleu": "{sacrebleu.__version__}",\n"corpora": [\n{rows}\n]}}\n',
        encoding="ascii",
    )
    print(f"{len(corpora)} corpora by sacreBLEU {sacrebleu.__version__}: {arguments.out}")


if __name__ == "__main__":
    main()
