"""What candidates leave behind in the user's objects."""

import numpy as np
import pytest

from gradcheck.mending.surroundings import Surroundings
from gradcheck.user.problem import Problem
from gradcheck.user.structures import flatten


class Spring:
    def __init__(self):
        self.load, self.stiffness = np.array([1.0, -2.0, 0.5]), 0.7

    def energy(self, u):
        return self.stiffness * (0.5 * u @ u - self.load @ u)

    def gradient(self, u):
        return self.stiffness * u - self.load


@pytest.mark.parametrize("bound", [True, False])
def test_attributes_that_a_candidate_binds_anew_are_put_back(bound):
    spring = Spring()
    energy, gradient = spring.energy, spring.gradient
    given = (energy, gradient) if bound else (lambda u: energy(u), lambda u: gradient(u))
    problem = Problem(flatten(np.ones(3)), *given)
    surroundings = Surroundings(problem, [Spring.gradient])
    spring.load, spring.other = np.zeros(3), 1
    surroundings.restore()
    assert spring.load.tolist() == [1.0, -2.0, 0.5]
    assert not hasattr(spring, "other")
