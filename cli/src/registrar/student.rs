//! `assent student`: adds or shows one.

use super::{call, list, print_committed};
use crate::{context::Global, failure::Failure, status::Status};
use assent_client::registrar::{NewStudent, Student};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::fmt;

/// Students.
#[derive(Debug, Args)]
pub(crate) struct StudentArgs {
    #[command(subcommand)]
    command: StudentCommand,
}

#[derive(Debug, Subcommand)]
enum StudentCommand {
    /// Add a student
    #[command(after_help = "Example:\n  assent student add s17 --name \"Ada Lovelace\" --credits-max 60")]
    Add(AddArgs),
    /// Show a student and the schedule
    #[command(after_help = "Example:\n  assent student show s17")]
    Show(ShowArgs),
}

#[derive(Debug, Args)]
struct AddArgs {
    /// The id, as s17
    id: String,
    /// The full name [default: the id]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Credits that all courses together may have [default: no limit]
    #[arg(long, value_name = "N")]
    credits_max: Option<u32>,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The id
    id: String,
}

/// What `show` prints.
#[derive(Debug, Serialize)]
struct Shown {
    id: String,
    name: String,
    status: String,
    credits: i64,
    credits_max: Option<i64>,
    schedule: Vec<String>,
    version: u64,
}

impl From<Student> for Shown {
    fn from(student: Student) -> Shown {
        let Student { id, name, status, credits, credits_max, schedule, version } = student;
        Shown { id, name, status, credits, credits_max, schedule, version }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.credits_max.map(|max| format!(" of at most {max}")).unwrap_or_default();
        writeln!(f, "student   {}", self.id)?;
        writeln!(f, "name      {}", self.name)?;
        writeln!(f, "status    {}", self.status)?;
        writeln!(f, "credits   {}{limit}", self.credits)?;
        writeln!(f, "schedule  {}", list(&self.schedule))
    }
}

/// Runs the command.
pub(crate) fn run(args: StudentArgs, global: &Global) -> Result<Status, Failure> {
    match args.command {
        StudentCommand::Add(AddArgs { id, name, credits_max }) => {
            let student = NewStudent { name: name.unwrap_or_else(|| id.clone()), id, credits_max };
            let what = format!("add student {}", student.id);
            let receipt = call(global, &what, async |registrar| registrar.add_student(&student).await)?;
            print_committed(global.output(), &receipt, format!("added student {}", student.id))
        }
        StudentCommand::Show(ShowArgs { id }) => {
            let what = format!("show student {id}");
            let student = call(global, &what, async |registrar| registrar.schedule(&id).await)?;
            global.output().print(&Shown::from(student))?;
            Ok(Status::Done)
        }
    }
}
