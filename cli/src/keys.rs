//! `assent keys`: the certificate authority of a cluster, and the certificates it issues.
//!
//! What is inside a certificate is the transport's business; here are only files and options.

use crate::{
    context::Global,
    failure::{Failure, chain},
    status::Status,
};
use assent_transport::{Authority, Role};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Certificates and keys.
#[derive(Debug, Args)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Make a certificate authority: ca.crt, which every node and client gets, and ca.key, which stays secret
    #[command(after_help = "Example:\n  assent keys init --dir keys")]
    Init(InitArgs),
    /// Issue a certificate with a role and a name, and its key
    #[command(after_help = "Example:\n  assent keys issue --dir keys --role client --name enrolment-desk")]
    Issue(IssueArgs),
}

#[derive(Debug, Args)]
struct InitArgs {
    /// Where to write ca.crt and ca.key
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

#[derive(Debug, Args)]
struct IssueArgs {
    /// Where ca.crt and ca.key are
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// What the certificate is for: coordinator, participant or client
    #[arg(long, value_name = "ROLE")]
    role: Role,
    /// The name: a node's name in the cluster file, or a client's name
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Where to write ROLE-NAME.crt and ROLE-NAME.key [default: --dir]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Written {
    certificate: PathBuf,
    key: PathBuf,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "certificate  {}", self.certificate.display())?;
        writeln!(f, "key          {}  (keep it secret)", self.key.display())
    }
}

/// Runs the command.
pub(crate) fn run(args: KeysArgs, global: &Global) -> Result<Status, Failure> {
    let written = match args.command {
        KeysCommand::Init(args) => init(&args.dir)?,
        KeysCommand::Issue(args) => issue(&args)?,
    };
    global.output().print(&written)?;
    Ok(Status::Done)
}

fn init(dir: &Path) -> Result<Written, Failure> {
    make_dir(dir)?;
    Authority::create(dir).map_err(|error| {
        Failure::new(Status::Config, format!("could not make a certificate authority in {}", dir.display()))
            .cause(chain(&error))
            .remedy("name a directory that is writable and has no authority yet, with --dir")
    })?;
    Ok(Written { certificate: dir.join("ca.crt"), key: dir.join("ca.key") })
}

fn issue(args: &IssueArgs) -> Result<Written, Failure> {
    let authority = Authority::load(&args.dir).map_err(|error| {
        Failure::new(
            Status::Config,
            format!("could not use the certificate authority in {}", args.dir.display()),
        )
        .cause(chain(&error))
        .remedy("make one: assent keys init --dir DIR")
    })?;
    let out = args.out.as_deref().unwrap_or(&args.dir);
    make_dir(out)?;
    authority.issue_into(out, args.role, &args.name).map_err(|error| {
        Failure::new(
            Status::Config,
            format!("could not issue a certificate for {} {:?}", args.role, args.name),
        )
        .cause(chain(&error))
        .remedy("use letters, digits, '.', '_' and '-' in the name, and a writable directory with --out")
    })?;
    let file = |extension| out.join(format!("{}-{}.{extension}", args.role, args.name));
    Ok(Written { certificate: file("crt"), key: file("key") })
}

fn make_dir(dir: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(dir).map_err(|error| {
        Failure::new(Status::Config, format!("could not make the directory {}", dir.display()))
            .cause(error)
            .remedy("name a directory that you may write to")
    })
}
