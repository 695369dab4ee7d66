//! What AsyncFlow's demo server and examples share: nothing but the README, whose code is compiled here.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
