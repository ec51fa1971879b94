//! Files that are wrong: each error names the file, the cause and what to do.

mod support;

use assent_protocol::ids::{ClientName, NodeId, RecordId};
use assent_transport::{Authority, AuthorityError, Cluster, ClusterError, Identity, IdentityError, Role};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};
use support::World;

const GOOD: &str = r#"
[[node]]
id = 1
role = "coordinator"
name = "coordinator-1"
address = "127.0.0.1:40001"
http = "127.0.0.1:40101"

[[node]]
id = 3
role = "participant"
name = "students-1"
address = "127.0.0.1:40003"

[[node]]
id = 2
role = "participant"
name = "courses-1"
address = "127.0.0.1:40002"

[tables]
student = ["students-1"]
course = ["students-1", "courses-1"]
"#;

fn identity_error(certificate: &Path, key: &Path, authority: &Path) -> IdentityError {
    Identity::load(certificate, key, authority).map(|_| ()).expect_err("something is wrong")
}

#[test]
fn a_good_cluster_file_is_read_and_written() {
    let cluster = Cluster::parse(GOOD, "cluster.toml").expect("it is good");
    assert_eq!(cluster.nodes().iter().map(|node| node.id.0).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(cluster.node(NodeId(3)).expect("listed").name, "students-1");
    assert_eq!(cluster.node_named(Role::Participant, "courses-1").expect("listed").id, NodeId(2));
    assert!(cluster.node_named(Role::Coordinator, "courses-1").is_none());
    assert_eq!(cluster.coordinators().count(), 1);
    assert_eq!(Cluster::parse(&cluster.to_toml(), "again").expect("it is still good"), cluster);
    let directory = cluster.directory();
    assert_eq!(directory.locate(&RecordId::new("student/s1").expect("a record")), NodeId(3));
    assert_eq!(directory.participants(), [NodeId(2), NodeId(3)]);
}

#[test]
fn where_a_record_lives_does_not_depend_on_the_order_in_the_file() {
    let turned = GOOD.replace(r#"["students-1", "courses-1"]"#, r#"["courses-1", "students-1"]"#);
    let (one, other) =
        (Cluster::parse(GOOD, "a").expect("good"), Cluster::parse(&turned, "b").expect("good"));
    assert_eq!(one, other);
    let client = ClientName::new("alice").expect("a name");
    let granters = |cluster: &Cluster| cluster.directory().granters(&client).collect::<Vec<_>>();
    assert_eq!(granters(&one), granters(&other));
}

#[test]
fn every_mistake_in_a_cluster_file_is_named_with_its_line() {
    let cases = [
        ("id = 3", "id = 1", "line 10, `node.id`", "node 1's (\"coordinator-1\") already"),
        ("id = 3", "id = 70000", "line 10", "70000"),
        ("id = 3", "", "line 9", "missing field `id`"),
        ("id = 3", "id = 3\nport = 4", "line 11", "unknown field `port`"),
        ("name = \"students-1\"", "name = \"courses-1\"", "line 18, `node.name`", "already"),
        ("name = \"students-1\"", "name = \"stu dents\"", "line 12, `node.name`", "letters, digits"),
        ("role = \"coordinator\"", "role = \"client\"", "line 4, `node.role`", "neither"),
        ("role = \"coordinator\"", "role = \"boss\"", "line 4, `node.role`", "\"boss\""),
        ("role = \"coordinator\"", "role = \"participant\"", "not valid", "no coordinator"),
        ("127.0.0.1:40003", "127.0.0.1:40001", "line 13, `node.address`", "already"),
        ("127.0.0.1:40003", "localhost:40003", "line 13, `node.address`", "\"127.0.0.1:40001\""),
        ("127.0.0.1:40003", "0.0.0.0:40003", "line 13, `node.address`", "can't be reached"),
        ("127.0.0.1:40101", "nowhere", "line 7, `node.http`", "nowhere"),
        ("[\"students-1\"]", "[\"students-9\"]", "line 22, `tables.student`", "not a participant"),
        ("[\"students-1\"]", "[\"coordinator-1\"]", "line 22, `tables.student`", "not a participant"),
        ("[\"students-1\"]", "[\"students-1\", \"students-1\"]", "line 22, `tables.student`", "twice"),
        ("[\"students-1\"]", "[]", "line 22, `tables.student`", "no participant"),
        ("student = [", "\"a/b\" = [", "line 22, `tables.a/b`", "name of a table"),
        ("[tables]", "[table]", "line 21", "unknown field `table`"),
        ("[tables]", "[tables", "line 21", "TOML parse error"),
    ];
    for (from, to, place, why) in cases {
        assert!(GOOD.contains(from), "{from}");
        let text = GOOD.replacen(from, to, 1);
        let error = Cluster::parse(&text, "cluster.toml").expect_err(to).to_string();
        assert!(
            error.contains("cluster.toml") && error.contains(place) && error.contains(why),
            "{to}: {error}"
        );
    }
    let error = Cluster::parse("", "cluster.toml").expect_err("it is empty").to_string();
    assert!(error.contains("no participant"), "{error}");
}

#[test]
fn a_cluster_file_that_is_not_there_is_named() {
    let error = Cluster::load(Path::new("/nowhere/cluster.toml")).expect_err("it is not there");
    assert!(matches!(error, ClusterError::Unreadable { .. }));
    assert!(error.to_string().contains("/nowhere/cluster.toml"), "{error}");
}

#[test]
fn a_missing_file_is_named() {
    let world = World::new();
    let (certificate, key) = world.files(Role::Client, "alice");
    let (authority, missing) = (world.authority.certificate_path(), world.dir.path().join("missing.pem"));
    for (error, what) in [
        (identity_error(&missing, &key, authority), "the certificate"),
        (identity_error(&certificate, &missing, authority), "the private key"),
        (identity_error(&certificate, &key, &missing), "the authority's certificate"),
    ] {
        let text = error.to_string();
        assert!(matches!(error, IdentityError::Unreadable { .. }), "{text}");
        assert!(text.contains("missing.pem") && text.contains(what), "{text}");
    }
}

#[test]
fn a_file_that_is_not_pem_is_named() {
    let world = World::new();
    let (certificate, key) = world.files(Role::Client, "alice");
    let authority = world.authority.certificate_path();
    let other = world.dir.path().join("other.pem");
    let half = fs::read(&key).expect("a key")[..60].to_vec();
    for content in [b"".to_vec(), b"hello".to_vec(), vec![0xff; 4000], half] {
        fs::write(&other, content).expect("written");
        for error in [
            identity_error(&other, &key, authority),
            identity_error(&certificate, &other, authority),
            identity_error(&certificate, &key, &other),
        ] {
            let text = error.to_string();
            assert!(matches!(error, IdentityError::NotPem { .. }), "{text}");
            assert!(text.contains("other.pem"), "{text}");
        }
    }
    // The two files in each other's place.
    assert!(matches!(identity_error(&key, &certificate, authority), IdentityError::NotPem { .. }));
}

#[test]
fn the_key_of_another_certificate_is_refused() {
    let world = World::new();
    let (certificate, _) = world.files(Role::Client, "alice");
    let (_, key) = world.files(Role::Client, "bob");
    let error = identity_error(&certificate, &key, world.authority.certificate_path());
    assert!(matches!(error, IdentityError::WrongKey { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("client-alice.crt") && text.contains("client-bob.key"), "{text}");
}

#[test]
fn a_certificate_of_another_authority_is_refused() {
    let (world, other) = (World::new(), World::new());
    let (certificate, key) = world.files(Role::Participant, "p1");
    let error = identity_error(&certificate, &key, other.authority.certificate_path());
    assert!(matches!(error, IdentityError::NotTrusted { .. }), "{error}");
}

#[test]
fn a_certificate_without_a_name_is_refused() {
    let world = World::new();
    let (ca_certificate, ca_key) = (world.dir.path().join("ca.crt"), world.dir.path().join("ca.key"));
    let error = identity_error(&ca_certificate, &ca_key, world.authority.certificate_path());
    assert!(matches!(error, IdentityError::Nobody { .. }), "{error}");
    assert!(error.to_string().contains("assent://role/name"), "{error}");
}

#[test]
fn names_that_can_not_be_in_a_certificate_are_not_issued() {
    let world = World::new();
    for name in ["", "a/b", "a b", "ä", &"x".repeat(65)] {
        let error = world.authority.issue(Role::Client, name).map(|_| ()).expect_err(name);
        assert!(matches!(error, AuthorityError::Principal(_)), "{error}");
    }
}

#[test]
fn an_authority_overwrites_nothing_and_hides_keys() {
    let world = World::new();
    let dir = world.dir.path();
    let again = Authority::create(dir).map(|_| ()).expect_err("it exists");
    assert!(matches!(again, AuthorityError::Exists(_)), "{again}");
    let (_, key) = world.files(Role::Client, "alice");
    let again = world.authority.issue_into(dir, Role::Client, "alice").expect_err("it exists");
    assert!(matches!(again, AuthorityError::Exists(_)), "{again}");
    for path in [key, dir.join("ca.key")] {
        assert_eq!(
            fs::metadata(&path).expect("written").permissions().mode() & 0o777,
            0o600,
            "{}",
            path.display()
        );
    }
}

#[test]
fn a_loaded_authority_issues_what_the_first_one_would() {
    let world = World::new();
    let dir = world.dir.path();
    let loaded = Authority::load(dir).expect("it was just written");
    let (certificate, key) = loaded.issue_into(dir, Role::Participant, "p1").expect("issued");
    let identity = Identity::load(&certificate, &key, loaded.certificate_path()).expect("valid");
    assert_eq!((identity.role(), identity.name()), (Role::Participant, "p1"));

    fs::write(dir.join("ca.key"), "nothing").expect("written");
    let error = Authority::load(dir).map(|_| ()).expect_err("the key is gone");
    assert!(error.to_string().contains("ca.key"), "{error}");
}
