//! A setting of the allocator.

#![allow(unsafe_code, reason = "the option is set through C")]

/// Makes mimalloc keep freed memory for the next step instead of giving it back to the system: a step frees and asks for the
/// same blocks again, and every page that was given back has to be cleared before it comes again.
///
/// For programs whose global allocator is mimalloc 3, to be called before memory is freed; without effect in others. Memory
/// in use is as before, so is its peak but for some per cent.
pub fn keep_freed_memory() {
    /// `mi_option_purge_delay` of mimalloc 3's `mimalloc.h`; -1 is "no purging at all".
    const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
    // SAFETY: the function stores a number under an index that this version has, and may be called at any time.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, -1) }
}
