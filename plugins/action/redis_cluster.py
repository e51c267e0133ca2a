# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs module redis_cluster in pieces of a few seconds, because Ansible shows nothing while a module runs."""

from __future__ import annotations

import time
import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.microservices.redis.plugins.module_utils._cluster_progress import Progress

SHOW_EVERY = 3.0  # seconds of moving slots between two lines; starting the module takes another one or two

FIRST = ("actions", "diff", "moving")

display = Display()


class ActionModule(ActionBase):
    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if arguments.get("time_budget") is not None or self._task.check_mode:
            result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
            return result
        arguments["time_budget"] = SHOW_EVERY
        started = time.monotonic()
        progress: Progress | None = None
        while True:
            latest = self._execute_module(module_args=arguments, task_vars=task_vars)
            if (
                progress is not None
            ):  # the first run has planned everything: its actions and diff are those of the whole
                latest = {**latest, "changed": True, **{key: result[key] for key in FIRST if key in result}}
            result.update(latest)
            if latest.get("failed") or latest.get("finished", True):
                return result
            progress = (progress or Progress.begin(latest["moving"], started)).seen(latest["to_move"], time.monotonic())
            display.display(f"{latest['name']}: {progress.describe()}")
