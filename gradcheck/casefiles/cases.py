"""The case classes, one for each check, and the decorator that marks a function of a case."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Unpack, overload

from gradcheck.api import Function, check, check_layer, check_step
from gradcheck.errors import UsageError
from gradcheck.matrices import check_hessian, check_jacobian
from gradcheck.options import Given, OfCheck, OfLayer, OfMatrix, Options
from gradcheck.report.model import Report
from gradcheck.words import with_nearest

Maker = Callable[[], "Case"]
Expected = str | Mapping[str, Any] | None

MARK = "__gradcheck_case__"


class Case:
    """One check with exactly the arguments of `gradcheck.check`, and its expected outcome.

    Example:
        >>> import numpy as np, gradcheck
        >>> case = gradcheck.Case(lambda w: np.sum(w**2), np.ones(3), lambda w: w, expect="fail")
        >>> case.check(diagnose=False).verdict
        'fail'

    Args:
        loss: as in `check`.
        params: as in `check`.
        grad: as in `check`.
        expect: "pass", "fail" or "inconclusive"; or a dict with any of "verdict", "blocks" (the
            names of exactly the failing ones) and "rules" (codes or names of exactly those found).
        options: keyword arguments of `check`.

    Raises:
        UsageError: an option is not an argument of `check`.
    """

    function: ClassVar[Callable[..., Report]] = staticmethod(check)

    def __init__(
        self,
        loss: Function,
        params: Any,
        grad: Function | None = None,
        *,
        expect: Expected = None,
        **options: Unpack[OfCheck],
    ) -> None:
        self._keep(expect, {"loss": loss, "params": params, "grad": grad}, options)

    def _keep(self, expect: Expected, own: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        names = [*inspect.signature(self.function).parameters, *Options.__dataclass_fields__]
        for name in options:
            if name not in names:
                complaint = f"{type(self).__name__} takes no argument {name!r}"
                raise UsageError(with_nearest(complaint, name, names))
        self.expect = expect
        self.options = {**own, **options}

    def check(self, **overrides: Any) -> Report:
        """Run the check, with some arguments replaced, and return its report."""
        return self.function(**{**self.options, **overrides})


class LayerCase(Case):
    """One check of a layer, with exactly the arguments of `gradcheck.check_layer`.

    Example:
        >>> import numpy as np, gradcheck
        >>> gradcheck.LayerCase(lambda x: (3 * x, x), lambda up, x: 3 * up, np.ones(4)).check().ok
        True
    """

    function: ClassVar[Callable[..., Report]] = staticmethod(check_layer)

    def __init__(
        self,
        forward: Function,
        backward: Function | None,
        inputs: Any,
        *,
        upstream: Any = None,
        expect: Expected = None,
        **options: Unpack[OfLayer],
    ) -> None:
        layer = {"forward": forward, "backward": backward, "inputs": inputs}
        self._keep(expect, {**layer, "upstream": upstream}, options)


class StepCase(Case):
    """One check of an update, with exactly the arguments of `gradcheck.check_step`.

    Example:
        >>> import numpy as np, gradcheck
        >>> loss, step = lambda w: np.sum(w**2), lambda w: w - 0.1 * 2 * w
        >>> gradcheck.StepCase(step, np.ones(3), loss=loss, learning_rate=0.1).check().ok
        True
    """

    function: ClassVar[Callable[..., Report]] = staticmethod(check_step)

    def __init__(
        self,
        step: Function,
        params: Any,
        *,
        loss: Function,
        learning_rate: float,
        expect: Expected = None,
        **options: Unpack[Given],
    ) -> None:
        update = {"step": step, "params": params, "loss": loss, "learning_rate": learning_rate}
        self._keep(expect, update, options)


class JacobianCase(Case):
    """One check of a Jacobian, with exactly the arguments of `gradcheck.check_jacobian`.

    Example:
        >>> import numpy as np, gradcheck
        >>> gradcheck.JacobianCase(np.sin, np.ones(2), lambda x: np.diag(np.cos(x))).check().ok
        True
    """

    function: ClassVar[Callable[..., Report]] = staticmethod(check_jacobian)

    def __init__(
        self,
        function: Function,
        params: Any,
        jacobian: Any,
        *,
        expect: Expected = None,
        **options: Unpack[OfMatrix],
    ) -> None:
        matrix = {"function": function, "params": params, "jacobian": jacobian}
        self._keep(expect, matrix, options)


class HessianCase(Case):
    """One check of a Hessian, with exactly the arguments of `gradcheck.check_hessian`.

    Example:
        >>> import numpy as np, gradcheck
        >>> loss, hessian = lambda x: np.sum(x**3), lambda x: np.diag(6 * x)
        >>> gradcheck.HessianCase(loss, np.ones(2), hessian).check().ok
        True
    """

    function: ClassVar[Callable[..., Report]] = staticmethod(check_hessian)

    def __init__(
        self,
        loss: Function,
        params: Any,
        hessian: Any,
        *,
        grad: Function | None = None,
        expect: Expected = None,
        **options: Unpack[OfMatrix],
    ) -> None:
        matrix = {"loss": loss, "params": params, "hessian": hessian, "grad": grad}
        self._keep(expect, matrix, options)


@overload
def case(make: Maker) -> Maker: ...


@overload
def case(*, name: str | None = None, expect: Expected = None) -> Callable[[Maker], Maker]: ...


def case(
    make: Maker | None = None, *, name: str | None = None, expect: Expected = None
) -> Maker | Callable[[Maker], Maker]:
    """Mark a function that returns a `Case`: `@gradcheck.case` or `@gradcheck.case(name=...)`.

    Example:
        >>> import numpy as np, gradcheck
        >>> @gradcheck.case(name="squares")
        ... def squares():
        ...     return gradcheck.Case(lambda w: np.sum(w**2), np.ones(3), lambda w: 2 * w)
        >>> squares().check().ok
        True
    """

    def mark(function: Maker) -> Maker:
        setattr(function, MARK, (name or function.__name__, expect))
        return function

    return mark if make is None else mark(make)
