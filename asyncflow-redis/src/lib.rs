//! Keeps AsyncFlow's jobs in a Redis or Valkey server, which any number of nodes share.

mod builder;
mod checks;
mod failure;
mod keys;
mod link;
mod listener;
mod part;
mod policies;
mod raw;
mod read;
mod record;
mod scripts;
mod server;
mod store;
mod write;

pub use builder::RedisStoreBuilder;
pub use store::RedisStore;
