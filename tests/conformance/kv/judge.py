"""Counts what passed and what failed, and says which program saw what."""


class Judge:
    def __init__(self):
        self.passed = self.failed = 0
        self.seen = {}

    def check(self, who, what, is_right, came=""):
        """One thing that `who` did; True is as it must be."""
        self.seen.setdefault(who, []).append(what)
        if is_right:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED {who}: {what}: {str(came)[:600]}")

    def equal(self, who, what, came, wanted):
        self.check(who, what, came == wanted, f"came {came!r}, wanted {wanted!r}")

    def table(self):
        for who, what in self.seen.items():
            print(f"{who:28} {len(what):3}  {', '.join(what)}")
