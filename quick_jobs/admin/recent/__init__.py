"""The newest executions of jobs and of runners: read, summed up and put into words."""
