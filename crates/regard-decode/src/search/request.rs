//! What is asked for one source.

/// Bounds on the number of tokens of a hypothesis, the end token not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetLength {
    /// The end token is not taken before.
    pub least: usize,
    /// Search stops here, end token or not.
    pub most: usize,
}

/// What is asked of the hypotheses of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// How long they may be.
    pub length: TargetLength,
    /// Tokens they begin with. No rule bars them.
    pub prefix: Vec<u32>,
    /// Phrases that stand in each of them, wherever; one token may serve several. No rule bars their tokens. Only
    /// [`beam_search`](crate::beam_search) knows of them.
    pub constraints: Vec<Vec<u32>>,
    /// Which of all sources it is: a draw is a function of this number, not of what else is in the batch.
    pub number: u64,
}

impl From<TargetLength> for Request {
    /// Nothing but a length is asked for.
    fn from(length: TargetLength) -> Self {
        Self {
            length,
            prefix: Vec::new(),
            constraints: Vec::new(),
            number: 0,
        }
    }
}

impl Request {
    /// Why no hypothesis can be what is asked for, if none can.
    pub fn problem(&self) -> Option<String> {
        let most = self.length.most;
        let prefix = self.prefix.len();
        if prefix > most {
            return Some(format!(
                "a prefix of {prefix} tokens, but a translation may have at most {most}"
            ));
        }
        if self.constraints.iter().any(Vec::is_empty) {
            return Some("a phrase without a token must appear".into());
        }
        let missing: usize = self
            .constraints
            .iter()
            .filter(|phrase| {
                !self
                    .prefix
                    .windows(phrase.len())
                    .any(|window| window == *phrase)
            })
            .map(Vec::len)
            .sum();
        (missing > most - prefix).then(|| {
            format!(
                "phrases of {missing} tokens must appear, but a translation has room for {} behind its prefix",
                most - prefix
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_told() {
        let request = |most, prefix: &[u32], constraints: &[&[u32]]| Request {
            prefix: prefix.into(),
            constraints: constraints.iter().map(|&phrase| phrase.into()).collect(),
            ..Request::from(TargetLength { least: 0, most })
        };
        assert_eq!(request(0, &[], &[]).problem(), None);
        assert_eq!(request(3, &[5], &[&[7, 8]]).problem(), None);
        assert_eq!(request(2, &[7, 8], &[&[7, 8]]).problem(), None);
        for (request, expected) in [
            (
                request(1, &[5, 6], &[]),
                "a prefix of 2 tokens, but a translation may have at most 1",
            ),
            (
                request(4, &[], &[&[7], &[]]),
                "a phrase without a token must appear",
            ),
            (
                request(4, &[5], &[&[7, 8], &[9, 9]]),
                "phrases of 4 tokens must appear, but a translation has room for 3 behind its prefix",
            ),
        ] {
            assert_eq!(request.problem().as_deref(), Some(expected));
        }
    }
}
