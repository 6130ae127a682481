"""Parses the schedule in a job's row, a text that anybody may have written."""

from __future__ import annotations

import ast
import functools
import re
from typing import Callable, Dict, Optional, Union

from quick_jobs.schedules.base import LONGEST_REPR
from quick_jobs.schedules.cron_expressions import Cron, cron
from quick_jobs.schedules.times_of_day import At, at

_MAKERS: Dict[str, Callable[..., Union[At, Cron]]] = {"at": at, "cron": cron}

# Other texts are not given to Python's parser, which may be slow or warn.
_ARGUMENT = r"(?:(?:days|timezone)=)?'[^'\\\r\n]*'"
_CALL = re.compile(rf"(?:at|cron)\({_ARGUMENT}(?:, {_ARGUMENT})*\)")


def parse_schedule(text: Optional[str]) -> Union[At, Cron, None]:
    """Return the schedule whose ``repr`` is ``text``, if it is one of ``at`` or ``cron``.

    None for any other text. Nothing is raised, and no code is run.
    """
    if not isinstance(text, str) or len(text) > LONGEST_REPR or not _CALL.fullmatch(text):
        return None
    return _parse(text)


@functools.lru_cache(maxsize=1000)
def _parse(text: str) -> Union[At, Cron, None]:
    try:
        call = ast.parse(text, mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            return None
        arguments = [ast.literal_eval(argument) for argument in call.args]
        named = {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}
        return _MAKERS[call.func.id](*arguments, **named)
    except Exception:  # any problem: for example, a time zone may be unknown on this machine
        return None
