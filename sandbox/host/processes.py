"""What runs on every host: the kernel's threads and a plain Linux server's own processes."""

from __future__ import annotations

from sandbox.engines import Process, daemon, kernel_thread
from sandbox.platforms import Platform

KERNEL_THREADS = tuple(map(kernel_thread, ("rcu_preempt", "kworker/0:1-events")))


def init_process(os: Platform) -> Process:
    """The first process."""
    init = "/sbin/init" if os.key == "centos-6" else "/usr/lib/systemd/systemd"
    return Process((init, "--switched-root", "--system"), init)


def base_processes(os: Platform) -> tuple[Process, ...]:
    """The children of the first process on a server that does nothing yet."""
    agent_folder = "/usr/bin"
    if os.family == "ubuntu":
        agent_folder = "/snap/amazon-ssm-agent/7993"
    agent = f"{agent_folder}/amazon-ssm-agent"
    worker = daemon(f"{agent_folder}/ssm-agent-worker")
    return (
        *_system(os),
        daemon("/usr/sbin/chronyd -F 1", 115),
        daemon("/usr/bin/dbus-daemon --system --nofork", 103),
        *_services(os),
        Process((agent,), agent, children=(worker,)),
        Process(
            ("/usr/sbin/sshd", "-D"),
            "/usr/sbin/sshd",
            listens=(("0.0.0.0", 22), ("::", 22)),  # noqa: S104
        ),
        daemon("/sbin/agetty -o -p -- \\u --noclear tty1 linux", exe="/usr/sbin/agetty"),
    )


def _system(os: Platform) -> tuple[Process, ...]:
    if os.key == "centos-6":
        return (daemon("/sbin/udevd -d"),)
    return (
        daemon("/usr/lib/systemd/systemd-journald"),
        daemon("/usr/lib/systemd/systemd-udevd"),
        daemon("/usr/lib/systemd/systemd-logind"),
    )


def _services(os: Platform) -> tuple[Process, ...]:
    if os.is_deb:
        return (
            daemon("/usr/sbin/cron -f -P"),
            daemon("/usr/sbin/rsyslogd -n -iNONE", 104),
            daemon("/usr/bin/python3 /usr/bin/networkd-dispatcher --run-startup-triggers"),
        )
    return (
        daemon("/usr/sbin/crond -n"),
        daemon("/usr/sbin/rsyslogd -n"),
        daemon("/usr/sbin/auditd"),
    )
