//! A local cluster that lives as long as a command: for the demonstration and the benchmark.

use super::{control::stop_all, layout::Layout, plan::Counts, up::bring_up};
use crate::{failure::Failure, status::Status};
use assent_transport::Cluster;
use std::{path::PathBuf, time::Duration};

/// How long its nodes may take to get ready.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long its nodes may take to stop.
const GRACE: Duration = Duration::from_secs(5);

/// A cluster whose processes end with it, also when the command fails.
#[derive(Debug)]
pub(crate) struct TemporaryCluster {
    layout: Layout,
    cluster: Cluster,
    keep: bool,
}

impl TemporaryCluster {
    /// Starts one in `dir`, or in a new directory below the system's temporary one, which is removed in the end.
    pub(crate) fn start(
        name: &str,
        dir: Option<PathBuf>,
        counts: Counts,
    ) -> Result<TemporaryCluster, Failure> {
        let keep = dir.is_some();
        let dir =
            dir.unwrap_or_else(|| std::env::temp_dir().join(format!("assent-{name}-{}", std::process::id())));
        let layout = Layout::new(&dir)?;
        if layout.cluster_file().exists() {
            return Err(Failure::new(
                Status::Usage,
                format!("there is a cluster in {} already", dir.display()),
            )
            .remedy("name another directory with --dir, or leave --dir away"));
        }
        let cluster = bring_up(&layout, counts, READY_WITHIN).inspect_err(|_| stop_what_runs(&layout))?;
        Ok(TemporaryCluster { layout, cluster, keep })
    }

    /// Where it is.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Its nodes.
    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Leaves its directory where it is, for a look at what went wrong.
    pub(crate) fn keep(&mut self) {
        self.keep = true;
    }
}

impl Drop for TemporaryCluster {
    fn drop(&mut self) {
        if let Err(failure) = stop_all(&self.layout, &self.cluster, GRACE) {
            eprintln!("assent: {failure}");
            return;
        }
        if !self.keep
            && let Err(error) = std::fs::remove_dir_all(self.layout.root())
        {
            eprintln!("assent: could not remove {}: {error}", self.layout.root().display());
        }
    }
}

/// Of a cluster that did not come up whole.
fn stop_what_runs(layout: &Layout) {
    if let Ok(cluster) = crate::context::load_cluster(&layout.cluster_file())
        && let Err(failure) = stop_all(layout, &cluster, GRACE)
    {
        eprintln!("assent: {failure}");
    }
}
