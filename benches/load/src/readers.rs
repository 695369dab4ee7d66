//! Many readers that wait, each for a job of its own: what they add to the memory of the server, and what it does meanwhile.

use std::{
    thread,
    time::{Duration, Instant},
};

use bench_load::{Failed, activity, resident};

use crate::{Args, conn::Conn, epoll::Epoll};

/// How long answers may take.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn run(args: &Args) -> Result<(), Failed> {
    let mut epoll = Epoll::new()?;
    let mut conns =
        (0..args.conns).map(|name| Conn::open(&args.addr, &epoll, name)).collect::<std::io::Result<Vec<_>>>()?;
    let mut ids = vec![String::new(); conns.len()];
    // Every connection has been used before it is measured: for a post, and for a status.
    for (number, conn) in conns.iter_mut().enumerate() {
        conn.post(args, number as u64)?;
    }
    all(&mut epoll, &mut conns, |name, code, id| {
        ids[name] = id.filter(|_| code == 202).ok_or(format!("{code} at the post"))?;
        Ok(())
    })?;
    let status = |id: &String| format!("/echo/{id}/status");
    let ok = |_: usize, code: u16, _: Option<String>| if code == 200 { Ok(()) } else { Err(format!("{code}").into()) };
    for (conn, id) in conns.iter_mut().zip(&ids) {
        conn.get(args, &status(id), "")?;
    }
    all(&mut epoll, &mut conns, ok)?;
    thread::sleep(Duration::from_secs(1));
    let (connected, patience) = (resident(args.pid)?, args.secs as u64 + 3);
    for (conn, id) in conns.iter_mut().zip(&ids) {
        conn.get(args, &status(id), &format!("prefer: wait={patience}\r\n"))?;
    }
    thread::sleep(Duration::from_secs(1));
    if let [name, ..] = epoll.wait(0)[..] {
        return Err(format!("reader {name} was answered at once").into());
    }
    let (waiting, (ran, slept)) = (resident(args.pid)?, activity(args.pid)?);
    thread::sleep(Duration::from_secs_f64(args.secs));
    let (ran_by_then, slept_by_then) = activity(args.pid)?;
    // Nothing changes: their patience ends, and each is answered.
    all(&mut epoll, &mut conns, ok)?;
    println!("bytes_each {}", waiting.saturating_sub(connected) / args.conns);
    println!("connection_bytes_each {}", connected / args.conns);
    println!("cpu_percent {:.2}", (ran_by_then - ran).as_secs_f64() / args.secs * 100.0);
    println!("wakeups_per_second {:.1}", (slept_by_then - slept) as f64 / args.secs);
    Ok(())
}

/// Waits until each connection is answered.
fn all(
    epoll: &mut Epoll,
    conns: &mut [Conn],
    mut each: impl FnMut(usize, u16, Option<String>) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let (mut left, end) = (conns.len(), Instant::now() + PATIENCE);
    while left > 0 {
        if Instant::now() > end {
            return Err(format!("{left} answers did not come").into());
        }
        for name in epoll.wait(1000) {
            if let Some(answer) = conns[name].answer()? {
                each(name, answer.code, answer.id().map(|id| String::from_utf8_lossy(&id).into_owned()))?;
                left -= 1;
            }
        }
    }
    Ok(())
}
