//! Calls over real processes: nodes, instances of services and callers are killed with SIGKILL in the middle, and what was
//! promised of each call must hold.

mod common;

use assent_client::{
    Client, ClientConfig, FieldContent, Outcome, Transaction, Value,
    calls::{
        CallError, CallId, CallOptions, Caller, CallerConfig, MethodName, RunningService, Service,
        ServiceConfig, ServiceName, join_all,
    },
    mail::{MailboxSettings, ProcessorConfig},
};
use common::Cluster;
use serde::{Deserialize, Serialize};
use std::{
    future::Future,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(300);
const CALLS: u64 = 80;
/// How long mailboxes for replies are kept here.
const KEEP: Duration = Duration::from_secs(3);

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
struct Deposit {
    account: String,
    cents: i64,
}

async fn connect(dir: &Path) -> Client {
    let keys = dir.join("keys");
    let config = ClientConfig::load(
        dir.join("cluster.toml"),
        keys.join("client-admin.crt"),
        keys.join("client-admin.key"),
        keys.join("ca.crt"),
    );
    let mut config = config.expect("a good cluster");
    config.deadline = Duration::from_secs(60);
    Client::connect(config).await.expect("a good cluster")
}

fn config() -> ServiceConfig {
    ServiceConfig {
        processor: ProcessorConfig { lease: Duration::from_secs(2), ..ProcessorConfig::default() },
        mailbox: MailboxSettings { deliveries_max: 1000, ..MailboxSettings::default() },
    }
}

fn keeping(keep: Duration) -> CallerConfig {
    CallerConfig { keep, ..CallerConfig::default() }
}

/// Mailboxes for replies, and until when they are kept, in milliseconds since 1970.
async fn kept(client: &Client) -> Vec<(String, i64)> {
    let mut all = Vec::new();
    for node in client.scan(Some("mailbox")).await {
        for (record, content) in node.reply.expect("it answers") {
            let until = content.fields.iter().find(|(name, _)| name.as_str() == "kept_until_ms");
            if let Some((_, FieldContent::Value(Value::Int(until)))) = until {
                all.push((record.as_str().trim_start_matches("mailbox/").to_owned(), *until));
            }
        }
    }
    all
}

/// What a caller finds that starts now, and has looked round.
async fn removed_by_another(client: &Client) -> u64 {
    let caller = Caller::start(client, CallerConfig::default()).await.expect("it starts");
    let begun = Instant::now();
    while caller.figures().removed == 0 && begun.elapsed() < Duration::from_secs(1) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    caller.close().await.removed
}

fn wall_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    now.as_millis() as i64
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(future)
}

/// A number in a record; none if there is no such record.
async fn number(client: &Client, record: &str) -> Option<i64> {
    match client.run_with_retries(Transaction::new().read_field(record, "n")).await {
        Outcome::Committed(receipt) => match receipt.field(0) {
            Some(FieldContent::Value(Value::Int(number))) => Some(*number),
            _ => None,
        },
        other => panic!("a read has failed: {other:?}"),
    }
}

/// How many messages are in a mailbox.
async fn depth(client: &Client, mailbox: &str) -> u64 {
    let nodes = client.mailboxes().await;
    let all = nodes.into_iter().flat_map(|node| node.reply.expect("it answers"));
    all.filter(|figures| figures.mailbox.name() == mailbox).map(|figures| figures.depth).sum()
}

