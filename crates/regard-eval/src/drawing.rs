//! What the pictures and tables of this crate have in common: scales, styles of curves, numbers as words, sheets to draw on.

pub(crate) mod columns;
pub(crate) mod heat_map;
pub(crate) mod marks;
pub(crate) mod numbers;
pub(crate) mod scale;
pub(crate) mod sheet;
