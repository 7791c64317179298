//! Room in a beam for hypotheses that have come further with their phrases.

/// Which of the candidates are kept: `missing[i]` is how many tokens candidate `i` still lacks, of `total`; candidates are
/// sorted, the best first. At most `width` places, ascending.
///
/// The beam is divided among banks, one for each number of missing tokens from `total` to 0; what is left over goes to the one
/// that lacks least. A bank without enough candidates gives its room to the others, those that lack less first.
///
/// # References
///
/// Post, Vilar. Fast Lexically Constrained Decoding with Dynamic Beam Allocation. NAACL 2018.
/// <https://aclanthology.org/N18-1119>
pub(super) fn allocate(missing: &[usize], total: usize, width: usize) -> Vec<usize> {
    let banks = total + 1;
    let mut candidates = vec![Vec::new(); banks];
    for (place, &missing) in missing.iter().enumerate() {
        candidates[missing.min(total)].push(place);
    }
    let mut room = vec![width / banks; banks];
    room[0] += width % banks;
    let mut spare = 0;
    for (room, candidates) in room.iter_mut().zip(&candidates) {
        let unused = room.saturating_sub(candidates.len());
        *room -= unused;
        spare += unused;
    }
    for (room, candidates) in room.iter_mut().zip(&candidates) {
        let more = spare.min(candidates.len() - *room);
        *room += more;
        spare -= more;
    }
    let kept = candidates.iter().zip(&room);
    let mut kept: Vec<usize> = kept
        .flat_map(|(candidates, &room)| candidates.iter().copied().take(room))
        .collect();
    kept.sort_unstable();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bank_has_its_share_and_leaves_what_it_cannot_use() {
        // Five for three banks: one each, and two more for the one that lacks nothing.
        let missing = [2, 2, 2, 1, 1, 0, 0, 0, 0];
        assert_eq!(allocate(&missing, 2, 5), [0, 3, 5, 6, 7]);
        // Two lack nothing: the third place goes to those that lack one.
        let missing = [2, 2, 2, 1, 1, 0, 0];
        assert_eq!(allocate(&missing, 2, 5), [0, 3, 4, 5, 6]);
        assert_eq!(allocate(&[2, 2, 2], 2, 2), [0, 1]);
        assert_eq!(allocate(&[2, 1], 2, 5), [0, 1]);
        // A beam narrower than the banks.
        assert_eq!(allocate(&[3, 3, 2, 1], 3, 2), [2, 3]);
    }

    #[test]
    fn without_phrases_it_is_the_best() {
        assert_eq!(allocate(&[0; 7], 0, 3), [0, 1, 2]);
    }
}
