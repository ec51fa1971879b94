//! How a cluster is written down: TOML with `[[node]]` sections and one `[tables]` section.
//!
//! The only place that knows the file's shape. Every error names the line and the field.

use crate::{
    cluster::{Cluster, ClusterError, NODES_MAX, Node},
    principal::{Role, check_name},
};
use assent_protocol::ids::{NodeId, RecordId};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::SocketAddr};
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    node: Vec<FileNode>,
    #[serde(default)]
    tables: BTreeMap<Spanned<String>, Spanned<Vec<Spanned<String>>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileNode {
    id: Spanned<u16>,
    role: Spanned<String>,
    name: Spanned<String>,
    address: Spanned<String>,
    http: Option<Spanned<String>>,
}

/// Remembers the text, so that a place in it can be told as a line.
struct Source<'a> {
    text: &'a str,
    file: &'a str,
}

impl Source<'_> {
    fn refuse<T, V>(&self, at: &Spanned<V>, field: &str, why: String) -> Result<T, ClusterError> {
        let before = self.text.get(..at.span().start).unwrap_or(self.text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        Err(ClusterError::Field { file: self.file.to_owned(), line, field: field.to_owned(), why })
    }

    fn incomplete<T>(&self, why: &str) -> Result<T, ClusterError> {
        Err(ClusterError::Incomplete { file: self.file.to_owned(), why: why.to_owned() })
    }
}

pub(crate) fn parse(text: &str, file: &str) -> Result<Cluster, ClusterError> {
    let source = Source { text, file };
    let parsed: File = toml::from_str(text).map_err(|error| ClusterError::Syntax {
        file: file.to_owned(),
        why: error.to_string().trim_end().to_owned(),
    })?;
    if parsed.node.len() > NODES_MAX {
        return source.incomplete("more than 1,024 nodes");
    }
    let mut nodes: Vec<Node> = Vec::with_capacity(parsed.node.len());
    for entry in &parsed.node {
        let node = check_node(&source, entry)?;
        check_unique(&source, entry, &node, &nodes)?;
        nodes.push(node);
    }
    if !nodes.iter().any(|node| node.role == Role::Participant) {
        return source.incomplete("there is no participant; add a [[node]] with role = \"participant\"");
    }
    if !nodes.iter().any(|node| node.role == Role::Coordinator) {
        return source.incomplete("there is no coordinator; add a [[node]] with role = \"coordinator\"");
    }
    let mut tables = BTreeMap::new();
    for (table, names) in &parsed.tables {
        tables.insert(table.get_ref().clone(), check_table(&source, table, names, &nodes)?);
    }
    Ok(Cluster::from_checked(nodes, tables))
}

fn check_node(source: &Source<'_>, entry: &FileNode) -> Result<Node, ClusterError> {
    let role = match entry.role.get_ref().parse() {
        Ok(role @ (Role::Coordinator | Role::Participant)) => role,
        Ok(Role::Client) | Err(_) => {
            let why = format!("{:?} is neither \"coordinator\" nor \"participant\"", entry.role.get_ref());
            return source.refuse(&entry.role, "node.role", why);
        }
    };
    if let Err(error) = check_name(entry.name.get_ref()) {
        return source.refuse(&entry.name, "node.name", error.to_string());
    }
    let http = match &entry.http {
        Some(http) => Some(check_address(source, http, "node.http")?),
        None => None,
    };
    Ok(Node {
        id: NodeId(*entry.id.get_ref()),
        role,
        name: entry.name.get_ref().clone(),
        address: check_address(source, &entry.address, "node.address")?,
        http,
    })
}

fn check_address(
    source: &Source<'_>,
    text: &Spanned<String>,
    field: &str,
) -> Result<SocketAddr, ClusterError> {
    match text.get_ref().parse::<SocketAddr>() {
        Ok(address) if address.port() != 0 && !address.ip().is_unspecified() => Ok(address),
        Ok(address) => source.refuse(
            text,
            field,
            format!("{address} can't be reached by others; give an address and a port"),
        ),
        Err(_) => {
            let why = format!("{:?} is not an address with a port, as \"127.0.0.1:40001\"", text.get_ref());
            source.refuse(text, field, why)
        }
    }
}

fn check_unique(
    source: &Source<'_>,
    entry: &FileNode,
    node: &Node,
    before: &[Node],
) -> Result<(), ClusterError> {
    for other in before {
        let taken = |what: &dyn std::fmt::Display| {
            format!("{what} is node {}'s ({:?}) already", other.id, other.name)
        };
        if other.id == node.id {
            return source.refuse(&entry.id, "node.id", taken(&node.id));
        }
        if other.name == node.name {
            return source.refuse(&entry.name, "node.name", taken(&node.name));
        }
        if other.address == node.address {
            return source.refuse(&entry.address, "node.address", taken(&node.address));
        }
        // One is UDP, the other TCP: only two of a kind can collide.
        if let (Some(http), Some(text)) = (node.http, &entry.http)
            && other.http == Some(http)
        {
            return source.refuse(text, "node.http", taken(&http));
        }
    }
    Ok(())
}

fn check_table(
    source: &Source<'_>,
    table: &Spanned<String>,
    names: &Spanned<Vec<Spanned<String>>>,
    nodes: &[Node],
) -> Result<Vec<NodeId>, ClusterError> {
    let field = format!("tables.{}", table.get_ref());
    let is_table = RecordId::new(&format!("{}/x", table.get_ref()))
        .is_ok_and(|record| record.table() == table.get_ref());
    if !is_table {
        return source.refuse(
            table,
            &field,
            "this can't be the name of a table: it has 1 to 254 bytes and no '/'".to_owned(),
        );
    }
    if names.get_ref().is_empty() {
        return source.refuse(
            names,
            &field,
            "no participant is named; remove the line to use them all".to_owned(),
        );
    }
    let mut ids = Vec::with_capacity(names.get_ref().len());
    for name in names.get_ref() {
        let found = nodes.iter().find(|node| node.name == *name.get_ref());
        let Some(node) = found.filter(|node| node.role == Role::Participant) else {
            return source.refuse(
                name,
                &field,
                format!("{:?} is not a participant of this file", name.get_ref()),
            );
        };
        if ids.contains(&node.id) {
            return source.refuse(name, &field, format!("{:?} is named twice", name.get_ref()));
        }
        ids.push(node.id);
    }
    Ok(ids)
}

#[derive(Serialize)]
struct WrittenFile<'a> {
    node: Vec<WrittenNode<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tables: &'a BTreeMap<String, Vec<String>>,
}

#[derive(Serialize)]
struct WrittenNode<'a> {
    id: u16,
    role: &'a str,
    name: &'a str,
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<String>,
}

pub(crate) fn render(nodes: &[Node], tables: &BTreeMap<String, Vec<String>>) -> String {
    let node = nodes
        .iter()
        .map(|node| WrittenNode {
            id: node.id.0,
            role: node.role.as_str(),
            name: &node.name,
            address: node.address.to_string(),
            http: node.http.map(|http| http.to_string()),
        })
        .collect();
    let file = WrittenFile { node, tables };
    toml::to_string(&file).expect("strings, integers and lists of them are always TOML")
}
