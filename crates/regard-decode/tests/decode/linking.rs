//! Words that are linked because one looks at the other.

use regard_decode::{Hypothesis, most_attended};
use regard_nn::{ModelConfig, RnnConfig, Tying};
use regard_text::TokenizerKind;

use crate::scoring::translator;
use crate::translating::speaker;

fn recurrent() -> RnnConfig {
    RnnConfig {
        d_model: 8,
        tie: Tying::None,
        ..RnnConfig::default()
    }
}

#[test]
fn words_are_linked_whatever_their_pieces() {
    for kind in [
        TokenizerKind::Word,
        TokenizerKind::Bpe,
        TokenizerKind::Unigram,
        TokenizerKind::Character,
        TokenizerKind::Byte,
    ] {
        let translator = speaker(kind, &ModelConfig::Bahdanau(recurrent()), 4);
        let (source, target) = (" un été à l'île ", "déjà vu ! \u{4e2d}\u{6587} nonesuch");
        let found = translator.link_words(source, target).unwrap();
        assert!(!found.truncated);
        let sources: Vec<usize> = found.links.iter().map(|link| link.0).collect();
        assert!(sources.is_sorted() && sources.iter().all(|&word| word < 4));
        let mut targets: Vec<usize> = found.links.iter().map(|link| link.1).collect();
        targets.sort_unstable();
        targets.dedup();
        assert_eq!(
            targets,
            [0, 1, 2, 3, 4],
            "{kind:?}: every word looks somewhere"
        );

        // Of the pieces of a word some look at what it is linked with.
        let tokenizers = translator.tokenizers();
        let ids = tokenizers.source().encode(source.trim());
        let hypothesis = Hypothesis {
            ids: tokenizers.target().encode(target),
            ended: true,
            ..Hypothesis::default()
        };
        let weights = translator.attention(&ids, &hypothesis).unwrap();
        let rows = weights.chunks(ids.len() + 1);
        let words = tokenizers.source().words(source.trim());
        let looked = rows.map(|row| words[most_attended(&row[..ids.len()])]);
        let mut expected: Vec<(usize, usize)> =
            looked.zip(tokenizers.target().words(target)).collect();
        expected.sort_unstable();
        expected.dedup();
        assert_eq!(found.links, expected, "{kind:?}");
    }
}

#[test]
fn there_is_nothing_to_link_in_nothing_nor_without_attention() {
    let attentive = speaker(TokenizerKind::Word, &ModelConfig::Luong(recurrent()), 4);
    for (source, target) in [("", "un été"), ("un", ""), (" ", " ")] {
        let found = attentive.link_words(source, target).unwrap();
        assert_eq!(found.links, []);
    }
    let narrow = translator(3, 6);
    assert!(narrow.link_words("a b c d e f g", "a").unwrap().truncated);
    assert!(narrow.link_words("a", "a b c d e f g").unwrap().truncated);
    assert!(!narrow.link_words("a b", "a b c").unwrap().truncated);
    let blind = speaker(
        TokenizerKind::Word,
        &ModelConfig::Bottleneck(recurrent()),
        4,
    );
    assert_eq!(blind.link_words("un été", "déjà"), None);
}
