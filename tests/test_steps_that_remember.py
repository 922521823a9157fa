"""Momentum beside a learning rate that varies, clipping and decay; anew and in mid-training."""

import numpy as np
import pytest

import gradcheck

RNG = np.random.default_rng(3)
ROWS, WANTED = RNG.normal(size=(9, 3)), RNG.normal(size=(9, 2))
RATE, MU = 0.05, 0.8


def start():
    rng = np.random.default_rng(4)
    return {"A": rng.normal(size=(3, 4)), "B": rng.normal(size=(4, 2))}


def loss(p):
    return float(np.sum((np.tanh(ROWS @ p["A"]) @ p["B"] - WANTED) ** 2)) / 18


class Trainer:
    """Keeps a velocity and counts its calls."""

    def __init__(self, is_wrong):
        self.is_wrong, self.count = is_wrong, 0
        self.velocity = {name: np.zeros_like(value) for name, value in start().items()}

    def gradients(self, p):
        hidden = np.tanh(ROWS @ p["A"])
        error = (hidden @ p["B"] - WANTED) / 9
        slope = 1.0 if self.is_wrong else 1 - hidden**2
        return {"A": ROWS.T @ (error @ p["B"].T * slope), "B": hidden.T @ error}

    def remember(self, name, g):
        self.velocity[name] = MU * self.velocity[name] + g
        return self.velocity[name]

    def step(self, p):
        self.count += 1
        for name, g in self.gradients(p).items():
            self.move(p, name, g)


class Clipped(Trainer):
    def move(self, p, name, g):
        p[name] -= RATE * self.remember(name, np.clip(g, -0.05, 0.05))


class Cooling(Trainer):
    def move(self, p, name, g):
        p[name] -= self.remember(name, RATE * 0.97**self.count * g)


class WarmedUp(Trainer):
    def move(self, p, name, g):
        p[name] -= RATE * min(1.0, self.count / 20) * self.remember(name, g)


class WithoutMomentum(Trainer):
    def move(self, p, name, g):
        p[name] -= RATE * min(1.0, self.count / 20) * g


class NesterovCooling(Trainer):
    def move(self, p, name, g):
        p[name] -= RATE / (1 + 0.1 * self.count) * (g + MU * self.remember(name, g))


class Corrected(Trainer):
    def move(self, p, name, g):
        mean = self.remember(name, (1 - MU) * g)
        p[name] -= RATE * mean / (1 - MU**self.count)


class DecayCooling(Trainer):
    def move(self, p, name, g):
        p[name] -= RATE * 0.97**self.count * self.remember(name, g + 0.02 * p[name])


class Signed(Trainer):
    def move(self, p, name, g):
        p[name] -= RATE * np.sign(MU * self.velocity[name] + (1 - MU) * g)
        self.remember(name, g)


class Centred(Trainer):
    def move(self, p, name, g):
        p[name] -= RATE * self.remember(name, g - g.mean(axis=0, keepdims=True))


class Ahead(Trainer):
    """Takes the gradient where the velocity leads (Nesterov 1983)."""

    def step(self, p):
        ahead = {name: p[name] + MU * self.velocity[name] for name in p}
        for name, g in self.gradients(ahead).items():
            p[name] += self.remember(name, -RATE * g)


class Piling(Trainer):
    """Never sets back what it adds up."""

    def move(self, p, name, g):
        self.velocity[name] += g
        p[name] -= RATE * self.velocity[name]


KINDS = [
    Clipped,
    Cooling,
    WarmedUp,
    WithoutMomentum,
    NesterovCooling,
    Corrected,
    DecayCooling,
    Signed,
    Centred,
    Ahead,
]


def checked(kind, calls, is_wrong=False):
    trainer, p = kind(is_wrong), start()
    for _ in range(calls):
        trainer.step(p)
    count, velocity = trainer.count, {k: v.copy() for k, v in trainer.velocity.items()}
    report = gradcheck.check_step(trainer.step, p, loss=loss, learning_rate=RATE)
    assert trainer.count == count
    assert all(np.array_equal(trainer.velocity[name], velocity[name]) for name in p)
    return report


