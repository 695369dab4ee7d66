//! What threads share. Tests that try schedules (`schedules/`) run all of it on shuttle's.

#[cfg(not(all(test, asyncflow_shuttle)))]
pub(crate) use std::sync::{Mutex, MutexGuard, RwLock, atomic};
#[cfg(not(all(test, asyncflow_shuttle)))]
pub(crate) use tokio::{runtime::Handle, sync::Notify, task::JoinHandle};

#[cfg(all(test, asyncflow_shuttle))]
pub(crate) use crate::schedules::{handle::Handle, notify::Notify};
#[cfg(all(test, asyncflow_shuttle))]
pub(crate) use shuttle::{
    future::JoinHandle,
    sync::{Mutex, MutexGuard, RwLock, atomic},
};
