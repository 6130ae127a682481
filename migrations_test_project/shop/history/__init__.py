"""Made-up histories: of the demo, and of the browser tests and the pictures."""
