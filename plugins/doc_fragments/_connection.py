# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

from __future__ import annotations


class ModuleDocFragment:
    # Keep in sync with CONNECTION_OPTIONS in plugins/module_utils/_runner.py.
    DOCUMENTATION = r"""
options:
  login_host:
    description:
      - Host name or address of the redis-server.
    type: str
    default: 127.0.0.1
  login_port:
    description:
      - TCP port of the redis-server.
    type: int
    default: 6379
  login_unix_socket:
    description:
      - Path of the server's unix socket, used instead of host and port.
    type: path
  login_user:
    description:
      - ACL user to log in as. Without it, O(login_password) is the one of user V(default).
    type: str
  login_password:
    description:
      - The user's password.
    type: str
  tls:
    description:
      - Whether to connect with TLS.
    type: bool
    default: false
  ca_certs:
    description:
      - File with the certificates of the authorities that may sign the server's certificate.
      - Without it, the system's authorities hold.
    type: path
  client_cert_file:
    description:
      - File with the client's certificate, where the server asks for one.
    type: path
  client_key_file:
    description:
      - File with the private key of O(client_cert_file).
    type: path
  validate_certs:
    description:
      - Whether to check the server's certificate and host name.
    type: bool
    default: true
  connect_timeout:
    description:
      - Seconds to wait for a connection.
    type: float
    default: 5.0
  command_timeout:
    description:
      - Seconds to wait for the reply to one command.
    type: float
    default: 10.0
requirements:
  - redis (Python package redis-py) 4.3 or newer on the host that runs the module
"""
