//! The kinds of attention: each is held to the laws of all, and to what is its own.

mod multi_head;
