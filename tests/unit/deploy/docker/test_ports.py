from __future__ import annotations

import os
import re
import socket

from deploy.docker.ports import (
    PublishedPort,
    listening_inodes,
    parse_lsof,
    parse_ports,
    port_user,
    published_ports,
)

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 11111 1
   1: 0100007F:1F40 0100007F:C000 01 00000000:00000000 00:00000000 00000000  1000        0 22222 1
   2: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 33333 1
"""


def test_the_ports_of_a_model_are_those_that_the_host_sees() -> None:
    model = {
        "services": {
            "gateway": {"ports": [{"host_ip": "127.0.0.1", "published": "8000", "target": 8000}]},
            "grafana": {"ports": [{"published": "3000", "target": 3000}]},
            "extra": {"ports": [{"target": 9}, {"published": "0", "target": 9}]},
            "redis": {},
        }
    }
    assert published_ports(model) == [
        PublishedPort("gateway", "127.0.0.1", 8000),
        PublishedPort("grafana", "", 3000),
    ]
    assert [port.setting for port in published_ports(model)] == ["API_PORT", "GRAFANA_PORT"]


def test_docker_ps_names_single_ports_and_ranges() -> None:
    text = "127.0.0.1:3000->3000/tcp, 0.0.0.0:80-82->80-82/tcp, :::80-82->80-82/tcp, 9090/tcp"
    assert parse_ports(text) == {3000, 80, 81, 82}
    assert parse_ports("") == set()


def test_only_listening_sockets_count() -> None:
    assert listening_inodes(TABLE, 8000) == ["11111"]
    assert listening_inodes(TABLE, 80) == ["33333"]
    assert listening_inodes(TABLE, 49152) == []


def test_the_owner_of_a_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert re.match(rf"pid {os.getpid()} \(\S", port_user(server.getsockname()[1]))


def test_what_lsof_says_is_understood() -> None:
    assert parse_lsof("p4711\ncnode\nf21\n") == "pid 4711 (node)"
    assert parse_lsof("") is None
