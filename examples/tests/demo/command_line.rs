//! Flags, and the environment variables that stand in for them.

use std::{
    net::TcpListener,
    process::{Command, Output},
};

use crate::process::{Demo, command, run};

/// Each flag with a bad value, and what is said then.
const BAD: [(&str, &str, &str); 17] = [
    ("addr", "localhost", "IP address and a port"),
    ("store", "mysql", "`memory`, `sqlite:PATH`, `redis://HOST` and `postgres://HOST/DATABASE`"),
    ("store", "sqlite:", "`sqlite:PATH`"),
    ("store", "redis:", "`redis://HOST`"),
    ("store", "postgres:jobs", "`postgres://HOST/DATABASE`"),
    ("executor", "celery", "[possible values: tokio]"),
    ("framework", "rocket", "[possible values: axum, hyper, warp, poem]"),
    ("naming", "snake", "[possible values: default, camel]"),
    ("role", "watch", "[possible values: serve, work, both]"),
    ("prefix", "api", "such as /api"),
    ("prefix", "/a//b", "such as /api"),
    ("prefix", "/a?b", "such as /api"),
    ("prefix", "/{a}", "such as /api"),
    ("base-url", "/api", "such as https://example.com/api"),
    ("concurrency", "0", "from 1 upwards"),
    ("lease", "0.9", "from 1 to 86400"),
    ("lease", "-1", "from 1 to 86400"),
];

fn refused(output: &Output, says: &[&str]) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    for says in says {
        assert!(error.contains(says), "{says:?} is not in: {error}");
    }
    assert!(output.stdout.is_empty());
}

#[test]
fn a_bad_value_says_what_exists_and_where_it_stood() {
    for (flag, value, says) in BAD {
        let flag = format!("--{flag}");
        refused(&run(&mut command(&[&flag, value])), &[&flag, value, says]);
        let variable = format!("ASYNCFLOW_{}", flag[2..].to_uppercase().replace('-', "_"));
        refused(&run(command(&[]).env(&variable, value)), &[&variable, value, says]);
    }
    refused(&run(&mut command(&["--base-url", "http://h/<a>"])), &["--base-url", "such as https://example.com/api"]);
    refused(&run(command(&[]).env("RUST_LOG", "info,demo=loud")), &["RUST_LOG"]);
}

#[test]
fn what_is_no_flag_is_named_and_no_variable_is_blamed() {
    for (argument, named) in [
        ("--stroe", "'--stroe'"),
        ("--storé=x", "'--storé'"),
        ("store=memory", "'store=memory'"),
        ("a b", "'a b'"),
        ("-x", "'-x'"),
        ("-éx", "'-é'"),
    ] {
        let output = run(&mut command(&[argument]));
        refused(&output, &[named]);
        assert!(!String::from_utf8_lossy(&output.stderr).contains("ASYNCFLOW_"), "{output:?}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_text_is_refused() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    for argument in [&b"\xff"[..], b"--\xff", b"--store=\xff", b"-\xff"] {
        refused(&run(command(&[]).arg(OsStr::from_bytes(argument))), &["error: "]);
    }
    // Beside what is wrong as well.
    let mut both = command(&["--addr", "nowhere"]);
    refused(&run(both.arg(OsStr::from_bytes(b"\xff"))), &["error: "]);
    refused(&run(command(&[]).env("ASYNCFLOW_STORE", OsStr::from_bytes(b"\xff"))), &["error: "]);
}

/// Whether the URL is taken for one or not.
#[test]
fn a_password_is_not_told() {
    let ways: [fn(&str) -> Command; 4] = [
        |url| command(&["--addr", "127.0.0.1:0", "--store", url]),
        |url| with_store(command(&["--addr", "127.0.0.1:0"]), url),
        |url| with_store(command(&["--help"]), url),
        |url| command(&[url]),
    ];
    // All at once, as some wait for a server for half a minute.
    std::thread::scope(|scope| {
        for url in [
            "redi://me:secret@host",
            "redi:/me:secret@host",
            "postgre://host/jobs?user=me&password=secret",
            "postgre://host/jobs?user=me@example.com&password=secret",
            "host=host user=me password=secret",
            "redis://me:secret@127.0.0.1:1",
            "redis://me:secret@host:port",
            "postgres://me:secret@127.0.0.1:1/jobs",
            "postgres://me:secret@host:port/jobs",
        ] {
            for way in ways {
                scope.spawn(move || {
                    let output = run(way(url).env("RUST_LOG", "trace"));
                    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
                    assert!(!said.contains("secret"), "{said}");
                });
            }
        }
    });
}

fn with_store(mut command: Command, url: &str) -> Command {
    command.env("ASYNCFLOW_STORE", url);
    command
}

#[test]
fn a_flag_beats_its_variable_and_a_variable_the_default() {
    let mut both = command(&["--addr", "127.0.0.1:0", "--framework", "hyper"]);
    Demo::spawn(both.env("ASYNCFLOW_ADDR", "nowhere").env("ASYNCFLOW_FRAMEWORK", "rocket"));
    let demo = Demo::spawn(command(&[]).env("ASYNCFLOW_ADDR", "127.0.0.1:0"));
    assert_ne!(demo.address.port(), 8080);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let output = run(&mut command(&["--addr", &address]));
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains(&address) && error.contains("in use"), "{error}");
}

#[test]
fn help_names_every_flag_and_variable() {
    let output = run(&mut command(&["--help"]));
    assert!(output.status.success());
    let help = String::from_utf8_lossy(&output.stdout);
    for (flag, ..) in BAD {
        assert!(help.contains(&format!("--{flag} ")), "{flag}");
        assert!(help.contains(&format!("ASYNCFLOW_{}", flag.to_uppercase().replace('-', "_"))), "{flag}");
    }
}
