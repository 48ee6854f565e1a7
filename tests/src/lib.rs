//! Tests that span crates: golden vectors, layout of the workspace.
