//! Where the files of the cluster are, below the run's folder.
//!
//! ```text
//! FOLDER/cluster/keys/               authority, certificates and keys
//! FOLDER/cluster/clients.toml        the cluster file as clients see it
//! FOLDER/cluster/NAME/cluster.toml   the cluster file as one node sees it: with a relay, others have other addresses
//! FOLDER/cluster/NAME/node.toml      its configuration
//! FOLDER/cluster/NAME/data/          a participant's database
//! FOLDER/nodes/NAME.log              what it said
//! ```

use crate::attack::{
    error::{AttackError, file},
    options::AttackOptions,
};
use assent_transport::{Authority, Cluster, Node, Role};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The name that stands for all clients where links are named.
pub(crate) const CLIENTS: &str = "clients";

/// Where the files are.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    folder: PathBuf,
}

impl Layout {
    /// Makes the folders of a new run.
    pub(crate) fn make(folder: &Path) -> Result<Layout, AttackError> {
        let folder = std::path::absolute(folder).map_err(file("find", folder))?;
        let layout = Layout { folder };
        if layout.cluster().exists() {
            return Err(AttackError::Option {
                option: "folder",
                value: layout.folder.display().to_string(),
                why: "it holds the cluster of an earlier run; name another one, or remove it".to_owned(),
            });
        }
        for made in [layout.keys(), layout.logs()] {
            fs::create_dir_all(&made).map_err(file("make", &made))?;
        }
        Ok(layout)
    }

    pub(crate) fn cluster(&self) -> PathBuf {
        self.folder.join("cluster")
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.cluster().join("keys")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.folder.join("nodes")
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    pub(crate) fn node(&self, name: &str) -> PathBuf {
        self.cluster().join(name)
    }

    /// The cluster file as clients see it.
    pub(crate) fn clients_file(&self) -> PathBuf {
        self.cluster().join("clients.toml")
    }

    /// The certificate of a client, its key and the authority.
    pub(crate) fn client_identity(&self, name: &str) -> [PathBuf; 3] {
        let keys = self.keys();
        [
            keys.join(format!("client-{name}.crt")),
            keys.join(format!("client-{name}.key")),
            keys.join("ca.crt"),
        ]
    }
}

/// Names and roles, in the order of their ids.
pub(crate) fn roster(options: &AttackOptions) -> Vec<(Role, String)> {
    let courses = match options.participants {
        1 => 0,
        several => (several / 3).max(1),
    };
    let kinds = [
        (Role::Coordinator, "coordinator", options.coordinators),
        (Role::Participant, "students", options.participants - courses),
        (Role::Participant, "courses", courses),
    ];
    let named = |(role, kind, count)| (1..=count).map(move |number| (role, format!("{kind}-{number}")));
    kinds.into_iter().flat_map(named).collect()
}

/// Writes keys, cluster files and configurations. `seen(from, to)` is the address at which one end reaches a node.
pub(crate) fn write(
    layout: &Layout,
    nodes: &[Node],
    clients: &[String],
    log: &str,
    seen: impl Fn(&str, &Node) -> std::net::SocketAddr,
) -> Result<(), AttackError> {
    let wrong = |error: &dyn std::fmt::Display| AttackError::Layout(error.to_string());
    let authority = Authority::create(&layout.keys()).map_err(|error| wrong(&error))?;
    for client in clients {
        authority.issue_into(&layout.keys(), Role::Client, client).map_err(|error| wrong(&error))?;
    }
    for node in nodes {
        authority.issue_into(&layout.keys(), node.role, &node.name).map_err(|error| wrong(&error))?;
        let folder = layout.node(&node.name);
        fs::create_dir_all(&folder).map_err(file("make", &folder))?;
        put(&folder.join("cluster.toml"), &cluster_file(nodes, |to| seen(&node.name, to))?)?;
        put(&folder.join("node.toml"), &node_file(node, log))?;
    }
    put(&layout.clients_file(), &cluster_file(nodes, |to| seen(CLIENTS, to))?)
}

/// Gives a node a new certificate and key of the same authority. It takes them when it is started again.
pub(crate) fn reissue(layout: &Layout, node: &Node) -> Result<(), AttackError> {
    let wrong = |error: &dyn std::fmt::Display| AttackError::Layout(error.to_string());
    let authority = Authority::load(&layout.keys()).map_err(|error| wrong(&error))?;
    for extension in ["crt", "key"] {
        let path = layout.keys().join(format!("{}-{}.{extension}", node.role, node.name));
        fs::remove_file(&path).map_err(file("remove", &path))?;
    }
    authority.issue_into(&layout.keys(), node.role, &node.name).map(|_| ()).map_err(|error| wrong(&error))
}

fn cluster_file(nodes: &[Node], seen: impl Fn(&Node) -> std::net::SocketAddr) -> Result<String, AttackError> {
    let nodes: Vec<Node> = nodes.iter().map(|node| Node { address: seen(node), ..node.clone() }).collect();
    let of = |kind: &str| -> Vec<String> {
        nodes.iter().map(|node| node.name.clone()).filter(|name| name.starts_with(kind)).collect()
    };
    // Without participants for courses, both tables are on all: no line is needed for that.
    let tables = match of("courses-") {
        courses if courses.is_empty() => BTreeMap::new(),
        courses => BTreeMap::from([("student".to_owned(), of("students-")), ("course".to_owned(), courses)]),
    };
    let cluster = Cluster::new(&nodes, &tables).map_err(|error| AttackError::Layout(error.to_string()))?;
    Ok(cluster.to_toml())
}

fn node_file(node: &Node, log: &str) -> String {
    let key = format!("../keys/{}-{}", node.role, node.name);
    let mut table = toml::Table::new();
    let mut set = |name: &str, value: String| table.insert(name.to_owned(), toml::Value::String(value));
    set("cluster", "cluster.toml".to_owned());
    set("name", node.name.clone());
    set("certificate", format!("{key}.crt"));
    set("key", format!("{key}.key"));
    set("authority", "../keys/ca.crt".to_owned());
    if node.role == Role::Participant {
        set("data", "data".to_owned());
    }
    set("log", log.to_owned());
    table.to_string()
}

fn put(path: &Path, text: &str) -> Result<(), AttackError> {
    fs::write(path, text).map_err(file("write", path))
}
