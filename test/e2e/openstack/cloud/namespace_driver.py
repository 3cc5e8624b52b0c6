"""
A Nova compute driver whose servers are network namespaces with an overlay of one root file system and an sshd. They
have the addresses and the MAC from Neutron and the key pair from Nova. Everything else is Nova's own fake driver. If
the root file system has systemd, start-systemd.sh boots it. Otherwise user data that begins with #! runs after the
boot, and its output goes to the console log.
"""

import base64
import os
import shutil
import signal
import subprocess

from nova.compute import power_state
from nova.virt import fake

ROOTFS = os.environ["CLOUD_ROOTFS"]
GUESTS = os.environ["CLOUD_GUESTS"]
BRIDGE = os.environ["CLOUD_BRIDGE"]
START_SYSTEMD = os.environ["CLOUD_SCRIPTS"] + "/start-systemd.sh"
HAS_SYSTEMD = os.path.exists(ROOTFS + "/lib/systemd/systemd")
DEVICES = (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0))
LINKS = (("/proc/self/fd", "fd"), ("/proc/self/fd/0", "stdin"), ("/proc/self/fd/1", "stdout"), ("/proc/self/fd/2", "stderr"))

INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc; mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /dev/shm; mkdir -p /run/sshd
mount -t devpts -o newinstance,ptmxmode=0666 devpts /dev/pts && ln -sf pts/ptmx /dev/ptmx
hostname "$1"
exec >> /var/log/console.log 2>&1
rm -f /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
echo '-----BEGIN SSH HOST KEY KEYS-----'; cat /etc/ssh/ssh_host_ed25519_key.pub; echo '-----END SSH HOST KEY KEYS-----'
[ ! -x /var/lib/user-data ] || /var/lib/user-data &
[ ! -e /var/lib/no-ssh ] || exec sleep infinity
exec /usr/sbin/sshd -D -e
"""


def run(*command, check=True):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if check and done.returncode:
        raise RuntimeError("%s: %s" % (" ".join(command), done.stdout.decode(errors="replace").strip()))


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(text)
    os.chmod(path, mode)


class NamespaceDriver(fake.FakeDriver):
    vcpus, memory_mb, local_gb = 200, 204800, 2000

    def init_host(self, host):
        self._processes = {}
        os.makedirs(GUESTS, exist_ok=True)
        super().init_host(host)

    def spawn(self, context, instance, image_meta, injected_files, admin_password, allocations, network_info=None,
              block_device_info=None, power_on=True, accel_info=None):
        super().spawn(context, instance, image_meta, injected_files, admin_password, allocations, network_info,
                      block_device_info, power_on, accel_info)
        directory, namespace = self._directory(instance), self._namespace(instance)
        upper = directory + "/upper"
        for name in ("work", "root", "upper/root/.ssh"):
            os.makedirs(os.path.join(directory, name), exist_ok=True)
        os.chmod(upper + "/root", 0o700)
        os.chmod(upper + "/root/.ssh", 0o700)
        write(upper + "/root/.ssh/authorized_keys", (instance.key_data or "").encode(), 0o600)
        write(upper + "/.init", INIT.encode(), 0o755)
        if instance.metadata.get("test") == "no-ssh":
            write(upper + "/var/lib/no-ssh", b"")
        user_data = base64.b64decode(instance.user_data) if instance.user_data else b""
        if user_data.startswith(b"#!"):
            write(upper + "/var/lib/user-data", user_data, 0o755)
        run("ip", "netns", "add", namespace)
        run("ip", "-n", namespace, "link", "set", "lo", "up")
        for index, vif in enumerate(network_info or []):
            here, there = "c" + vif["id"][:11], "eth%d" % index
            run("ip", "link", "add", here, "type", "veth", "peer", "name", there, "address", vif["address"], "netns", namespace)
            run("ip", "link", "set", here, "master", BRIDGE, "up")
            for subnet in vif["network"]["subnets"]:
                length = subnet["cidr"].split("/")[1]
                for address in subnet["ips"]:
                    run("ip", "-n", namespace, "addr", "add", address["address"] + "/" + length, "dev", there)
            run("ip", "-n", namespace, "link", "set", there, "up")
        if power_on:
            self._start(instance)

    def destroy(self, context, instance, network_info, block_device_info=None, destroy_disks=True, destroy_secrets=True):
        self._stop(instance)
        directory = self._directory(instance)
        run("umount", "-l", directory + "/root/dev", check=False)
        run("umount", "-l", directory + "/root", check=False)
        # Also deletes its network links.
        run("ip", "netns", "del", self._namespace(instance), check=False)
        shutil.rmtree(directory, ignore_errors=True)
        super().destroy(context, instance, network_info, block_device_info, destroy_disks, destroy_secrets)

    def power_off(self, instance, timeout=0, retry_interval=0):
        self._stop(instance)
        super().power_off(instance, timeout, retry_interval)

    def power_on(self, context, instance, network_info, block_device_info=None, accel_info=None):
        if instance.uuid in self.instances and instance.uuid not in self._processes:
            self._start(instance)
        super().power_on(context, instance, network_info, block_device_info, accel_info)

    def reboot(self, context, instance, network_info, reboot_type, block_device_info=None, bad_volumes_callback=None,
               accel_info=None):
        self._stop(instance)
        self._start(instance)
        if instance.uuid in self.instances:
            self.instances[instance.uuid].state = power_state.RUNNING

    def get_console_output(self, context, instance):
        try:
            with open(self._directory(instance) + "/upper/var/log/console.log") as file:
                return file.read()
        except OSError:
            return ""

    def _directory(self, instance):
        return os.path.join(GUESTS, instance.uuid)

    def _namespace(self, instance):
        return "cloud-" + instance.uuid[:8]

    def _start(self, instance):
        directory, namespace = self._directory(instance), self._namespace(instance)
        root = directory + "/root"
        if not os.path.ismount(root):
            layers = "lowerdir=%s,upperdir=%s/upper,workdir=%s/work" % (ROOTFS, directory, directory)
            run("mount", "-t", "overlay", "overlay", "-o", layers, root)
            if not HAS_SYSTEMD:
                self._make_devices(root)
        name = instance.hostname or instance.uuid
        if HAS_SYSTEMD:
            command = [START_SYSTEMD, namespace, root, name]
        else:
            command = ["ip", "netns", "exec", namespace, "unshare", "--mount", "--pid", "--uts", "--ipc", "--fork",
                       "--kill-child", "chroot", root, "/.init", name]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(command, start_new_session=True, **quiet)
        self._processes[instance.uuid] = process
        write(directory + "/pid", str(process.pid).encode())

    def _make_devices(self, root):
        run("mount", "-t", "tmpfs", "-o", "mode=755,size=1m", "tmpfs", root + "/dev")
        for name, major, minor in DEVICES:
            os.mknod(root + "/dev/" + name, 0o020666, os.makedev(major, minor))
            os.chmod(root + "/dev/" + name, 0o666)
        for name in ("pts", "shm"):
            os.makedirs(root + "/dev/" + name)
        for target, name in LINKS:
            os.symlink(target, root + "/dev/" + name)

    def _stop(self, instance):
        process = self._processes.pop(instance.uuid, None)
        if process:
            # unshare ignores SIGTERM; with --kill-child all processes of the server end with it.
            process.kill()
            process.wait()
            return
        # Started by an earlier Nova process. It is a session leader; a process that reused its pid is not.
        try:
            with open(self._directory(instance) + "/pid") as file:
                pid = int(file.read())
            if os.getsid(pid) == pid:
                os.kill(pid, signal.SIGKILL)
        except (OSError, ValueError):
            pass
