//! Mounts AsyncFlow's endpoints into [warp].
