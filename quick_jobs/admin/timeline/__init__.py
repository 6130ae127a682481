"""The timeline: a lane for each job, a bar for each execution, and the runners' lifetimes."""
