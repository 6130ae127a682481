"""The newest executions of jobs and runners: queries, statistics and words."""
