//! What the stores that nodes share cost, each on a server of its own. Prints lines of `name value`, which `cargo xtask bench` reads.
//!
//! ```text
//! bench-cost cost redis|postgres [ROUNDS]   round trips of a life, and what hints cost
//! bench-cost age [ENDED [WAITING [ROUNDS]]] Postgres among ended and waiting jobs, against empty tables
//! bench-cost open [SECONDS]                 Postgres while another session holds a transaction open
//! bench-cost held [CLAIMS]                  claims among jobs that limits hold back, of SQLite too
//! ```

mod age;
mod cost;
mod held_back;
mod held_open;
mod lives;
mod postgres;
mod server;

pub(crate) type Failed = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let number = |place: usize, otherwise: usize| match args.get(place) {
        Some(text) => text.replace('_', "").parse(),
        None => Ok(otherwise),
    };
    match args.first() {
        Some(&"cost") => cost::measure(args.get(1).copied().unwrap_or_default(), number(2, 9)?).await,
        Some(&"age") => age::measure(number(1, 5_000_000)?, number(2, 100_000)?, number(3, 9)?).await,
        Some(&"open") => held_open::measure(number(1, 180)?).await,
        Some(&"held") => held_back::measure(number(1, 100)?).await,
        _ => Err(
            "bench-cost cost redis|postgres [ROUNDS] | age [ENDED [WAITING [ROUNDS]]] | open [SECONDS] | held [CLAIMS]"
                .into(),
        ),
    }
}
