//! Attention pooling as a classifier of documents: is a review more good than bad, and which words say so?
#![expect(clippy::print_stdout, reason = "an example shows its result")]
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Gradients, Tensor, activation};
use regard_nn::{
    AttentionPooling, AttentionPoolingConfig, Embedding, Init, Key, Linear, Pass, Tokens,
};

/// Eight words of each sort; word i of sort s has the id `8 s + i`.
const WORDS: [&str; 6] = [
    "and but while then yet so or the",
    "plot cast music ending hero script camera villain",
    "was seemed felt looked sounded became remained turned",
    "French long dark loud modern slow red quiet",
    "superb moving clever lovely great funny fresh bold",
    "dull awful silly clumsy weak boring stale poor",
];
const GOOD: usize = 4;

fn word(id: usize) -> &'static str {
    WORDS[id / 8].split(' ').nth(id % 8).expect("eight words")
}

/// A review of six to nine clauses, of which one, three or five judge; the majority of these decides.
struct Review {
    ids: Vec<usize>,
    good: bool,
}

fn review(key: Key) -> Review {
    let pick = |name: &str, i: usize, n: u64| {
        usize::try_from(key.at(name).bits(i as u64) % n).expect("small")
    };
    let judging = 1 + 2 * pick("judging", 0, 3);
    let mut clauses: Vec<usize> = (0..6 + pick("clauses", 0, 4)).collect();
    clauses.sort_by_key(|&clause| key.at("order").bits(clause as u64));
    let (mut ids, mut counts) = (Vec::new(), [0; WORDS.len()]);
    for i in clauses {
        let judgement = GOOD + pick("judgement", i, 2);
        let sort = if i < judging { judgement } else { GOOD - 1 };
        counts[sort] += 1;
        ids.extend([pick("joint", i, 7), 7, 8 + pick("subject", i, 8)]);
        ids.extend([16 + pick("verb", i, 8), 8 * sort + pick("word", i, 8)]);
    }
    let ids = ids.split_off(1);
    let good = counts[GOOD] > counts[GOOD + 1];
    Review { ids, good }
}

fn reviews(key: Key, n: u64) -> Vec<Review> {
    (0..n).map(|i| review(key.nth(i))).collect()
}

#[derive(Module, Debug)]
struct Classifier {
    embedding: Embedding,
    pooling: AttentionPooling,
    output: Linear,
}

impl Classifier {
    /// How good each review is, `[B]`, and the weights of its words, `[B, S]`.
    fn judge(&self, reviews: &[Review], device: &Device) -> (Tensor<1>, Tensor<2>) {
        let lengths: Vec<usize> = reviews.iter().map(|review| review.ids.len()).collect();
        let (rows, longest) = (reviews.len(), *lengths.iter().max().expect("a review"));
        let mut ids = vec![0; rows * longest];
        for (row, review) in ids.chunks_mut(longest).zip(reviews) {
            for (padded, &id) in row.iter_mut().zip(&review.ids) {
                *padded = u32::try_from(id).expect("small");
            }
        }
        let ids = Tokens::new(&ids, &lengths, device);
        let x = self.embedding.forward(ids.ids.clone());
        let mask = ids.mask();
        let pass = Pass::evaluation().with_attention();
        let pooled = self.pooling.forward(ids.layout.unflatten(x), &mask, &pass);
        let judgement = self.output.forward(pooled.context.flatten(1, 2)); // [B, 1]
        let weights = pooled.weights.expect("asked for"); // [B, 1, 1, S]
        (judgement.flatten(0, 1), weights.reshape([rows, longest]))
    }
}

/// Descent by the sign alone: a word that has little weight yet learns as fast as any other.
struct Descent(Gradients);
impl ModuleMapper for Descent {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let gradient = param.val().grad(&self.0).expect("a gradient");
        param.map(|value| {
            (value.inner() - gradient.sign() * 0.01)
                .autodiff()
                .require_grad()
        })
    }
}

fn main() {
    let device = Device::flex().autodiff();
    let init = Init::new(1, &device);
    let mut classifier = Classifier {
        embedding: Embedding::new(48, 16, &init.at("embedding")),
        pooling: AttentionPoolingConfig::new(16, 16, 1).init(&init.at("pooling")),
        output: Linear::new(16, 1, &init.at("output")),
    };
    for step in 0..=200 {
        let reviews = reviews(Key::new(1).nth(step), 64);
        let sign = |review: &Review| if review.good { 1.0 } else { -1.0 };
        let signs: Vec<f32> = reviews.iter().map(sign).collect();
        let (judgements, _) = classifier.judge(&reviews, &device);
        let margins = judgements * Tensor::<1>::from_floats(&signs[..], &device);
        let loss = activation::softplus(-margins, 1.0).mean();
        println!("step {step}: {:.3} nats", loss.clone().into_scalar::<f32>());
        classifier = classifier.map(&mut Descent(loss.backward()));
    }

    let held_out = reviews(Key::new(2), 500);
    let (judgements, weights) = classifier.judge(&held_out, &device);
    let numbers = |row: Tensor<2>| row.into_data().iter().collect();
    let weights: Vec<Vec<f32>> = weights.iter_dim(0).map(numbers).collect();
    let judgements: Vec<f32> = judgements.into_data().iter().collect();
    let (mut right, mut pointed) = (0, 0);
    for ((review, row), judgement) in held_out.iter().zip(&weights).zip(judgements) {
        let most = (0..row.len())
            .max_by(|&a, &b| row[a].total_cmp(&row[b]))
            .expect("a word");
        right += usize::from((judgement > 0.0) == review.good);
        pointed += usize::from(review.ids[most] >= 8 * GOOD);
    }
    for (&id, weight) in held_out[1].ids.iter().zip(&weights[1]) {
        println!("{:8} {weight:.3}", word(id));
    }
    println!(
        "Held out: {right} of 500 right; in {pointed} the word with the largest weight is one that judges."
    );
    assert!(
        right >= 475 && pointed >= 475,
        "it should have learned to read"
    );
}
