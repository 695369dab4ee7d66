//! Keeps AsyncFlow's jobs in an SQLite file.
