//! Panics that nobody asked for.

use std::{
    cell::{Cell, RefCell},
    panic,
    sync::Once,
};

use super::work::PANIC;

thread_local! {
    static SIMULATES: Cell<bool> = const { Cell::new(false) };
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Notes from now on what panics on this thread, and where; says nothing of it elsewhere.
pub(super) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !SIMULATES.get() {
                return before(info);
            }
            if info.payload().downcast_ref::<String>().is_none_or(|text| text != PANIC) {
                SAID.with_borrow_mut(|said| said.get_or_insert_with(|| info.to_string()).truncate(4096));
            }
        }));
    });
    SIMULATES.set(true);
    SAID.take();
}

/// What panicked since the last look.
pub(super) fn take() -> Option<String> {
    SAID.take()
}

/// Panics on this thread are as others again.
pub(super) fn unwatch() {
    SIMULATES.set(false);
}