/// Waits, for a time that no machine needs.
async fn until(mut reached: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !reached().await {
        assert!(begun.elapsed() < PATIENCE, "it never came");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What services remember of calls that promised exactly once.
async fn remembered(client: &Client) -> Vec<String> {
    let mut all = Vec::new();
    for node in client.scan(Some("call")).await {
        all.extend(node.reply.expect("it answers").into_iter().map(|(record, _)| record.to_string()));
    }
    all
}

// Processes of their own: this very program, in another role.

struct Process(Child);

impl Process {
    fn start(role: &str, dir: &Path) -> Process {
        let mut command = Command::new(std::env::current_exe().expect("it runs"));
        command.args(["--exact", "a_process_of_its_own", "--ignored", "--nocapture"]);
        command.env("ASSENT_TEST_ROLE", role).env("ASSENT_TEST_DIR", dir);
        Process(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("it can be started"))
    }

    fn kill(mut self) {
        // SIGKILL; it is waited for when it is dropped.
        self.0.kill().expect("it runs");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "other tests run it as a process that they kill"]
fn a_process_of_its_own() {
    let role = std::env::var("ASSENT_TEST_ROLE").expect("other tests say what it is");
    let dir = PathBuf::from(std::env::var("ASSENT_TEST_DIR").expect("other tests say where"));
    block_on(async {
        let client = connect(&dir).await;
        match role.as_str() {
            "bank" => {
                let bank = bank(&client).await;
                std::future::pending::<()>().await;
                drop(bank);
            }
            "stuck" => {
                let inner = client.clone();
                let service = Service::new("shop").expect("a good name").method(
                    "order",
                    1,
                    move |name: String, transaction, _| {
                        let client = inner.clone();
                        async move {
                            let begun = Transaction::new().add(format!("list/{name}"), "n", 1, ..);
                            assert!(client.run_with_retries(begun).await.is_committed());
                            std::future::pending::<()>().await;
                            Ok::<_, String>((transaction, "from one that is stuck".to_owned()))
                        }
                    },
                );
                let service = service.expect("one method").start(&client, config()).await.expect("it starts");
                std::future::pending::<()>().await;
                drop(service);
            }
            "caller" => {
                let caller = Caller::start(&client, CallerConfig::default()).await.expect("it starts");
                let shop = caller.find("shop").await.expect("it is there");
                let order = shop.method::<String, String>("order", 1).expect("a good name");
                let id = CallId::new("mine").expect("a good id");
                let _ = order
                    .call(&"faust".to_owned(), CallOptions::exactly_once().id(id).timeout(PATIENCE))
                    .await;
                std::future::pending::<()>().await;
            }
            "left behind" => {
                let caller = Caller::start(&client, keeping(KEEP)).await.expect("it starts");
                let shop = caller.find("shop").await.expect("it is there");
                let order = shop.method::<String, String>("order", 1).expect("a good name");
                let options = CallOptions::at_least_once().timeout(KEEP);
                let _ = order.call(&"faust".to_owned(), options).await;
                std::future::pending::<()>().await;
            }
            other => panic!("{other:?} is no role"),
        }
    });
}

async fn bank(client: &Client) -> RunningService {
    Service::new("bank")
        .expect("a good name")
        .method("deposit", 1, |deposit: Deposit, transaction, _| async move {
            // Long enough to die between the delivery and the commit.
            tokio::time::sleep(Duration::from_millis(20)).await;
            let account = format!("student/{}", deposit.account);
            Ok::<_, String>((
                transaction.add(account, "n", deposit.cents, 0..).add("course/all", "n", deposit.cents, ..),
                deposit,
            ))
        })
        .expect("one method")
        .start(client, config())
        .await
        .expect("it starts")
}

fn restart(cluster: &Cluster, node: &str) {
    cluster.assent(["cluster", "kill", node]).ends_with(0);
    let begun = Instant::now();
    // Somebody else's connection may sit on a free port for a moment.
    while cluster.assent(["cluster", "start", node]).status == 4 && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn what_promises_exactly_once_happens_once_while_instances_and_nodes_die() {
    let cluster = Arc::new(Cluster::up());
    let dir = cluster.dir().to_owned();
    block_on(async {
        let client = connect(&dir).await;
        let first = Process::start("bank", &dir);
        let mailbox = ServiceName::new("bank").expect("a good name");
        let published = Transaction::new().require_exists(mailbox.record());
        until(async || client.run_with_retries(published.clone()).await.is_committed()).await;
        let caller = Caller::start(&client, CallerConfig::default()).await.expect("it starts");
        let bank = caller.find("bank").await.expect("it is there");
        let deposit = bank.method::<Deposit, Deposit>("deposit", 1).expect("a good name");

        let killing = {
            let (cluster, dir) = (Arc::clone(&cluster), dir.clone());
            tokio::task::spawn_blocking(move || {
                let pause = || std::thread::sleep(Duration::from_millis(700));
                pause();
                let second = Process::start("bank", &dir);
                first.kill();
                pause();
                restart(&cluster, "students-1");
                pause();
                restart(&cluster, "coordinator-1");
                restart(&cluster, "courses-1");
                let third = Process::start("bank", &dir);
                second.kill();
                third
            })
        };
        let wanted = |n: u64| Deposit { account: n.to_string(), cents: 1 };
        let mut done = 0;
        while done < CALLS || !killing.is_finished() {
            let some: Vec<u64> = (done..done + 8).collect();
            let options = || CallOptions::exactly_once().timeout(PATIENCE);
            let calls: Vec<_> = some.iter().map(|n| deposit.begin(&wanted(*n), options())).collect();
            for (n, reply) in some.iter().zip(join_all(calls).await) {
                assert_eq!(reply.as_ref(), Ok(&wanted(*n)), "call {n}");
            }
            done += some.len() as u64;
        }
        let third = killing.await.expect("everything was killed");
        assert_eq!(number(&client, "course/all").await, Some(done as i64));
        for n in 0..done {
            assert_eq!(number(&client, &format!("student/{n}")).await, Some(1), "call {n}");
        }
        let figures = caller.close().await;
        assert_eq!((figures.begun, figures.answered), (done, done), "{figures:?}");
        assert_eq!(remembered(&client).await, [""; 0], "each reply was confirmed");
        drop(third);
        client.close().await;
    });
}

/// A shop whose replies tell one run of its handler from another.
async fn shop(client: &Client, runs: &Arc<AtomicU64>, pause: Duration) -> RunningService {
    let runs = Arc::clone(runs);
    Service::new("shop")
        .expect("a good name")
        .method("order", 1, move |name: String, transaction, _| {
            let run = runs.fetch_add(1, Ordering::SeqCst) + 1;
            async move {
                tokio::time::sleep(pause).await;
                Ok::<_, String>((transaction.add(format!("book/{name}"), "n", 1, ..), format!("run {run}")))
            }
        })
        .expect("one method")
        .start(client, config())
        .await
        .expect("it starts")
}

#[test]
fn a_repeat_waits_for_the_first_and_gets_its_reply_also_after_the_caller_was_killed() {
    let cluster = Cluster::up();
    block_on(async {
        let client = connect(cluster.dir()).await;
        let runs = Arc::new(AtomicU64::new(0));
        let service = shop(&client, &runs, Duration::from_secs(1)).await;
        let killed = Process::start("caller", cluster.dir());
        until(async || runs.load(Ordering::SeqCst) == 1).await;
        killed.kill();

        let caller = Caller::start(&client, CallerConfig::default()).await.expect("it starts");
        let stub = caller.find("shop").await.expect("it is there");
        assert_eq!(stub.methods().collect::<Vec<_>>(), ["order@1"]);
        let order = stub.method::<String, String>("order", 1).expect("a good name");
        let mine = CallId::new("mine").expect("a good id");
        let options = || CallOptions::exactly_once().id(mine.clone()).timeout(PATIENCE);
        let faust = "faust".to_owned();
        let both = join_all([order.begin(&faust, options()), order.begin(&faust, options())]).await;
        assert_eq!(both, [Ok("run 1".to_owned()), Ok("run 1".to_owned())]);
        assert_eq!(order.call(&faust, options()).await, Ok("run 1".to_owned()));
        assert_eq!((runs.load(Ordering::SeqCst), number(&client, "book/faust").await), (1, Some(1)));

        // Another instance, and another wish under the same id.
        let figures = service.shut_down().await;
        assert_eq!((figures.replied, figures.repeated), (1, 3), "{figures}");
        let service = shop(&client, &runs, Duration::ZERO).await;
        assert_eq!(order.call(&faust, options()).await, Ok("run 1".to_owned()));
        let error = order.call(&"werther".to_owned(), options()).await;
        assert_eq!(error, Err(CallError::IdReused { id: mine.clone(), method: "order@1".to_owned() }));

        // What the application makes of the reply, and that it has, are one commit.
        let used = |count: i64| stub.confirming(Transaction::new().add("list/used", "n", count, ..), &mine);
        assert!(client.run_with_retries(used(1)).await.is_committed());
        assert!(!client.run_with_retries(used(1)).await.is_committed(), "once");
        assert_eq!(number(&client, "list/used").await, Some(1));
        assert_eq!(remembered(&client).await, [""; 0]);
        caller.close().await;
        let _ = service.shut_down().await;
        client.close().await;
    });
}

#[test]
fn another_instance_runs_what_a_dead_one_had_unless_that_may_run_once_only() {
    let cluster = Cluster::up();
    block_on(async {
        let client = connect(cluster.dir()).await;
        let stuck = Process::start("stuck", cluster.dir());
        let name = ServiceName::new("shop").expect("a good name");
        let published = Transaction::new().require_exists(name.record());
        until(async || client.run_with_retries(published.clone()).await.is_committed()).await;
        let caller = Caller::start(&client, CallerConfig::default()).await.expect("it starts");
        let stub = caller.find("shop").await.expect("it is there");
        let order = stub.method::<String, String>("order", 1).expect("a good name");
        let begin = |name: &str, options: CallOptions| order.begin(&name.to_owned(), options);
        let mut most = begin("most", CallOptions::at_most_once().timeout(PATIENCE));
        let least = begin("least", CallOptions::at_least_once().timeout(PATIENCE));
        let exactly = begin("exactly", CallOptions::exactly_once().timeout(PATIENCE));
        for name in ["most", "least", "exactly"] {
            until(async || number(&client, &format!("list/{name}")).await == Some(1)).await;
        }
        stuck.kill();
        let runs = Arc::new(AtomicU64::new(0));
        let service = shop(&client, &runs, Duration::ZERO).await;
        assert!(least.await.expect("another instance replies").starts_with("run"));
        assert!(exactly.await.expect("another instance replies").starts_with("run"));
        // Nothing is left that could still be run.
        until(async || depth(&client, "service.shop").await == 0).await;
        assert!(most.poll_now().await.is_none(), "nobody replies to it");
        assert_eq!(runs.load(Ordering::SeqCst), 2);
        let short = CallOptions::at_most_once().timeout(Duration::from_secs(60));
        assert!(
            order.call(&"more".to_owned(), short).await.is_ok(),
            "while its instance lives it is answered"
        );
        assert_eq!(number(&client, "book/most").await, None);
        assert_eq!(number(&client, "book/exactly").await, Some(1));
        caller.close().await;
        assert!(matches!(most.await, Err(CallError::Unknown { .. })));
        let _ = service.shut_down().await;
        client.close().await;
    });
}

#[test]
fn a_call_whose_caller_is_gone_expires_or_is_counted() {
    let cluster = Cluster::up();
    block_on(async {
        let client = connect(cluster.dir()).await;
        let runs = Arc::new(AtomicU64::new(0));
        let _ = shop(&client, &runs, Duration::ZERO).await.shut_down().await;
        let caller = Caller::start(&client, CallerConfig::default()).await.expect("it starts");
        let stub = caller.find("shop").await.expect("no instance is needed for that");
        let order = stub.method::<String, String>("order", 1).expect("a good name");
        let faust = "faust".to_owned();
        // On a slow machine, one may not even be sent in this time.
        until(async || {
            let soon = CallOptions::exactly_once().timeout(Duration::from_secs(1));
            let error = order.call(&faust, soon).await.expect_err("there is no instance");
            assert!(matches!(error, CallError::Unknown { .. } | CallError::NotSent(_)), "{error}");
            depth(&client, "service.shop").await > 0
        })
        .await;
        let unread = depth(&client, "service.shop").await;

        let service = shop(&client, &runs, Duration::from_secs(1)).await;
        let lost = order.begin(&faust, CallOptions::exactly_once().timeout(PATIENCE));
        until(async || runs.load(Ordering::SeqCst) == 1).await;
        caller.close().await;
        assert!(matches!(lost.await, Err(CallError::Unknown { .. })));
        until(async || service.figures().replied == 1).await;
        let figures = service.shut_down().await;
        assert_eq!((figures.expired, figures.orphaned, figures.replied), (unread, 1, 1), "{figures}");
        assert_eq!(runs.load(Ordering::SeqCst), 1, "what had expired was not run");
        assert_eq!(number(&client, "book/faust").await, Some(1), "what was in time has happened");
        assert_eq!(remembered(&client).await.len(), 1, "its reply is there for a repeat");
        for node in client.outboxes().await {
            let figures = node.reply.expect("it answers");
            assert_eq!(figures.messages, 0, "no reply waits for a mailbox that is gone");
        }
        client.close().await;
    });
}

#[test]
fn the_mailbox_of_a_killed_caller_is_removed_with_its_replies_when_nobody_can_wait_for_them() {
    let cluster = Cluster::up();
    block_on(async {
        let client = connect(cluster.dir()).await;
        let runs = Arc::new(AtomicU64::new(0));
        let service = shop(&client, &runs, Duration::from_secs(1)).await;
        let killed = Process::start("left behind", cluster.dir());
        until(async || runs.load(Ordering::SeqCst) == 1).await;
        killed.kill();
        until(async || service.figures().replied == 1).await;
        let (mailbox, until_ms) = kept(&client).await.pop().expect("it was left behind");
        assert_eq!(depth(&client, &mailbox).await, 1, "with a reply in it");

        until(async || {
            let removed = removed_by_another(&client).await;
            assert!(removed == 0 || wall_ms() > until_ms, "it was kept for as long as it had to be");
            removed == 1
        })
        .await;
        assert_eq!(kept(&client).await, []);
        for node in client.mailboxes().await {
            let figures = node.reply.expect("it answers");
            let reply = figures.iter().find(|held| held.mailbox.name() == mailbox);
            assert!(reply.is_none_or(|held| !held.exists && held.depth == 0), "{reply:?}");
        }
        let _ = service.shut_down().await;
        client.close().await;
    });
}

#[test]
fn a_caller_that_is_alive_gets_its_replies_whoever_tidies_up() {
    let cluster = Cluster::up();
    block_on(async {
        let client = connect(cluster.dir()).await;
        let runs = Arc::new(AtomicU64::new(0));
        let service = shop(&client, &runs, 4 * KEEP).await;
        let caller = Caller::start(&client, keeping(KEEP)).await.expect("it starts");
        let stub = caller.find("shop").await.expect("it is there");
        let order = stub.method::<String, String>("order", 1).expect("a good name");

        // A call that takes longer than an idle mailbox is kept.
        let (mailbox, first) = kept(&client).await.pop().expect("it has one");
        let mut pending = order.begin(&"faust".to_owned(), CallOptions::at_least_once().timeout(PATIENCE));
        let reply = loop {
            assert_eq!(removed_by_another(&client).await, 0, "replies are waited for");
            if let Some(reply) = pending.poll_now().await {
                break reply;
            }
        };
        assert_eq!(reply, Ok("run 1".to_owned()));
        assert!(wall_ms() > first, "without the call it need not have been kept");
        let (same, put_off) = kept(&client).await.pop().expect("it has one");
        assert_eq!(same, mailbox);
        assert!(put_off > first + PATIENCE.as_millis() as i64 - 1000, "{put_off} after {first}");
        caller.close().await;

        // Idle for so long that it is taken for one that was left behind, and then it calls again.
        let _ = service.shut_down().await;
        let service = shop(&client, &runs, Duration::ZERO).await;
        let caller = Caller::start(&client, keeping(KEEP)).await.expect("it starts");
        let stub = caller.find("shop").await.expect("it is there");
        let order = stub.method::<String, String>("order", 1).expect("a good name");
        until(async || removed_by_another(&client).await == 1).await;
        let reply = order.call(&"faust".to_owned(), CallOptions::exactly_once().timeout(PATIENCE)).await;
        assert_eq!(reply, Ok("run 2".to_owned()));
        caller.close().await;
        assert_eq!(kept(&client).await, []);
        let _ = service.shut_down().await;
        client.close().await;
    });
}

#[test]
fn what_is_wrong_with_a_call_is_said_and_nothing_is_lost() {
    let cluster = Cluster::up();
    block_on(async {
        let client = connect(cluster.dir()).await;
        let service = Service::new("odd").expect("a good name");
        let service = service
            .method("fails", 1, |_: (), transaction: Transaction, _| async move {
                Err::<(Transaction, ()), _>(format!(
                    "on purpose, with {} operations",
                    transaction.operations().len()
                ))
            })
            .and_then(|all| {
                all.method("panics", 1, |cents: i64, transaction, _| async move {
                    assert!(cents < 0, "on purpose");
                    Ok::<_, String>((transaction, cents))
                })
            })
            .and_then(|all| {
                all.method("takes", 2, |cents: i64, transaction, _| async move {
                    Ok::<_, String>((transaction.add("student/s1", "n", -cents, 0..), cents))
                })
            })
            .and_then(|all| {
                all.method("text", 1, |_: (), transaction, _| async move {
                    Ok::<_, String>((transaction.add("student/s2", "n", 1, ..), "seven".repeat(30_000)))
                })
            });
        let service = service.expect("four methods").start(&client, config()).await.expect("it starts");
        let caller = Caller::start(&client, CallerConfig::default()).await.expect("it starts");
        let absent = caller.find("absent").await.map(|_| ()).expect_err("there is none");
        assert_eq!(
            absent.to_string(),
            "there is no service absent: none of its instances has ever been started"
        );
        let odd = caller.find("odd").await.expect("it is there");
        let all = ["fails@1", "panics@1", "takes@2", "text@1"];
        assert_eq!(odd.methods().collect::<Vec<_>>(), all);
        let has: Vec<String> = all.map(str::to_owned).to_vec();

        let each = [CallOptions::at_most_once(), CallOptions::at_least_once(), CallOptions::exactly_once()];
        for options in each.map(|options| options.timeout(PATIENCE)) {
            for (name, version) in [("takes", 1), ("gives", 1)] {
                let method = odd.method::<i64, i64>(name, version).expect("a good name");
                let expected = CallError::UnknownMethod {
                    service: odd.service().clone(),
                    method: MethodName::new(name, version).expect("a good name"),
                    has: has.clone(),
                };
                assert_eq!(method.call(&1, options.clone()).await, Err(expected));
            }
            let call = async |name: &str, version: u32, cents: &str| {
                let method = odd.method::<serde_json::Value, i64>(name, version).expect("a good name");
                let arguments = serde_json::from_str(cents).expect("JSON");
                method.call(&arguments, options.clone()).await.expect_err("it is wrong")
            };
            let error = call("takes", 2, "\"six\"").await;
            assert!(matches!(&error, CallError::BadArguments { why, .. } if why.contains("six")), "{error}");
            let error = call("fails", 1, "null").await;
            assert_eq!(error.to_string(), "fails@1 has failed: on purpose, with 0 operations");
            let error = call("panics", 1, "1").await;
            assert_eq!(error.to_string(), "panics@1 has failed: it panicked: on purpose");
            let error = call("takes", 2, "1").await;
            assert!(matches!(&error, CallError::Refused { kind, .. } if kind == "bound"), "{error}");
            assert!(error.is_definite());
        }
        assert_eq!(number(&client, "student/s1").await, None, "nothing has happened");

        // A reply of another type, of more than one field's bytes.
        let wrong = odd.method::<(), i64>("text", 1).expect("a good name");
        let error = wrong.call(&(), CallOptions::exactly_once().timeout(PATIENCE)).await;
        let Err(CallError::BadReply { id, reply, .. }) = error else { panic!("{error:?}") };
        assert_eq!(reply.len(), 150_002);
        let right = odd.method::<(), String>("text", 1).expect("a good name");
        let again = right.call(&(), CallOptions::exactly_once().id(id.clone()).timeout(PATIENCE)).await;
        assert_eq!(again, Ok("seven".repeat(30_000)));
        assert_eq!(number(&client, "student/s2").await, Some(1), "once");
        assert!(odd.confirm(&id).await.is_committed());
        let gone = MethodName::new("text", 1).expect("a good name");
        assert!(Service::withdraw(&client, odd.service(), [gone]).await.is_committed());
        caller.close().await;
        assert_eq!(remembered(&client).await, [""; 0]);
        let figures = service.shut_down().await;
        assert_eq!((figures.faults, figures.replied, figures.repeated), (18, 1, 1), "{figures}");
        client.close().await;
    });
}

/// An instance that has one method only, which says its name.
async fn one_method(client: &Client, method: &'static str) -> RunningService {
    let service = Service::new("mixed").expect("a good name");
    let service = service.method(method, 1, move |_: (), transaction, _| async move {
        Ok::<_, String>((transaction.add(format!("student/{method}"), "n", 1, ..), method.to_owned()))
    });
    let config = ServiceConfig {
        mailbox: MailboxSettings { deliveries_max: 1, ..MailboxSettings::default() },
        ..config()
    };
    service.expect("a method").start(client, config).await.expect("it starts")
}

#[test]
fn a_method_that_only_another_instance_has_is_left_to_it() {
    let cluster = Cluster::up();
    block_on(async {
        let client = connect(cluster.dir()).await;
        let red = one_method(&client, "red").await;
        // Published, and gone: the call goes round among those that are there.
        one_method(&client, "blue").await.shut_down().await;
        let caller = Caller::start(&client, CallerConfig::default()).await.expect("it starts");
        let mixed = caller.find("mixed").await.expect("it is there");
        let method = mixed.method::<(), String>("blue", 1).expect("a good name");
        let again = async {
            until(async || red.figures().passed_on >= 3).await;
            one_method(&client, "blue").await
        };
        let options = CallOptions::exactly_once().timeout(PATIENCE);
        let (reply, blue) = tokio::join!(method.call(&(), options), again);
        assert_eq!(reply, Ok("blue".to_owned()));
        assert_eq!(number(&client, "student/blue").await, Some(1), "once");
        caller.close().await;
        let (red, blue) = (red.shut_down().await, blue.shut_down().await);
        assert_eq!((red.replied, red.faults), (0, 0), "{red}");
        assert_eq!((blue.replied, blue.passed_on), (1, 0), "{blue}");
        client.close().await;
    });
}
