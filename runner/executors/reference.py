"""Functions by name: `package.module:function`, the form in which a store keeps what it is to call."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Collection
from importlib import import_module
from types import BuiltinFunctionType, FunctionType
from typing import Any


def name_of(function: Any) -> str:
    """What people call a callable; TypeError where nobody can say."""
    if isinstance(function, functools.partial):
        return name_of(function.func)
    if inspect.ismethod(function):
        owner = function.__self__
        owner = owner if inspect.isclass(owner) else type(owner)
        return f"{owner.__qualname__}.{function.__name__}"
    name = getattr(function, "__qualname__", None) or getattr(type(function), "__qualname__", None)
    if not callable(function) or name is None:
        raise TypeError(f"Unable to determine a name for {function!r} -- maybe it is not a callable?")
    return str(name)


def reference(function: Callable[..., Any]) -> str:
    """The text that `resolve` turns back into this very function.

    ValueError says why there is none: a lambda, a nested function, a partial, a bound method of an object.
    """
    if isinstance(function, functools.partial):
        raise ValueError("Cannot create a reference to a partial()")
    name = name_of(function)
    if "<lambda>" in name:
        raise ValueError("Cannot create a reference to a lambda")
    if "<locals>" in name:
        raise ValueError("Cannot create a reference to a nested function")
    module = getattr(function, "__module__", None)
    if inspect.ismethod(function) and inspect.isclass(function.__self__):
        module = function.__self__.__module__
    text = f"{module}:{name}"
    try:
        found = resolve(text)
    except (LookupError, ValueError):
        found = None
    if found != function:
        raise ValueError(f"Cannot create a reference to {function!r}: {text} is something else")
    return text


def at_home(function: Any) -> str | None:
    """The reference of a plain function that stands in its module under its own name, as most do: None of any other.

    As `reference` says it, but quick enough to be asked for every job.
    """
    if type(function) is not FunctionType and type(function) is not BuiltinFunctionType:
        return None
    module, name = function.__module__, function.__qualname__
    there = getattr(sys.modules.get(module), "__dict__", None)
    return f"{module}:{name}" if there is not None and there.get(name) is function else None


def unbound(target: str | Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """A method of an object as the function of its class, with the object as first argument; others as they are."""
    if inspect.ismethod(target) and not inspect.isclass(target.__self__):
        return target.__func__, (target.__self__, *args)
    return target, args


def resolve(text: str, allowed: Collection[str] | None = None) -> Callable[..., Any]:
    """The callable of a reference.

    LookupError where its module or name is not there, or stands outside the modules of `allowed` (a package allows
    what is in it); ValueError where the text is no reference.
    """
    module_name, colon, path = text.partition(":")
    if not colon or not module_name or not path:
        raise ValueError(f"{text!r} is not a reference: write package.module:function")
    if allowed is not None and not _allowed(module_name, allowed):
        raise LookupError(f"{text} is not in the modules this program allows ({', '.join(sorted(allowed))})")
    try:
        found: Any = import_module(module_name)
    except ImportError as error:
        raise LookupError(f"Error resolving reference {text}: could not import module ({error})") from error
    except Exception as error:
        fact = f"its module failed while it was imported ({type(error).__name__}: {error})"
        raise LookupError(f"Error resolving reference {text}: {fact}") from error
    try:
        for part in path.split("."):
            found = getattr(found, part)
    except AttributeError as error:
        raise LookupError(f"Error resolving reference {text}: error looking up object ({error})") from error
    if not callable(found):
        raise LookupError(f"Error resolving reference {text}: it is not callable")
    called: Callable[..., Any] = found
    return called


def _allowed(module: str, allowed: Collection[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in allowed)
