//! Every example does what its first lines say.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use crate::process::{Demo, run};

/// One of the examples, which cargo builds beside the demo unless it was told what to build.
fn example(name: &str) -> Command {
    let demo = PathBuf::from(env!("CARGO_BIN_EXE_demo"));
    let path = demo.with_file_name("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    if !path.exists() {
        let profile = demo.parent().and_then(|folder| folder.file_name()).unwrap().to_str().unwrap();
        let profile = if profile == "debug" { "dev" } else { profile };
        let build = ["build", "--quiet", "--workspace", "--examples", "--profile", profile];
        assert!(Command::new(env!("CARGO")).args(build).status().unwrap().success());
    }
    Command::new(path)
}

fn says(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn a_server_of_each_framework_greets() {
    for (name, flow, index) in [
        ("axum", "/jobs/greet", "/"),
        ("warp", "/jobs/greet", "/"),
        ("poem", "/jobs/greet", "/"),
        ("hyper", "/greet", "/greet/elsewhere"),
        ("tower_middleware", "/greet", "/elsewhere"),
    ] {
        let server = Demo::spawn(example(name).arg("127.0.0.1:0"));
        let mut client = server.client().await;
        let job = client.submit(flow, "\"world\"").await;
        assert_eq!(client.result(&job).await, "hello, world", "{name}");
        let found = client.get(index).await.status == 200;
        assert_eq!(found, name != "hyper", "{name}");
        // However long a client would wait, it hears of its job before the timeout that is around the endpoint.
        if name == "tower_middleware" {
            let waits = [("content-type", "application/json"), ("prefer", "wait=25")];
            let waited = client.send("POST", flow, &waits, "\"world\"").await;
            assert_eq!((waited.status, waited.header("preference-applied")), (200, "wait=8"));
        }
    }
}

#[test]
fn a_restart_forgets_nothing() {
    let said = says(&run(&mut example("sqlite")));
    let lines = ["the first engine says: hello, world", "the second remembers: hello, world"];
    assert!(lines.iter().all(|line| said.contains(line)), "{said}");
    assert!(said.ends_with("and does what was left: hello, tomorrow\n"), "{said}");
}

#[cfg(unix)]
#[tokio::test]
async fn nodes_share_a_server() {
    use asyncflow_testkit::servers::{Kind, shared};

    for (name, kind) in [("redis", Kind::Redis), ("postgres", Kind::Postgres)] {
        let said = says(&run(example(name).arg(shared(kind).await.unwrap())));
        assert_eq!(said, "the other node says: hello, world\n", "{name}");
    }
}

#[test]
fn a_job_is_followed_to_its_end() {
    let demo = Demo::start(&[]);
    let address = demo.address.to_string();
    let follow = |flow: &str, request: &str| run(example("follow").args([&address, flow, request]));
    // As the README says.
    let readme = include_str!("../../../README.md");
    let (_, command) = readme.lines().find_map(|line| line.split_once("--example follow -- ")).unwrap();
    let [_, flow, request] = command.split(' ').collect::<Vec<_>>()[..] else { panic!("{command}") };
    assert_eq!(says(&follow(flow, request.trim_matches('\''))), "{\"data\":\"Ahmed\"}\n");
    assert!(says(&follow("/fail", r#"{"message":"why not"}"#)).contains("why not"));
    let this = concat!("@", env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    assert!(says(&follow("/textstats", this)).contains(r#""top":[{"word":"=""#));
    for (flow, request) in [("/elsewhere", "1"), ("/data", "no JSON"), ("/textstats", "@no-such-file")] {
        assert_eq!(follow(flow, request).status.code(), Some(1));
    }
}
