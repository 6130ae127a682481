"""Who is told how jobs and runners are doing: what makes an alert, pings, and their sending."""
