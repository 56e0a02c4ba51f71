"""Settings that are broadcast to tasks while a workflow runs."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from wri_proto.v1.data_store_pb2 import PbRuntime
from wri_reference._errors import RemoteProtocolError

EVERY: Final = "*"

FIELDS: Final = {
    "platform": "platform",
    "script": "script",
    "init-script": "init_script",
    "env-script": "env_script",
    "err-script": "err_script",
    "exit-script": "exit_script",
    "pre-script": "pre_script",
    "post-script": "post_script",
    "work sub-directory": "work_sub_dir",
    "execution polling intervals": "execution_polling_intervals",
    "execution retry delays": "execution_retry_delays",
    "execution time limit": "execution_time_limit",
    "submission polling intervals": "submission_polling_intervals",
    "submission retry delays": "submission_retry_delays",
    "completion": "completion",
    "run mode": "run_mode",
}
"""The settings of a task that are texts, and the fields of its runtime that show them."""

SECTIONS: Final = {"directives": "directives", "environment": "environment", "outputs": "outputs"}
"""The settings that have settings of their own, under names that the user chooses."""

Setting = dict[str, Any]
Change = list[Any]
"""`[cycle point, namespace, setting]`"""


class Broadcasts:
    """What is broadcast to whom.

    Attributes:
        settings: by cycle point, or `*` for all, and name of a task or family.
    """

    def __init__(self) -> None:
        self.settings: dict[str, dict[str, Setting]] = {}

    def __str__(self) -> str:
        """Return the settings as JSON."""
        return json.dumps(self.settings)

    def put(
        self,
        points: Sequence[str],
        bad_points: Collection[str],
        namespaces: Sequence[str],
        known: Collection[str],
        settings: Sequence[Any],
    ) -> tuple[list[Change], dict[str, list[Any]]]:
        """Broadcast `settings` and return what was accepted and what was not.

        Args:
            points: the cycle points as they are printed, or `*`.
            bad_points: what was given as a cycle point and is none.
            namespaces: names of tasks and families.
            known: those that exist.
            settings: objects with one entry each.
        """
        changes: list[Change] = []
        good = [one for one in settings if _is_setting(one)]
        for setting in good:
            for point in points:
                for name in namespaces:
                    change = [point, name, setting]
                    if name in known and change not in changes:
                        changes.append(change)
                        _merge(self.settings.setdefault(point, {}).setdefault(name, {}), setting)
        rejected: dict[str, list[Any]] = {
            "settings": [one for one in settings if one not in good],
            "point_strings": sorted(bad_points),
            "namespaces": sorted({name for name in namespaces if name not in known}),
        }
        return changes, {key: value for key, value in rejected.items() if value}

    def clear(
        self, points: Collection[str], namespaces: Collection[str], settings: Sequence[Any]
    ) -> tuple[list[Change], dict[str, list[Any]]]:
        """Take back broadcasts, and return which ones and what met none.

        No points mean all of them; the same for namespaces and settings.
        """
        keys = [path for setting in settings for path, _ in _leaves(setting)]
        changes: list[Change] = []
        met: set[tuple[str, ...]] = set()
        for point, names in self.settings.items():
            for name, setting in names.items():
                if (points and point not in points) or (namespaces and name not in namespaces):
                    continue
                for path, value in list(_leaves(setting)):
                    if not keys or path in keys:
                        met.add(path)
                        changes.append([point, name, _nested(path, value)])
                        _drop(setting, path)
        self._prune()
        unmet: dict[str, list[Any]] = {
            "point_strings": sorted(set(points) - {change[0] for change in changes}),
            "namespaces": sorted(set(namespaces) - {change[1] for change in changes}),
            "cancel": [list(path) for path in keys if path not in met],
        }
        return changes, {key: value for key, value in unmet.items() if value}

    def overrides(self, cycle: str, namespace: Iterable[str]) -> Setting:
        """Return the settings for a task or family, the more special ones on top."""
        found: Setting = {}
        for point in (EVERY, cycle):
            names = self.settings.get(point)
            for name in namespace if names else ():
                _merge(found, names.get(name, {}) if names else {})
        return found

    def _prune(self) -> None:
        for point in list(self.settings):
            names = self.settings[point]
            for name in [name for name, setting in names.items() if not setting]:
                del names[name]
            if not names:
                del self.settings[point]


def apply(runtime: PbRuntime, overrides: Mapping[str, Any]) -> None:
    """Change the runtime of a task as broadcasts demand."""
    for key, value in overrides.items():
        if key in FIELDS:
            setattr(runtime, FIELDS[key], str(value))
        elif key in SECTIONS:
            old = {one["key"]: one["value"] for one in json.loads(getattr(runtime, key) or "[]")}
            pairs = [{"key": name, "value": text} for name, text in {**old, **value}.items()]
            setattr(runtime, SECTIONS[key], json.dumps(pairs))


def check_settings(settings: Any) -> list[Any]:
    """Return `settings` as a list.

    Raises:
        RemoteProtocolError: it holds something that is not an object.
    """
    listed = list(settings or [])
    for one in listed:
        if not isinstance(one, dict):
            raise RemoteProtocolError(
                'a setting is an object, such as {"environment": {"A": "1"}}, '
                f"and not {json.dumps(one, default=str)[:100]}"
            )
    return listed


def _is_setting(setting: Setting) -> bool:
    return bool(setting) and all(
        (key in FIELDS and isinstance(value, str | int | float))
        or (
            key in SECTIONS
            and isinstance(value, dict)
            and all(isinstance(one, str | int | float) for one in value.values())
        )
        for key, value in setting.items()
    )


def _merge(target: Setting, setting: Mapping[str, Any]) -> None:
    for key, value in setting.items():
        if isinstance(value, dict):
            _merge(target.setdefault(key, {}), value)
        else:
            target[key] = value


def _leaves(setting: Mapping[str, Any]) -> Iterable[tuple[tuple[str, ...], Any]]:
    for key, value in setting.items():
        if isinstance(value, dict):
            yield from (((key, *path), leaf) for path, leaf in _leaves(value))
        else:
            yield (key,), value


def _nested(path: Sequence[str], value: Any) -> Setting:
    setting: Any = value if value is None else str(value)
    for key in reversed(path):
        setting = {key: setting}
    return dict(setting)


def _drop(setting: Setting, path: Sequence[str]) -> None:
    if len(path) > 1:
        _drop(setting[path[0]], path[1:])
        if setting[path[0]]:
            return
    del setting[path[0]]
