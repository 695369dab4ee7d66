//! Mounts AsyncFlow's endpoints into poem.
