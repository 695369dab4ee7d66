//! Turns async functions into jobs that are followed by id: flows, engine, stores and executors, without HTTP.
