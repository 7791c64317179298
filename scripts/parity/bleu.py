"""Writes corpora with their BLEU by sacreBLEU: what crates/regard-eval is held to.

    python scripts/parity/bleu.py                                  the committed fixture
    python scripts/parity/bleu.py --corpora 5000 --out FILE.json   a wider one
"""

import argparse
import json
import random
from pathlib import Path

import sacrebleu
from sacrebleu.metrics import BLEU
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

FIXTURE = Path(__file__).parents[2] / "crates/regard-eval/tests/fixtures/bleu.json"

WORDS = "the a cat sat on mat Le chat NOIR m'a dit well-known e.g. U.S. Straße ΌΔΟΣ İstanbul naïve".split()
TRICKY = [
    "1,000.5", "3.14", ".5", "5.", ",5", "5,", "1-2", "a-1", "1--2", "-3", "10-", "...", "..", ",,", ".,.", "3.x", "x.3",
    "٣.٥", "٣-٥", "1.٥", "&quot;", "&amp;", "&lt;", "&gt;", "&amp;lt;", "&amp;amp;", "&amp;quot;", "&ltx", "&",
    "<skipped>", "<skip<skipped>ped>", "a<skipped>1", "-\n", "\n", "x-\ny", "x-\r\ny", "(a)", "[b]", "{c}", "d/e", "f\\g", "h_i",
    "j|k", "l~m", "n^o", "p`q", "r'", "''", "\"s\"", "t!", "u?", "v;w:", "$5", "5%", "#6", "@7", "*", "+", "=", "<", ">",
    "我们", "去。", "。", ",", "你好,世界", "かな", "한국어", "é", "e\u0301", "👩\u200d🚀", "\u200b", "\ufeff", "\u00ad", "—", "–", "…", "«", "»",
]
SPACES = [" ", " ", " ", " ", "  ", "\t", "\u00a0", "\u202f", "\u2028", "\u2029", "\u3000", "\u0085", "\u001c", "\u001f", "\r", "\v", ""]


def line(rng, words, spaces, longest):
    """A line of up to `longest` words, often with white space before or after it."""
    out = rng.choice(spaces) if rng.random() < 0.2 else ""
    for _ in range(rng.randint(0, longest)):
        out += rng.choice(words) + rng.choice(spaces)
    return out


