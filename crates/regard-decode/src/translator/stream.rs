//! A translation while it is made.

use std::fmt;

use burn::tensor::{Device, Tensor, TensorData};
use regard_kernels::most_probable;
use regard_nn::{Pass, Seq2Seq, device_id, each_model};
use regard_text::{SpecialIds, Tokenizer};

use super::Translator;

/// The text of a translation, piece by piece, as greedy search finds its tokens; see [`Translator::stream`].
pub struct TokenStream<'a> {
    ids: Box<dyn Iterator<Item = u32> + Send + 'a>,
    tokenizer: &'a Tokenizer,
    said: Vec<u32>,
    told: String,
    truncated: bool,
}

impl Translator {
    /// Translates one sentence and hands out each piece of text as soon as it is certain.
    ///
    /// # Behaviour
    ///
    /// - The pieces, one behind the other, are the translation that a beam of 1 finds, whatever `decode.beam` is; nothing else of
    ///   `[decode]` but the limits of length counts.
    /// - A piece is the text of one token, or of several where one alone is no text: bytes of one character.
    /// - What is not asked for is not computed.
    ///
    /// # Differences
    ///
    /// A tokenizer made elsewhere may change text it has given before when more tokens come; a piece that would have to is left
    /// out. None that is trained here does.
    pub fn stream(&self, sentence: &str) -> TokenStream<'_> {
        let mut source = self.tokenizers.source().encode(sentence.trim());
        let truncated = self.truncate(&mut source);
        // A line without a word is not translated, as in a batch.
        let ids: Box<dyn Iterator<Item = u32> + Send + '_> = if source.is_empty() {
            Box::new(std::iter::empty())
        } else {
            let special = self.tokenizers.target().special();
            let limit = self.target_length(source.len()).most;
            let source = self.source(&[&source]);
            let pass = Pass::evaluation();
            each_model!(&self.model, model => {
                let memory = model.encode(&source, &pass);
                let state = model.start(&memory);
                Box::new(GreedySteps::new(model, (memory, state), special, &self.device).take(limit))
            })
        };
        TokenStream {
            ids,
            tokenizer: self.tokenizers.target(),
            said: Vec::new(),
            told: String::new(),
            truncated,
        }
    }
}

impl TokenStream<'_> {
    /// Whether the sentence was cut, as that of a [`Translation`](crate::Translation).
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    /// What the tokens so far say beyond what was told.
    fn piece(&mut self, is_last: bool) -> Option<String> {
        let text = self.tokenizer.decode(&self.said);
        // Bytes of a character that are not all there yet.
        if !is_last && text.ends_with(char::REPLACEMENT_CHARACTER) {
            return None;
        }
        let piece = text.strip_prefix(&self.told)?.to_owned();
        self.told = text;
        (!piece.is_empty()).then_some(piece)
    }
}

impl Iterator for TokenStream<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        while let Some(id) = self.ids.next() {
            self.said.push(id);
            if let Some(piece) = self.piece(false) {
                return Some(piece);
            }
        }
        self.piece(true)
    }
}

impl fmt::Debug for TokenStream<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("TokenStream")
            .field("said", &self.said)
            .field("told", &self.told)
            .finish_non_exhaustive()
    }
}

/// The most probable token at each step, until the end.
struct GreedySteps<'a, M: Seq2Seq> {
    model: &'a M,
    memory: M::Memory,
    /// `None` once the end was said.
    state: Option<M::State>,
    token: u32,
    end: u32,
    device: Device,
}

impl<'a, M: Seq2Seq> GreedySteps<'a, M> {
    fn new(
        model: &'a M,
        (memory, state): (M::Memory, M::State),
        special: SpecialIds,
        device: &Device,
    ) -> Self {
        Self {
            model,
            memory,
            state: Some(state),
            token: special.start,
            end: special.end,
            device: device.clone(),
        }
    }
}

impl<M: Seq2Seq> Iterator for GreedySteps<'_, M> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let state = self.state.take()?;
        let data = TensorData::new(vec![device_id(self.token as usize)], [1]);
        let token = Tensor::from_data(data, &self.device);
        let pass = Pass::evaluation();
        let step = self.model.step(token, &self.memory, state, &pass);
        let (id, _) = most_probable(step.logits, &[None])[0];
        if id == self.end {
            return None;
        }
        self.state = Some(step.state);
        self.token = id;
        Some(id)
    }
}
