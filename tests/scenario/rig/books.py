# SPDX-License-Identifier: Apache-2.0
"""The ledger lines of one start: the last one of each lane tells where every event went."""

from .waiting import promised

HELD = ("ring", "batch", "ready", "in_flight", "spool")
NOT_FLOWS = {"time", "level", "msg", "input", "output", "balance"}


class Lane:
    def __init__(self, record):
        self.fields = {key: int(value) for key, value in record.items() if key not in NOT_FLOWS
                       and value.lstrip("-").isdigit()}

    def __getattr__(self, name):
        return self.fields.get(name, 0)

    @property
    def held(self):
        return sum(self.fields.get(name, 0) for name in HELD)

    def check_identity(self):
        """What is lost was received by the start before: this one only says so."""
        went = self.delivered + self.dropped + self.filtered + self.held
        promised(self.received == went, f"received {self.received}, went {went}: {self.fields}")

    def __repr__(self):
        return f"Lane({self.fields})"


class Books:
    def __init__(self, log):
        self.lanes = {}
        for record in log.find(msg="ledger"):
            self.lanes[record["input"], record["output"]] = Lane(record)
        for lane in self.lanes.values():
            lane.check_identity()

    def lane(self, input_name=None, output=None):
        found = [lane for (i, o), lane in self.lanes.items()
                 if input_name in (None, i) and output in (None, o)]
        assert len(found) == 1, f"{len(found)} lanes for {input_name} to {output}: {self.lanes}"
        return found[0]

    def agree_with(self, receiver, output=None):
        """Delivered in the books is what the receiver acknowledged: for when no answer was lost."""
        delivered = sum(lane.delivered for (_, o), lane in self.lanes.items() if output in (None, o))
        acknowledged = len(receiver.events())
        promised(delivered == acknowledged, f"delivered {delivered}, acknowledged {acknowledged}")
        return self
