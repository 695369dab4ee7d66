//! Waits for many sockets at once, at less cost than any runtime.

use std::{io, os::fd::AsRawFd};

pub(crate) struct Epoll {
    fd: i32,
    events: Vec<libc::epoll_event>,
}

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: it takes no pointer.
        let fd = unsafe { libc::epoll_create1(0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { fd, events: vec![libc::epoll_event { events: 0, u64: 0 }; 256] })
    }

    /// Tells of this socket, by this name, whenever it can be read.
    pub(crate) fn add(&self, socket: &impl AsRawFd, name: usize) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: name as u64 };
        // SAFETY: the event outlives the call.
        match unsafe { libc::epoll_ctl(self.fd, libc::EPOLL_CTL_ADD, socket.as_raw_fd(), &mut event) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// The names of sockets that can be read, after so many milliseconds at most.
    pub(crate) fn wait(&mut self, millis: i32) -> Vec<usize> {
        let most = self.events.len() as i32;
        // SAFETY: the kernel writes at most as many events as there is room for.
        let ready = unsafe { libc::epoll_wait(self.fd, self.events.as_mut_ptr(), most, millis) };
        self.events.iter().take(ready.max(0) as usize).map(|event| event.u64 as usize).collect()
    }
}
