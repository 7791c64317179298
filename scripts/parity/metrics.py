"""Compares every figure of regard-eval's metrics with sacreBLEU's, on random and adversarial corpora and all settings.

    pip install -r scripts/parity/requirements.txt
    cargo build --release -p regard-eval --example metrics
    python scripts/parity/metrics.py                     2,000 random corpora beside the named ones, each under several settings
    python scripts/parity/metrics.py --fixture           writes the fixture that `cargo test -p regard-eval` is held to

Scores, precisions, lengths and counts of corpora, scores of each sentence, signatures and printed lines; WER and CER
against jiwer, where it is installed; p values against sacreBLEU given our draws in place of NumPy's. Exit 1 if a figure
differs by more than 1e-6 or a text at all.
"""

import argparse
import json
import logging
import os
import random
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import sacrebleu
from sacrebleu import significance
from sacrebleu.metrics import BLEU, CHRF, TER

from bleu import NAMED, SPACES, TRICKY, WORDS, disturb, line
from chrf import SHORT

try:
    import jiwer
except ImportError:
    jiwer = None

ROOT = Path(__file__).parents[2]
FIXTURE = ROOT / "crates/regard-eval/tests/fixtures/metrics.json"
TOLERANCE = 1e-6

CHINESE = list("我们去公园。你好,世界!「」《》、;:?《三》100%年3月5日") + ["20,000", "Ｗ", "ＡＢ", "—", "…", "𠀀", "𪛖", "㐀", "㍿", "⺀", "豈", "ok"]
JAPANESE = list("私は猫がすきですカタカナーㇰ。、「」・！？（）ｶﾅ日本語") + ["ます", "です", "テスト", "2,5", "㌔"]
SIGNS = ["€5", "5€", "±", "½", "²", "Ⅷ", "٣٫٥", "x²", "a+b", "10%", "3.14.", "1999.", "¿qué?", "„so“", "‚x‘", "#1", "@me", "¡", "·", "№", "☃", "♥", "→",
         "a's", "it's", "dogs'", "'s", "'s'", "\n-", "x\n-y", "x's\ty", "\n", "(hi)", "hi)", "(hi", "(", "()", "'", "''a", "a''", "-a-", "\u0301", "e\u0301", "\u0301a",
         "👩\u200d🚀", "🇩🇪", "👍🏽", "\u2028", "\u0085", "\ufeff", "\u200b", "İ", "ß", "ẞ", "ΑΣ", "Σ", "ǅ", "ŉ", "\U0001e900", "\U00010400", "\ud7ff", "\ue000", "\U0010ffff"]
ALPHABETS = [WORDS, TRICKY, WORDS + TRICKY, list("ab"), list("abcd"), list("ab.,1- &;'s"), CHINESE, JAPANESE, CHINESE + JAPANESE + SIGNS, SIGNS, SIGNS + WORDS]


def any_character(rng):
    """A character of this Python's Unicode that no encoding refuses."""
    while True:
        c = chr(rng.randrange(0x110000) if rng.random() < 0.3 else rng.randrange(0x3500))
        if unicodedata.category(c) not in ("Cs", "Cn"):
            return c


def shuffled(rng, text):
    """Words in another order, runs of them moved: what TER is about."""
    words = text.split(" ")
    for _ in range(rng.randint(1, 3)):
        start = rng.randrange(len(words))
        run = words[start : start + rng.randint(1, 6)]
        rest = words[:start] + words[start + len(run) :]
        place = rng.randint(0, len(rest))
        words = rest[:place] + run + rest[place:]
    return " ".join(words)


def hypothesis(rng, reference, words, spaces, longest):
    draw = rng.random()
    if draw < 0.1:
        return reference
    if draw < 0.45:
        return disturb(rng, reference, words, spaces)
    if draw < 0.75:
        return disturb(rng, shuffled(rng, reference), words, spaces) if rng.random() < 0.5 else shuffled(rng, reference)
    return line(rng, words, spaces, longest)


