# SPDX-License-Identifier: Apache-2.0
"""Ansible's connection to a root in a folder: commands by chroot(8), files by copying."""

import shutil
import subprocess

from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
    name: clean_root
    short_description: runs tasks in a root in a folder
    description: ansible_host names the folder
    author: The Spillway authors
    options: {}
"""


class Connection(ConnectionBase):
    transport = "clean_root"
    has_pipelining = False

    def _connect(self):
        self._connected = True
        return self

    def _folder(self):
        return self._play_context.remote_addr

    def exec_command(self, cmd, in_data=None, sudoable=False):
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        done = subprocess.run(["chroot", self._folder(), "/bin/sh", "-c", cmd], input=in_data, capture_output=True,
                              check=False)
        return done.returncode, done.stdout, done.stderr

    def put_file(self, in_path, out_path):
        shutil.copyfile(in_path, f"{self._folder()}/{out_path}")

    def fetch_file(self, in_path, out_path):
        shutil.copyfile(f"{self._folder()}/{in_path}", out_path)

    def close(self):
        self._connected = False
