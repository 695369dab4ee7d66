//! http
mod exchange;
mod request;
mod rules;
mod transcript;
mod wire;
