//! Nodes that share a store, and come and go.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use crate::process::{Demo, command};

/// As short as a lease should be: what a dead node ran is taken over within seconds.
pub(crate) const LEASE: &str = "2";

/// What nodes log: how attempts end too.
const LOG: &str = "info,asyncflow_core::worker::finish=debug";

#[derive(Debug)]
pub(crate) struct Fleet {
    /// What a node's `--store` is.
    stores: Vec<String>,
    arguments: Vec<&'static str>,
    nodes: Vec<Option<Demo>>,
    addresses: Addresses,
}

/// Where nodes listen that are up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addresses(Arc<Mutex<Vec<Option<SocketAddr>>>>);

impl Addresses {
    pub(crate) fn up(&self) -> Vec<SocketAddr> {
        self.0.lock().unwrap().iter().copied().flatten().collect()
    }

    fn set(&self, node: usize, address: Option<SocketAddr>) {
        self.0.lock().unwrap()[node] = address;
    }
}

impl Fleet {
    /// Starts a node on each of these stores, as different ways to one store.
    pub(crate) fn start(stores: &[String], arguments: &[&'static str]) -> Self {
        let addresses = Addresses(Arc::new(Mutex::new(vec![None; stores.len()])));
        let nodes = stores.iter().map(|_| None).collect();
        let mut fleet = Self { stores: stores.to_vec(), arguments: arguments.to_vec(), nodes, addresses };
        (0..stores.len()).for_each(|node| fleet.up(node));
        fleet
    }

    pub(crate) fn addresses(&self) -> Addresses {
        self.addresses.clone()
    }

    pub(crate) fn node(&self, node: usize) -> &Demo {
        self.nodes[node].as_ref().expect("it is up")
    }

    /// Starts a node, if it is not up.
    pub(crate) fn up(&mut self, node: usize) {
        if self.nodes[node].is_none() {
            let store = ["--store", &self.stores[node]];
            let mut command = command(&[&store, &self.arguments[..], &["--addr", "127.0.0.1:0"]].concat());
            let demo = Demo::spawn(command.env("RUST_LOG", LOG));
            self.addresses.set(node, Some(demo.address));
            self.nodes[node] = Some(demo);
        }
    }

    /// Kills a node, if it is up.
    pub(crate) fn kill(&mut self, node: usize) {
        if let Some(mut demo) = self.nodes[node].take() {
            demo.kill();
            self.addresses.set(node, None);
        }
    }

    /// Lets a node end what it runs, and waits for its end.
    pub(crate) async fn drain(&mut self, node: usize) {
        if let Some(mut demo) = self.nodes[node].take() {
            demo.signal("TERM");
            assert_eq!(demo.wait().await.code(), Some(0), "{}", demo.log());
            self.addresses.set(node, None);
        }
    }
}