def random_corpus(rng):
    words = rng.choice(ALPHABETS) if rng.random() < 0.9 else [any_character(rng) for _ in range(30)]
    spaces = rng.choice([[" "], [" "], SPACES, ["", " "], [""]])
    longest = rng.choice([1, 2, 4, 8, 15, 30, 30, 90])
    number = rng.randint(1, 3 if longest > 30 else 6)
    hypotheses, references = [], []
    most, unequal = rng.choice([1, 1, 2, 4]), rng.random() < 0.4
    for _ in range(number):
        first = line(rng, words, spaces, longest)
        here = rng.randint(1, most) if unequal else most
        others = [disturb(rng, first, words, spaces) if rng.random() < 0.6 else line(rng, words, spaces, longest) for _ in range(here - 1)]
        references.append([first, *others])
        hypotheses.append(hypothesis(rng, rng.choice(references[-1]), words, spaces, longest))
        if rng.random() < 0.04:
            hypotheses[-1] = ""
        if rng.random() < 0.04:
            references[-1][0] = ""
    return hypotheses, references


EXTRA = {
    "chinese": (["我们去公园。你好，世界！", "2024年3月5日，气温20.5度。"], [["我们去了公园。你好世界！"], ["2024 年 3 月 5 日, 气温 20.5 度。"]]),
    "beyond the first plane": (["𠀀𠀁𪛖 a"], [["𠀀 𠀁 𪛖 a"]]),
    "dashes are chinese": (["a—b…c“d”e"], [["a — b … c “ d ” e"]]),
    "japanese": (["私は猫が好きです。カタカナも。"], [["私は猫がすきです。「カタカナ」も。"]]),
    "line separators": (["a\u2028b c\u2029d e\u0085f"], [["a b c d e f"]]),
    "numbers end lines": (["In 1999.", "3.", "1,000.", ".5"], [["In 1999 ."], ["3 ."], ["1,000 ."], [". 5"]]),
    "one is moved": (["d a b c"], [["a b c d"]]),
    "all are turned round": (["h g f e d c b a"], [["a b c d e f g h"]]),
    "equal lengths on both sides": (["a b c d e"], [["a b c d", "a b c d e f"]]),
    "the second fits": (["x y z"], [["a b c", "x y z", "x y"]]),
    "two fit alike": (["a b", "b a"], [["a c", "c b"], ["b c", "c a"]]),
    "unequal references": (["a b c d", "e f g h"], [["a b c d"], ["e f", "g h", "e f g h i"]]),
    "long and short": ([" ".join("abcdefghij" * 12), "a"], [["a b"], [" ".join("jihgfedcba" * 12)]]),
    "more than can be tried": ([" ".join("ab" * 40)], [[" ".join("ba" * 45)]]),
    "far from the diagonal": ([" ".join(f"w{i}" for i in range(40, 100)) + " x"], [[" ".join(f"w{i}" for i in range(100))]]),
}


def named_corpora():
    for name, (hypotheses, references) in {**NAMED, **SHORT}.items():
        yield name, hypotheses, [[reference] for reference in references]
    for name, (hypotheses, references) in EXTRA.items():
        yield name, hypotheses, references


def every_character():
    """All that this Python's Unicode knows but ideographs, syllables and private use, between letters and numbers."""
    known = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cs", "Cn", "Co")]
    known = [c for c in known if unicodedata.category(c) != "Lo" or ord(c) < 0x3500]
    lines = ["".join(f"a{c}1{c}{c}b " for c in known[i : i + 50]) for i in range(0, len(known), 50)]
    hypotheses, references = lines, [[line.replace("b", " b")] for line in lines]
    for tokenize in ("13a", "intl", "char", "none", "zh"):
        for lowercase in (False, True):
            yield "bleu", dict(tokenize=tokenize, smooth_method="exp", smooth_value=None, lowercase=lowercase, effective_order=False), hypotheses, references
    for lowercase in (False, True):
        yield "chrf", dict(char_order=6, word_order=2, beta=2, lowercase=lowercase, whitespace=False, eps_smoothing=False), hypotheses, references
        yield "ter", dict(normalized=True, no_punct=lowercase, asian_support=True, case_sensitive=not lowercase), hypotheses, references


