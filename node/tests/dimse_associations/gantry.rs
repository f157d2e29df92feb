//! The whole node, with a store of its own, behind the acceptor.

use gantry::config::Config;
use gantry::serve::Node;
use gantry_store::associations::{AssociationRow, Wanted};
use gantry_terms::uid::Uid;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

pub struct Gantry {
    pub port: u16,
    pub node: Node,
    folder: TempDir,
}

/// A configuration of a node called GANTRY on a free port, with `further` sections.
pub fn configuration(folder: &Path, further: &str) -> String {
    for name in ["rules", "models"] {
        std::fs::create_dir_all(folder.join(name)).expect("a fresh folder can be written");
    }
    let listen = match further.contains("[listen]") {
        true => further.replacen("[listen]", "[listen]\naddress = \"127.0.0.1:0\"", 1),
        false => format!("[listen]\naddress = \"127.0.0.1:0\"\n{further}"),
    };
    format!("[node]\nae-title = \"GANTRY\"\n{listen}")
}

impl Gantry {
    pub async fn start(further: &str) -> Self {
        Self::start_with(further, "").await
    }

    /// With these rules.
    pub async fn start_with(further: &str, rules: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let file = folder.path().join("node.toml");
        let config = Config::parse(&configuration(folder.path(), further), &file);
        std::fs::write(folder.path().join("rules/rules.toml"), rules).expect("written");
        let node = Node::start(config.expect("a good configuration")).await.expect("it starts");
        let port = node.address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        Self { port: port.expect("host and port"), node, folder }
    }

    /// The Part 10 file that is kept under this UID.
    pub async fn object(&self, instance: &Uid) -> bytes::Bytes {
        self.node.store.settled().await;
        self.node.store.object(instance).await.expect("asked").expect("kept")
    }

    /// The newest association that `fits`, as soon as it is recorded.
    pub async fn recorded(&self, fits: impl Fn(&AssociationRow) -> bool) -> AssociationRow {
        let wanted = Wanted { limit: 100, ..Wanted::default() };
        let mut bell = self.node.store.bell();
        let waiting = async {
            loop {
                bell.borrow_and_update();
                let rows = self.node.store.associations(&wanted).await.expect("asked");
                if let Some(row) = rows.into_iter().find(&fits) {
                    return row;
                }
                bell.changed().await.expect("the store lives");
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it is recorded")
    }

    /// Its folder outlives it.
    pub async fn stop(self) -> TempDir {
        self.node.stop().await;
        self.folder
    }
}