@pytest.mark.parametrize("calls", [0, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_step_remembers_makes_no_right_gradient_wrong(kind, calls):
    report = checked(kind, calls)
    assert report.ok, str(report)


@pytest.mark.parametrize("kind", KINDS)
def test_a_slope_that_is_missing_is_named_whatever_a_step_remembers(kind):
    report = checked(kind, 5, is_wrong=True)
    assert [(one.code, one.blocks) for one in report.findings] == [("GC303", ("A",))]
    assert "error @ p" in report.findings[0].location.source


def test_a_learning_rate_of_its_own_is_said():
    class Groups(Trainer):
        def move(self, p, name, g):
            p[name] -= (RATE if name == "A" else RATE / 7) * self.remember(name, g)

    report = checked(Groups, 5)
    assert report.ok, str(report)
    assert any("the gradient that enters it was read" in note for note in report.notes)
    assert [one.code for one in checked(Groups, 5, is_wrong=True).findings] == ["GC303"]


def test_learning_rates_of_several_blocks_are_said():
    class Groups(Trainer):
        def move(self, p, name, g):
            p[name] -= (RATE if name == "A" else RATE / 10) * g

    [note] = checked(Groups, 0).notes
    assert f"several learning rates: {RATE} of A and {RATE / 10} of B; the gradient" in note


@pytest.mark.parametrize("is_wrong", [False, True])
@pytest.mark.parametrize("remembers", [False, True])
def test_a_rate_that_decays_a_little_from_block_to_block_makes_no_gradient_wrong(
    remembers, is_wrong
):
    class Decaying(Trainer):
        def move(self, p, name, g):
            rate = RATE / (1 + 1e-4 * self.count)
            p[name] -= rate * (self.remember(name, g) if remembers else g)
            self.count += 1

    report = checked(Decaying, 5, is_wrong=is_wrong)
    assert [one.code for one in report.errors] == ["GC303"] * is_wrong, str(report)


class Dampened(Trainer):
    share = 1 - 0.4

    def remember(self, name, g):
        self.velocity[name] = MU * self.velocity[name] + self.share * g
        return self.velocity[name]

    def move(self, p, name, g):
        p[name] -= RATE * self.remember(name, g)


@pytest.mark.parametrize("kind", [Trainer, Dampened])
def test_a_block_that_is_multiplied_by_the_batch_size_is_wrong(kind):
    class Unaveraged(kind):
        def move(self, p, name, g):
            entered = g if kind is Trainer else self.remember(name, g)
            p[name] -= RATE * (len(ROWS) if name == "B" else 1) * entered

    assert not checked(Unaveraged, 0).ok


@pytest.mark.parametrize("share", [1 - 0.4, 1 / len(ROWS)])
def test_a_share_that_enters_the_velocity_is_no_factor_of_the_gradient(share, monkeypatch):
    monkeypatch.setattr(Dampened, "share", share)
    for calls in (0, 5):
        assert checked(Dampened, calls).ok
        findings = checked(Dampened, calls, is_wrong=True).findings
        assert [one.code for one in findings] == ["GC303"]


@pytest.mark.parametrize("every", [3, 6])
@pytest.mark.parametrize("calls", range(4))
def test_a_look_ahead_is_judged_by_what_enters_it(calls, every):
    class LookAhead(Trainer):
        def __init__(self, is_wrong):
            super().__init__(is_wrong)
            self.slow = start()

        def move(self, p, name, g):
            p[name] -= RATE * g
            if self.count % every == 0:
                self.slow[name] += 0.5 * (p[name] - self.slow[name])
                p[name][...] = self.slow[name]

    report = checked(LookAhead, calls)
    assert report.ok, str(report)
    assert checked(LookAhead, calls, is_wrong=True).verdict == "fail"


def test_a_block_that_moves_without_the_rate_is_wrong():
    class Forgotten(Trainer):
        def move(self, p, name, g):
            p[name] -= g if name == "B" else RATE * g

    class Upwards(Trainer):
        def move(self, p, name, g):
            p[name] += RATE * g if name == "B" else -RATE * g

    assert checked(Forgotten, 0).verdict == checked(Upwards, 0).verdict == "fail"


@pytest.mark.parametrize("calls", [0, 5])
def test_a_sum_that_is_never_set_back_is_no_velocity(calls):
    assert [one.code for one in checked(Piling, calls).findings] == ["GC801"]


class Model(Piling):
    """Holds its parameters beside what it adds up."""

    def __init__(self):
        super().__init__(is_wrong=False)
        vars(self).update(start())

    def loss(self):
        return loss(vars(self))

    def step(self):
        for name, g in self.gradients(vars(self)).items():
            self.move(vars(self), name, g)


def test_a_sum_in_the_object_of_the_parameters_is_found():
    report = gradcheck.check_step(Model.step, Model(), loss=Model.loss, learning_rate=RATE)
    assert [one.code for one in report.findings] == ["GC801"]