def every_setting():
    for tokenize in ("13a", "intl", "char", "none", "zh"):
        for method, values in {"exp": [None], "none": [None], "floor": [None, 0.0, 0.03], "add-k": [None, 0.0, 0.5, 2]}.items():
            for value in values:
                for lowercase in (False, True):
                    for effective_order in (False, True):
                        yield "bleu", dict(tokenize=tokenize, smooth_method=method, smooth_value=value, lowercase=lowercase, effective_order=effective_order)
    for char_order, word_order in ((6, 0), (6, 2), (6, 1), (1, 0), (3, 4), (7, 0), (12, 8), (4, 5), (0, 2)):
        for beta in (2, 1, 3, 0):
            for lowercase in (False, True):
                for whitespace in (False, True):
                    for eps_smoothing in (False, True):
                        yield "chrf", dict(char_order=char_order, word_order=word_order, beta=beta, lowercase=lowercase, whitespace=whitespace, eps_smoothing=eps_smoothing)
    for bits in range(16):
        names = ("normalized", "no_punct", "asian_support", "case_sensitive")
        yield "ter", {name: bool(bits >> i & 1) for i, name in enumerate(names)}
    for metric in ("wer", "cer"):
        for lowercase in (False, True):
            yield metric, dict(lowercase=lowercase)


def reference_metric(metric, settings):
    return {"bleu": BLEU, "chrf": CHRF, "ter": TER}[metric](**settings)


def streams(references):
    most = max(map(len, references))
    return [[line[k] if k < len(line) else None for line in references] for k in range(most)]


def expected(metric, settings, hypotheses, references):
    """Figures, signature and line, in the order of the example `metrics`."""
    if metric in ("wer", "cer"):
        return expected_rate(metric, settings, hypotheses, references)
    scorer = reference_metric(metric, settings)
    score = scorer.corpus_score(hypotheses, streams(references))
    signature, text = str(scorer.get_signature()), score.format()
    figures = [score.score]
    if metric == "bleu":
        # `add-k` is added to what sacreBLEU shows of orders from 2; ours are as counted.
        stats = scorer._extract_corpus_statistics(hypotheses, streams(references))
        figures += [score.score, score.bp, *score.precisions, *map(sum, zip(*stats))]
    elif metric == "chrf":
        figures += [score.score]
    figures += [scorer.sentence_score(h, r).score for h, r in zip(hypotheses, references)]
    return figures, signature, text


def expected_rate(metric, settings, hypotheses, references):
    """jiwer takes one reference a line, none of them empty, and parts words at single blanks."""
    def clean(text):
        text = text.lower() if settings["lowercase"] else text
        return " ".join(text.split()) if metric == "wer" else text.strip()

    score = {"wer": jiwer.wer, "cer": jiwer.cer}[metric]
    hypotheses, references = [clean(h) for h in hypotheses], [clean(r[0]) for r in references]
    if not all(references):
        return None
    parts = {} if metric == "wer" else dict(
        reference_transform=jiwer.ReduceToListOfListOfChars(), hypothesis_transform=jiwer.ReduceToListOfListOfChars())
    figures = [100 * score(references, hypotheses, **parts)]
    figures += [100 * score([r], [h], **parts) for h, r in zip(hypotheses, references)]
    return figures, None, None


MASK = 2**64 - 1


def mixed(seed, index):
    """The `index`-th number of SplitMix64 from `seed`; the draws of crates/regard-eval/src/bootstrap.rs."""
    z = (seed + (index + 1) * 0x9E3779B97F4A7C15) & MASK
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return z ^ (z >> 31)


