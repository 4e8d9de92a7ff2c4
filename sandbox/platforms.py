"""Operating systems: what AWS, `/etc/os-release` and the package managers say of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Family = Literal["debian", "ubuntu", "amazon", "rhel", "suse", "windows"]


@dataclass(frozen=True, slots=True)
class Platform:
    """One operating system.

    `platform_name` and `platform_version` are DescribeInstanceInformation's words. `kernel` may
    contain `{arch}`, the machine name of `uname -m`, and `{deb_arch}`, Debian's name of it.
    `codename` is empty outside Debian and Ubuntu. `gcc` is what binaries were compiled with.
    `os_release` tells whether `/etc/os-release` exists: it came with systemd.
    """

    key: str
    family: Family
    version: str
    codename: str
    pretty_name: str
    platform_name: str
    platform_version: str
    kernel: str
    gcc: str
    os_release: bool = True

    @property
    def is_deb(self) -> bool:
        """Whether dpkg manages the packages; otherwise rpm does."""
        return self.family in ("debian", "ubuntu")


def _platforms(*platforms: Platform) -> Mapping[str, Platform]:
    return {platform.key: platform for platform in platforms}


PLATFORMS = _platforms(
    Platform(
        "ubuntu-20.04", "ubuntu", "20.04", "focal", "Ubuntu 20.04.6 LTS", "Ubuntu", "20.04",
        "5.15.0-1063-aws", "(Ubuntu 9.4.0-1ubuntu1~20.04.2) 9.4.0",
    ),
    Platform(
        "ubuntu-22.04", "ubuntu", "22.04", "jammy", "Ubuntu 22.04.4 LTS", "Ubuntu", "22.04",
        "6.5.0-1020-aws", "(Ubuntu 11.4.0-1ubuntu1~22.04) 11.4.0",
    ),
    Platform(
        "ubuntu-24.04", "ubuntu", "24.04", "noble", "Ubuntu 24.04.1 LTS", "Ubuntu", "24.04",
        "6.8.0-1016-aws", "(Ubuntu 13.2.0-23ubuntu4) 13.2.0",
    ),
    Platform(
        "debian-11", "debian", "11", "bullseye", "Debian GNU/Linux 11 (bullseye)",
        "Debian GNU/Linux", "11", "5.10.0-30-cloud-{deb_arch}", "(Debian 10.2.1-6) 10.2.1 20210110",
    ),
    Platform(
        "debian-12", "debian", "12", "bookworm", "Debian GNU/Linux 12 (bookworm)",
        "Debian GNU/Linux", "12", "6.1.0-22-cloud-{deb_arch}", "(Debian 12.2.0-14) 12.2.0",
    ),
    Platform(
        "amazon-2", "amazon", "2", "", "Amazon Linux 2", "Amazon Linux", "2",
        "5.10.217-205.860.amzn2.{arch}", "(GCC) 7.3.1 20180712 (Red Hat 7.3.1-17)",
    ),
    Platform(
        "amazon-2023", "amazon", "2023", "", "Amazon Linux 2023.5.20240708", "Amazon Linux", "2023",
        "6.1.94-99.176.amzn2023.{arch}", "(GCC) 11.4.1 20230605 (Red Hat 11.4.1-2)",
    ),
    Platform(
        "rhel-7", "rhel", "7.9", "", "Red Hat Enterprise Linux Server 7.9 (Maipo)",
        "Red Hat Enterprise Linux Server", "7.9", "3.10.0-1160.119.1.el7.{arch}",
        "(GCC) 4.8.5 20150623 (Red Hat 4.8.5-44)",
    ),
    Platform(
        "rhel-8", "rhel", "8.9", "", "Red Hat Enterprise Linux 8.9 (Ootpa)",
        "Red Hat Enterprise Linux", "8.9", "4.18.0-513.24.1.el8_9.{arch}",
        "(GCC) 8.5.0 20210514 (Red Hat 8.5.0-20)",
    ),
    Platform(
        "rhel-9", "rhel", "9.4", "", "Red Hat Enterprise Linux 9.4 (Plow)",
        "Red Hat Enterprise Linux", "9.4", "5.14.0-427.20.1.el9_4.{arch}",
        "(GCC) 11.4.1 20231218 (Red Hat 11.4.1-3)",
    ),
    Platform(
        "sles-15", "suse", "15.5", "", "SUSE Linux Enterprise Server 15 SP5", "SLES", "15.5",
        "5.14.21-150500.55.65-default", "(SUSE Linux) 7.5.0",
    ),
    Platform(
        "centos-6", "rhel", "6.10", "", "CentOS release 6.10 (Final)", "CentOS", "6.10",
        "2.6.32-754.35.1.el6.{arch}", "(GCC) 4.4.7 20120313 (Red Hat 4.4.7-23)", os_release=False,
    ),
    Platform(
        "windows-2019", "windows", "2019", "", "Windows Server 2019 Datacenter",
        "Microsoft Windows Server 2019 Datacenter", "10.0.17763", "", "",
    ),
    Platform(
        "windows-2022", "windows", "2022", "", "Windows Server 2022 Datacenter",
        "Microsoft Windows Server 2022 Datacenter", "10.0.20348", "", "",
    ),
)  # fmt: skip
