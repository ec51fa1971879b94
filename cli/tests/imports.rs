//! `assent import`: clean, dirty and interrupted, against small files.

mod common;

use common::{Cluster, data, write};
use serde_json::{Value, json};
use std::{path::Path, process::Stdio, time::Duration};
use tempfile::tempdir;

fn carter(cluster: &Cluster, students: &Path, courses: &Path, status: i32) -> Value {
    let args = ["import", "carter", "--json", "--students"].map(Path::new);
    let args = args.into_iter().chain([students, Path::new("--courses"), courses]);
    cluster.assent(args).ends_with(status).json()
}

fn oulad(cluster: &Cluster, file: &Path, status: i32) -> Value {
    let args = ["import", "oulad", "--json", "--registrations"].map(Path::new);
    cluster.assent(args.into_iter().chain([file])).ends_with(status).json()
}

fn lines_of(remarks: &Value) -> Vec<u64> {
    remarks.as_array().expect("remarks").iter().filter_map(|remark| remark["line"].as_u64()).collect()
}

#[test]
fn a_clean_carter_set_is_imported_once_however_often_it_is_run() {
    let cluster = Cluster::up();
    let (students, courses) = (data("clean.stu"), data("clean.crs"));
    let first = carter(&cluster, &students, &courses, 0);
    assert_eq!(
        (&first["committed"], &first["already_done"], &first["enrolments"]),
        (&json!(4), &json!(0), &json!(7))
    );
    let second = carter(&cluster, &students, &courses, 0);
    assert_eq!(
        (&second["committed"], &second["already_done"], &second["enrolments"]),
        (&json!(0), &json!(4), &json!(7))
    );
    cluster.assent(["verify", "--quiet-cluster"]).ends_with(0);
    // Blank lines are no students, and are counted: the last one is on line 6.
    let last = cluster.assent(["student", "show", "clean-6", "--json"]).ends_with(0).json();
    assert_eq!(last["schedule"], json!(["clean-0001", "clean-0003"]));
}

#[test]
fn an_enrolment_dropped_later_does_not_come_back() {
    let cluster = Cluster::up();
    let (students, courses) = (data("clean.stu"), data("clean.crs"));
    carter(&cluster, &students, &courses, 0);
    cluster.assent(["drop", "clean-1", "clean-0001"]).ends_with(0);
    let again = carter(&cluster, &students, &courses, 9);
    assert_eq!(again["already_done"], 4);
    let differing = &again["differing"][0];
    assert_eq!(
        (&differing["course"], &differing["file"], &differing["cluster"]),
        (&json!("0001"), &json!(3), &json!(2))
    );
}

#[test]
fn nothing_in_a_dirty_carter_set_goes_unsaid_or_half_applied() {
    let cluster = Cluster::up();
    let report = carter(&cluster, &data("dirty.stu"), &data("dirty.crs"), 8);
    // In the course file: 3 has no count, 5 lists a course again. In the student file: 2 names a course twice, 3 is
    // no course id, 4 names an unknown course, 6 is no text.
    assert_eq!(lines_of(&report["remarks"]), [3, 5, 2, 3, 4, 6]);
    assert_eq!((&report["lines"], &report["committed"]), (&json!(3), &json!(3)));
    let differing = report["differing"].as_array().expect("differing");
    assert_eq!(differing.len(), 1);
    assert_eq!(
        (&differing[0]["course"], &differing[0]["file"], &differing[0]["lines"], &differing[0]["cluster"]),
        (&json!("0002"), &json!(9), &json!(2), &json!(2))
    );
    // The line with the wrong course id is not there at all.
    cluster.assent(["student", "show", "dirty-3"]).ends_with(7);
    cluster.assent(["verify", "--quiet-cluster"]).ends_with(0);
}

#[test]
fn oulad_is_replayed_in_the_order_of_the_dates() {
    let cluster = Cluster::up();
    let first = oulad(&cluster, &data("clean.csv"), 0);
    assert_eq!((&first["committed"], &first["enrolments"]), (&json!(8), &json!(2)));
    let again = oulad(&cluster, &data("clean.csv"), 0);
    assert_eq!((&again["committed"], &again["already_done"]), (&json!(0), &json!(8)));
    cluster.assent(["verify", "--quiet-cluster"]).ends_with(0);
}

#[test]
fn nothing_in_a_dirty_oulad_file_goes_unsaid() {
    let cluster = Cluster::up();
    let report = oulad(&cluster, &data("dirty.csv"), 8);
    assert_eq!(lines_of(&report["remarks"]), [3, 4, 5, 7]);
    assert_eq!(report["notes"].as_array().map(Vec::len), Some(2));
    cluster.assent(["verify", "--quiet-cluster"]).ends_with(0);
}

#[test]
fn files_that_are_not_there_or_no_such_files_are_named() {
    let cluster = Cluster::up();
    cluster
        .assent(["import", "carter", "--students", "/nonexistent.stu", "--courses", "/nonexistent.crs"])
        .ends_with(3)
        .says("/nonexistent.crs")
        .explains_itself();
    let wrong = data("clean.stu");
    let args = ["import", "oulad", "--registrations"].map(Path::new).into_iter().chain([wrong.as_path()]);
    cluster.assent(args).ends_with(2).says("code_module").explains_itself();
}

#[test]
fn an_import_that_is_killed_with_two_nodes_goes_on_where_it_was() {
    let cluster = Cluster::up();
    let dir = tempdir().expect("a directory");
    let (students, courses) = generated(dir.path(), 6_000, 40);
    let mut import = cluster
        .command([Path::new("import"), Path::new("carter"), Path::new("--students"), &students])
        .arg("--courses")
        .arg(&courses)
        .args(["--clients", "8"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it can be started");
    await_student(&cluster, "generated-200");
    cluster.assent(["cluster", "kill", "coordinator-1", "students-1"]).ends_with(0);
    cluster.assent(["cluster", "start", "students-1"]).ends_with(0);
    await_student(&cluster, "generated-600");
    assert!(
        import.try_wait().expect("it can be looked at").is_none(),
        "the import was over too soon to be killed"
    );
    import.kill().expect("it can be killed");
    import.wait().expect("it has ended");

    let report = carter(&cluster, &students, &courses, 0);
    let (committed, before) = (report["committed"].as_u64(), report["already_done"].as_u64());
    assert_eq!(committed.zip(before).map(|(committed, before)| committed + before), Some(6_000));
    assert!(before >= Some(600) && committed > Some(0), "{report}");
    cluster.assent(["verify", "--quiet-cluster"]).ends_with(0);
}

/// Waits until the import has come to a student.
fn await_student(cluster: &Cluster, id: &str) {
    for _ in 0..600 {
        if cluster.assent(["get", &format!("student/{id}")]).status == 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("the import never came to {id}");
}

/// A clean data set: each student takes 5 courses in a row.
fn generated(dir: &Path, students: usize, courses: usize) -> (std::path::PathBuf, std::path::PathBuf) {
    let mut counts = vec![0; courses];
    let mut stu = String::new();
    for student in 0..students {
        for course in (0..5).map(|n| (student * 7 + n) % courses) {
            counts[course] += 1;
            stu.push_str(&format!("{:04} ", course + 1));
        }
        stu.push('\n');
    }
    let crs: String = counts.iter().enumerate().map(|(n, count)| format!("{:04} {count}\n", n + 1)).collect();
    (write(dir, "generated.stu", stu), write(dir, "generated.crs", crs))
}
