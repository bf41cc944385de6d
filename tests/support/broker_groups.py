"""What the durable broker keeps of a consumer group, and the defect that shows in it.

While a group shares out its partitions anew, this broker waits for its leader's word. A leader that leaves
in this time, as a client does on SIGTERM, is taken off the members but stays the leader: everybody waits for
it, new members too, until the broker reads the group anew from its storage, as after a restart.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Group:
    """Members are named by the broker: client id, hyphen, UUID."""

    forming: bool
    leader: str | None
    members: frozenset[str]

    @property
    def stalled(self) -> bool:
        return self.forming and self.leader is not None and self.leader not in self.members


def kept_group(cluster_url: str, group_id: str) -> Group | None:
    """``None``: there is none, or the object store does not answer."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{cluster_url}/groups/consumers/{group_id}.json", timeout=_TIMEOUT) as answer:
            return _group(json.load(answer))
    except urllib.error.HTTPError as error:
        with error:
            return None
    except OSError:
        return None


def _group(kept: Mapping[str, Any]) -> Group:
    ((state, details),) = kept["state"].items()
    return Group(state == "Forming", details["leader"], frozenset(kept["members"]))
