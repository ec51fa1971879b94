//! What judges histories. Each file is one checker: `check(&History) -> Verdict`.