def disturb(rng, reference, words, spaces):
    """A hypothesis that shares something with its reference: dropped, swapped, replaced characters."""
    out = list(reference)
    for _ in range(rng.randint(0, 1 + len(out) // 4)):
        if not out:
            break
        i = rng.randrange(len(out))
        edit = rng.random()
        if edit < 0.3:
            del out[i]
        elif edit < 0.5:
            out[i], out[0] = out[0], out[i]
        elif edit < 0.7:
            out[i] = rng.choice(spaces)
        elif edit < 0.85:
            out[i] = out[i].swapcase()
        else:
            out[i:i] = rng.choice(words)
    return "".join(out)


def random_corpus(rng):
    words = rng.choice([WORDS, TRICKY, WORDS + TRICKY, WORDS[:4], list("ab.,1- &;")])
    spaces = rng.choice([[" "], SPACES])
    longest = rng.choice([1, 3, 5, 12, 30])
    references = [line(rng, words, spaces, longest) for _ in range(rng.randint(1, 6))]
    hypotheses = [
        disturb(rng, r, words, spaces) if rng.random() < 0.7 else line(rng, words, spaces, longest) for r in references
    ]
    return hypotheses, references


NAMED = {
    "equal": (["the cat sat on the mat ."], ["the cat sat on the mat ."]),
    "nothing in common": (["a b c d e"], ["f g h i j"]),
    "both empty": (["", ""], ["", ""]),
    "empty hypothesis": (["", "a b c d e"], ["v w x y z", "a b c d e"]),
    "empty reference": (["v w x y z", "a b c d e"], ["", "a b c d e"]),
    "all hypotheses empty": (["", ""], ["a b", "c"]),
    "only white space": ([" \t\u00a0", "a b c d"], ["\u2028", "a b c d"]),
    "one word": (["cat"], ["cat"]),
    "three words: no 4-gram": (["the black cat"], ["the black cat"]),
    "four words": (["the black cat sat"], ["the black cat sat"]),
    "only unigrams match": (["d c b a e"], ["a b c d e"]),
    "bigrams at most": (["a b x c d y"], ["a b c d e f"]),
    "a match in the middle order only through smoothing": (["a", "b c d e f"], ["a", "x y z u v"]),
    "repeated words": (["the the the the the the the"], ["the cat is on the mat"]),
    "ties: same n-grams, other order of lines": (["a b c d", "d c b a"], ["d c b a", "a b c d"]),
    "longer than the reference": (["a b c d e f g h i j k"], ["a b c d"]),
    "shorter than the reference": (["a b c d"], ["a b c d e f g h i j k"]),
    "trailing white space": (["a b c d e  \u00a0\r\n"], ["a b c d e"]),
    "numbers": (["It costs 1,000.5, or 3.14-2.0."], ["It costs 1,000.5 , or 3.14 - 2.0 ."]),
    "hyphens": (["a well-known 10-year-old -3 rock-\nfish"], ["a well-known 10 -year-old -3 rockfish"]),
    "entities": (["&quot;A&amp;B&quot; &lt;c&gt; &amp;lt; &apos;"], ["\" A & B \" < c > < &apos;"]),
    "skipped": (["a <skipped> b c<skipped>d e"], ["a b cd e"]),
    "punctuation": (["(a)[b]{c}/d\\e_f|g~h^i`j'k\"l"], ["( a ) [ b ] { c } / d \\ e _ f | g ~ h ^ i ` j'k \" l"]),
    "chinese": (["我们 去 公园。 你好,世界 ,好"], ["我们 去 公园。 你好 , 世界 , 好"]),
    "no-break spaces": (["10\u202f000\u00a0euros et\u2028plus encore"], ["10 000 euros et plus encore"]),
    "separators python splits at": (["a\u001cb\u001dc\u001ed\u001fe"], ["a b c d e"]),
    "zero-width characters stay": (["a\u200bb c d e f"], ["a b c d e f"]),
    "case": (["The CAT Sat On The ΌΔΟΣ Straße"], ["the cat sat on the όδος straße"]),
}


def result(hypotheses, references, lowercase):
    bleu = BLEU(lowercase=lowercase)
    score = bleu.corpus_score(hypotheses, [references])
    return {
        "lowercase": lowercase,
        "hypotheses": hypotheses,
        "references": references,
        "score": score.score,
        "precisions": list(score.precisions),
        "brevity_penalty": score.bp,
        "hypothesis_length": score.sys_len,
        "reference_length": score.ref_len,
        "matches": list(score.counts),
        "totals": list(score.totals),
        "signature": str(bleu.get_signature()),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=int, default=60, help="random corpora beside the named ones")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=FIXTURE)
    arguments = parser.parse_args()

    rng = random.Random(arguments.seed)
    corpora = []
    for name, (hypotheses, references) in NAMED.items():
        for lowercase in (False, True):
            corpora.append({"name": name, **result(hypotheses, references, lowercase)})
    for i in range(arguments.corpora):
        corpora.append({"name": f"random {i}", **result(*random_corpus(rng), rng.random() < 0.3)})

    tokenize = Tokenizer13a()
    lines = TRICKY + [line(rng, WORDS + TRICKY, SPACES, 8) for _ in range(100)]
    lines = [{"line": text, "tokens": tokenize(text.rstrip()).split()} for text in lines]

    def rows(values):
        return "[\n" + ",\n".join(json.dumps(value) for value in values) + "\n]"

    arguments.out.write_text(
        f'{{"sacrebleu": "{sacrebleu.__version__}",\n"corpora": {rows(corpora)},\n"lines": {rows(lines)}}}\n',
        encoding="ascii",
    )
    print(f"{len(corpora)} corpora and {len(lines)} lines by sacreBLEU {sacrebleu.__version__}: {arguments.out}")


if __name__ == "__main__":
    main()
