//! The command line: every command with its help, and where it is run.

use crate::{
    bench, cluster, completions, context::Global, demo, failure::Failure, get, import, in_doubt, keys,
    mailbox, node, outcome, registrar, status::Status, transact, verify,
};
use assent_transport::Role;
use clap::{Parser, Subcommand};

/// A distributed transaction coordinator: changes to records on several nodes happen completely or not at all.
#[derive(Debug, Parser)]
#[command(name = "assent", version, max_term_width = 110, arg_required_else_help = true,
    after_help = Status::table())]
pub(crate) struct Program {
    /// What to do.
    #[command(subcommand)]
    command: Command,
    /// Options of every command.
    #[command(flatten)]
    pub(crate) global: Global,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start, look at, hurt and stop a local cluster of real processes
    Cluster(cluster::ClusterArgs),
    /// Run one coordinator in the foreground
    #[command(after_help = "Example:\n  assent coordinator --config /etc/assent/node.toml")]
    Coordinator(node::NodeArgs),
    /// Run one participant in the foreground
    #[command(after_help = "Example:\n  assent participant --config /etc/assent/node.toml")]
    Participant(node::NodeArgs),
    /// Make a certificate authority, issue certificates
    Keys(keys::KeysArgs),
    /// Add or show a student
    Student(registrar::student::StudentArgs),
    /// Add or show a course
    Course(registrar::course::CourseArgs),
    /// Enrol a student in courses: in all of them, or in none
    #[command(after_help = "Example:\n  assent enroll s17 CS101 MA201")]
    Enroll(registrar::enroll::EnrollArgs),
    /// Drop a student from courses: from all of them, or from none
    #[command(after_help = "Example:\n  assent drop s17 MA201")]
    Drop(registrar::enroll::EnrollArgs),
    /// Show a record, or one field of it
    #[command(after_help = "Example:\n  assent get course/CS101 --field roster")]
    Get(get::GetArgs),
    /// Run transactions given as JSON, one per line
    #[command(after_help = transact::HELP)]
    Transact(transact::TransactArgs),
    /// Make mailboxes; send, receive and finish messages
    Mailbox(mailbox::MailboxArgs),
    /// Show what became of a transaction
    #[command(after_help = "Example:\n  assent outcome admin:7350215421067264001:17")]
    Outcome(outcome::OutcomeArgs),
    /// Show undecided transactions on every node: age, votes, who is missing, which records wait
    #[command(after_help = "Example:\n  assent in-doubt --json")]
    InDoubt(in_doubt::InDoubtArgs),
    /// Import real enrolment data, and compare the result with the files
    Import(import::ImportArgs),
    /// Check that both sides of every enrolment agree, that every bound holds, and that nothing is in doubt
    #[command(after_help = "Example:\n  assent verify --quiet-cluster")]
    Verify(verify::VerifyArgs),
    /// Measure enrolments or messages per second in a closed loop
    #[command(
        after_help = "Examples:\n  assent bench --clients 64 --seconds 10\n  assent bench --clients 64 --courses 1 --json\n  assent bench --messages --in-flight 256 --finish acknowledge"
    )]
    Bench(bench::BenchArgs),
    /// Watch a university enrol while nodes are killed, and have everything verified
    #[command(after_help = "Example:\n  assent demo")]
    Demo(demo::DemoArgs),
    /// Print shell completions
    #[command(after_help = "Example:\n  assent completions bash > /etc/bash_completion.d/assent")]
    Completions(completions::CompletionsArgs),
}

impl Program {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<Status, Failure> {
        let global = &self.global;
        if !matches!(self.command, Command::Coordinator(_) | Command::Participant(_)) {
            // A node's log is set in its configuration.
            node::logs::start_if_asked()?;
        }
        match self.command {
            Command::Cluster(args) => cluster::run(args, global),
            Command::Coordinator(args) => node::run(&args, Role::Coordinator),
            Command::Participant(args) => node::run(&args, Role::Participant),
            Command::Keys(args) => keys::run(args, global),
            Command::Student(args) => registrar::student::run(args, global),
            Command::Course(args) => registrar::course::run(args, global),
            Command::Enroll(args) => registrar::enroll::enroll(&args, global),
            Command::Drop(args) => registrar::enroll::drop(&args, global),
            Command::Get(args) => get::run(&args, global),
            Command::Transact(args) => transact::run(&args, global),
            Command::Mailbox(args) => mailbox::run(args, global),
            Command::Outcome(args) => outcome::run(&args, global),
            Command::InDoubt(args) => in_doubt::run(&args, global),
            Command::Import(args) => import::run(args, global),
            Command::Verify(args) => verify::run(&args, global),
            Command::Bench(args) => bench::run(&args, global),
            Command::Demo(args) => demo::run(&args, global),
            Command::Completions(args) => completions::run(&args),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Program::command().debug_assert();
    }

    #[test]
    fn no_command_has_an_option_with_the_name_of_a_global_one() {
        fn check(command: &clap::Command, global: &[String]) {
            for inner in command.get_subcommands() {
                for own in inner.get_arguments().filter(|argument| !argument.is_global_set()) {
                    let id = own.get_id().to_string();
                    assert!(!global.contains(&id), "{}: {id}", inner.get_name());
                }
                check(inner, global);
            }
        }
        let program = Program::command();
        let global = program.get_arguments().filter(|argument| argument.is_global_set());
        let global: Vec<String> = global.map(|argument| argument.get_id().to_string()).collect();
        assert!(!global.is_empty());
        check(&program, &global);
    }

    #[test]
    fn every_command_shows_an_example() {
        fn check(command: &clap::Command) {
            for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
                let example = inner.get_after_help().is_some_and(|help| help.to_string().contains("assent "));
                assert!(example || inner.has_subcommands(), "{} shows no example", inner.get_name());
                check(inner);
            }
        }
        check(&Program::command());
    }
}
