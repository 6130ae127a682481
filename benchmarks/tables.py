"""Tables in Markdown, a row at a time."""


class Table:
    """Prints its head at once, and each row as it comes."""

    def __init__(self, *columns):
        print(f"\n| {' | '.join(columns)} |\n|{' --- |' * len(columns)}", flush=True)

    def row(self, *cells):
        print(f"| {' | '.join(map(str, cells))} |", flush=True)
