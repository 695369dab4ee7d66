//! As many requests as there is time for, or so many.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    time::{Duration, Instant},
};

use bench_load::{Failed, activity};

use crate::{
    Args, Mode,
    conn::{Conn, mark},
    epoll::Epoll,
};

/// How long answers may take.
const PATIENCE: Duration = Duration::from_secs(60);

struct Caller {
    conn: Conn,
    step: Step,
    number: u64,
    id: [u8; 36],
    began: Instant,
    /// How long it waits before it polls again.
    pause: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Post,
    Status,
    Result,
    Rest,
}

impl Caller {
    fn begin(&mut self, args: &Args, number: u64) -> std::io::Result<()> {
        (self.number, self.began, self.pause) = (number, Instant::now(), Duration::from_millis(1));
        match args.mode {
            Mode::Get => {
                self.step = Step::Status;
                self.conn.get(args, &args.path, "")
            }
            _ => {
                self.step = Step::Post;
                self.conn.post(args, number)
            }
        }
    }

    fn look(&mut self, args: &Args, step: Step) -> std::io::Result<()> {
        self.step = step;
        let what = if step == Step::Status { "status" } else { "result" };
        let path = format!("/echo/{}/{what}", String::from_utf8_lossy(&self.id));
        self.conn.get(args, &path, "")
    }
}

pub(crate) fn run(args: &Args) -> Result<(), Failed> {
    let mut epoll = Epoll::new()?;
    let now = Instant::now();
    let open = |name| {
        let conn = Conn::open(&args.addr, &epoll, name)?;
        Ok(Caller { conn, step: Step::Rest, number: 0, id: [0; 36], began: now, pause: Duration::ZERO })
    };
    let mut callers: Vec<Caller> = (0..args.conns).map(open).collect::<std::io::Result<_>>()?;
    let ran = || if args.pid > 0 { activity(args.pid).map(|(ran, _)| ran) } else { Ok(Duration::ZERO) };
    let (began, ran_before) = (Instant::now(), ran()?);
    let (mut made, mut done, mut active) = (0, 0_u32, 0);
    for caller in &mut callers {
        if args.goes_on(made, began) {
            caller.begin(args, made)?;
            (made, active) = (made + 1, active + 1);
        }
    }
    let mut took: Vec<Duration> = Vec::new();
    let mut polls = BinaryHeap::new();
    let mut heard = Instant::now();
    while active > 0 {
        let until = polls.peek().map(|Reverse((at, _)): &Reverse<(Instant, usize)>| at.duration_since(Instant::now()));
        let ready = epoll.wait(until.map_or(1000, |until| until.as_micros().div_ceil(1000) as i32));
        let now = Instant::now();
        if heard.elapsed() > PATIENCE {
            return Err(format!("{active} answers did not come").into());
        }
        while polls.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            if let Some(Reverse((_, name))) = polls.pop() {
                callers[name].look(args, Step::Status)?;
            }
        }
        for name in ready {
            let caller = &mut callers[name];
            let Some(answer) = caller.conn.answer()? else { continue };
            heard = Instant::now();
            let (code, step) = (answer.code, caller.step);
            let wrong = || format!("{code} at {step:?}: {}", String::from_utf8_lossy(answer.body));
            match (args.mode, step) {
                (Mode::Get, _) if code == 200 => {}
                (Mode::Enqueue | Mode::Life, Step::Post) if code == 202 => {
                    caller.id = answer.id().ok_or_else(wrong)?;
                    if args.mode == Mode::Life {
                        caller.look(args, Step::Status)?;
                        continue;
                    }
                }
                (Mode::Life, Step::Status) if code == 200 && answer.says(b"\"Succeeded\"") => {
                    caller.look(args, Step::Result)?;
                    continue;
                }
                // A slow server's workers must not be starved by polling.
                (Mode::Life, Step::Status) if code == 200 && !answer.says(b"\"Failed\"") => {
                    caller.step = Step::Rest;
                    polls.push(Reverse((now + caller.pause, name)));
                    caller.pause = (caller.pause * 2).min(Duration::from_millis(16));
                    continue;
                }
                (Mode::Life, Step::Result) if answer.says(mark(caller.number).to_string().as_bytes()) => {}
                _ => return Err(wrong().into()),
            }
            took.push(caller.began.elapsed());
            done += 1;
            if args.goes_on(made, began) {
                caller.begin(args, made)?;
                made += 1;
            } else {
                active -= 1;
            }
        }
    }
    took.sort_unstable();
    let share =
        |share: f64| took.get((took.len().saturating_sub(1) as f64 * share) as usize).copied().unwrap_or_default();
    println!("done {done}");
    println!("cpu_us {:.2}", (ran()? - ran_before).as_secs_f64() * 1e6 / f64::from(done));
    println!("per_second {:.1}", f64::from(done) / began.elapsed().as_secs_f64());
    println!("p50_us {:.1}\np99_us {:.1}", share(0.5).as_secs_f64() * 1e6, share(0.99).as_secs_f64() * 1e6);
    if let Some(caller) = callers.first().filter(|_| args.mode != Mode::Get) {
        println!("id {}", String::from_utf8_lossy(&caller.id));
    }
    Ok(())
}