class OurDraws:
    """Stands in for NumPy's generator."""

    def __init__(self, seed):
        self.seed = seed

    def choice(self, n, size, replace):
        keys = [mixed(self.seed, r) for r in range(size[0])]
        return np.array([[mixed(key, i) * n >> 64 for i in range(n)] for key in keys])

    def integers(self, high, size, dtype):
        seed = mixed(self.seed, 0)
        keys = [mixed(seed, trial) for trial in range(size[0])]
        return np.array([[mixed(key, i // 64) >> (i % 64) & 1 for i in range(size[1])] for key in keys], dtype=bool)


def expected_p(metric, settings, test, trials, hypotheses, system, references):
    original, significance.np.random.default_rng = significance.np.random.default_rng, OurDraws
    # sacreBLEU sums resamples in 32 bits, which blurs ties; ours are whole numbers in 64.
    array = significance.np.array
    significance.np.array = lambda values, dtype=None: array(values, dtype="float64" if dtype == "float32" else dtype)
    try:
        os.environ["SACREBLEU_SEED"] = "12345"
        paired = significance.PairedTest(
            [("a", hypotheses), ("b", system)], {"x": reference_metric(metric, settings)}, streams(references), test, trials)
        _, scores = paired()
    finally:
        significance.np.random.default_rng, significance.np.array = original, array
    return next(values for name, values in scores.items() if name != "System")[1].p_value


def request(metric, settings, hypotheses, references, **more):
    ours = dict(settings)
    if metric == "bleu":
        value = settings["smooth_value"]
        ours["smooth_value"] = (BLEU.SMOOTH_DEFAULTS[settings["smooth_method"]] or 0.0) if value is None else value
    return {"metric": metric, **ours, "hypotheses": hypotheses, "references": references, **more}


def cases(rng, corpora, per_corpus):
    """Every named corpus under every setting; random ones under settings in turn."""
    settings = [s for s in every_setting() if jiwer or s[0] not in ("wer", "cer")]
    for name, hypotheses, references in named_corpora():
        for metric, setting in settings:
            yield name, metric, setting, hypotheses, references
    for metric, setting, hypotheses, references in every_character():
        yield "every character", metric, setting, hypotheses, references
    by_metric = {m: [s for s in settings if s[0] == m] for m in ("bleu", "chrf", "ter", "wer", "cer")}
    for i in range(corpora):
        hypotheses, references = random_corpus(rng)
        for metric, of in by_metric.items():
            for k in range(min(per_corpus, len(of))):
                _, setting = of[(i * per_corpus + k) % len(of)]
                yield f"random {i}", metric, setting, hypotheses, references


class Tally:
    def __init__(self):
        self.figures, self.texts, self.p_values, self.largest, self.wrong = 0, 0, 0, 0.0, 0

    def fault(self, what, case, ours, theirs):
        self.wrong += 1
        if self.wrong <= 20:
            print(f"{what}: ours {ours!r}, sacreBLEU {theirs!r}\n    {json.dumps(case)[:1500]}")

    def compare(self, case, ours, theirs):
        figures, signature, text = theirs
        if len(figures) != len(ours["figures"]):
            return self.fault("figures", case, len(ours["figures"]), len(figures))
        for i, (left, right) in enumerate(zip(ours["figures"], figures)):
            self.figures += 1
            self.largest = max(self.largest, abs(left - right))
            if not abs(left - right) <= TOLERANCE:
                self.fault(f"figure {i}", case, left, right)
        if signature is not None:
            self.texts += 2
            got = ours["signature"].rsplit("version:", 1)[0] + f"version:{sacrebleu.__version__}"
            if got != signature:
                self.fault("signature", case, got, signature)
            # Python and Rust round the same number alike; one that differs in its last bit may lie on a half.
            if ours["line"] != text and max(abs(l - r) for l, r in zip(ours["figures"], figures)) == 0:
                self.fault("line", case, ours["line"], text)


def binary():
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target / "release/examples/metrics"


def answers(requests):
    """Those of the Rust side, in order."""
    text = "".join(json.dumps(r) + "\n" for r in requests)
    done = subprocess.run([binary()], input=text, capture_output=True, encoding="utf-8", check=False)
    if done.returncode != 0:
        sys.exit(f"{binary()} failed: {done.stderr}")
    # Not `splitlines`: a printed line may hold what Python takes for the end of one.
    return [json.loads(answer) for answer in done.stdout.split("\n") if answer]


def compare_scores(arguments, tally):
    rng, corpora, batch = random.Random(arguments.seed), set(), []

    def flush():
        for (case, theirs), ours in zip(batch, answers([case for case, _ in batch])):
            tally.compare(case, ours, theirs)
        batch.clear()

    for name, metric, settings, hypotheses, references in cases(rng, arguments.corpora, arguments.per_corpus):
        if metric in ("wer", "cer"):
            references = [line[:1] for line in references]
        theirs = expected(metric, settings, hypotheses, references)
        if theirs is None:
            continue
        corpora.add(name)
        batch.append((request(metric, settings, hypotheses, references), theirs))
        if len(batch) == 2000:
            flush()
    flush()
    return len(corpora)


def compare_tests(arguments, tally):
    rng, requests, theirs = random.Random(arguments.seed + 1), [], []
    chosen = [s for s in every_setting() if s[0] in ("bleu", "chrf", "ter")]
    while len(requests) < arguments.tests:
        hypotheses, references = random_corpus(rng)
        system = [disturb(rng, h, WORDS, SPACES) if rng.random() < 0.6 else h for h in hypotheses]
        metric, settings = rng.choice(chosen)
        test, trials = rng.choice([("bs", 200), ("ar", 300)])
        if test == "ar" and settings.get("smooth_value") == 0.5:
            continue  # sacreBLEU adds it to an array of whole numbers there, which rounds it down to 0.
        scorer = reference_metric(metric, settings)
        if scorer.corpus_score(hypotheses, streams(references)).score == scorer.corpus_score(system, streams(references)).score:
            continue  # Ours is 1 there, sacreBLEU's whatever comes out.
        requests.append(request(metric, settings, hypotheses, references, system=system, test=test, trials=trials))
        theirs.append(expected_p(metric, settings, test, trials, hypotheses, system, references))
    for case, ours, p in zip(requests, answers(requests), theirs):
        tally.p_values += 1
        # A trial may lie on the real difference but for the last bit.
        if abs(ours["p_value"] - p) > (0.0 if case["test"] == "ar" and case["metric"] != "ter" else 0.02):
            tally.fault("p value", case, ours["p_value"], p)


def write_fixture(arguments):
    """Fewer corpora, so that the file stays small: every setting once, on corpora in turn."""
    rng = random.Random(arguments.seed)
    corpora = list(named_corpora()) + [(f"random {i}", *random_corpus(rng)) for i in range(60)]
    corpora = [c for c in corpora if sum(map(len, c[1])) < 200]
    rows, number = [], 0
    for metric, settings in every_setting():
        if metric in ("wer", "cer"):
            continue
        _, hypotheses, references = corpora[number % len(corpora)]
        number += 1
        figures, signature, text = expected(metric, settings, hypotheses, references)
        rows.append({"request": request(metric, settings, hypotheses, references), "figures": [float(f) for f in figures], "signature": signature, "line": text})
    rows = ",\n".join(json.dumps(row) for row in rows)
    FIXTURE.write_text(f'{{"sacrebleu": "{sacrebleu.__version__}",\n"cases": [\n{rows}\n]}}\n', encoding="ascii")
    print(f"{number} settings by sacreBLEU {sacrebleu.__version__}: {FIXTURE}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=int, default=2000, help="random corpora beside the named ones")
    parser.add_argument("--per-corpus", type=int, default=3, help="settings of each metric that a random corpus is scored by")
    parser.add_argument("--tests", type=int, default=300, help="pairs of systems whose p values are compared")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fixture", action="store_true")
    arguments = parser.parse_args()
    logging.getLogger("sacrebleu").setLevel(logging.ERROR)

    if arguments.fixture:
        return write_fixture(arguments)
    tally = Tally()
    corpora = compare_scores(arguments, tally)
    print(f"sacreBLEU {sacrebleu.__version__}{'' if jiwer else ' (jiwer is missing: WER and CER left out)'}")
    print(f"{corpora} corpora, {tally.figures} figures and {tally.texts} texts compared; largest difference {tally.largest:.1e}")
    compare_tests(arguments, tally)
    print(f"{tally.p_values} p values compared")
    print(f"{tally.wrong} differ")
    sys.exit(tally.wrong > 0)


if __name__ == "__main__":
    main()
