"""What holds for the hosts of every scenario, also after its roles have run."""

from __future__ import annotations

from testinfra.host import Host


def test_systemd_runs_the_host_and_no_unit_has_failed(host: Host) -> None:
    assert host.check_output("cat /proc/1/comm") == "systemd"
    assert host.check_output("systemctl list-units --no-legend --state=failed") == ""


def test_host_has_the_address_of_the_inventory(host: Host) -> None:
    assert host.ansible.get_variables()["address"] in host.interface("eth0").addresses
