"""The scenarios of faceport bench against systems whose service times are known, in virtual time."""

import math
from dataclasses import replace

import numpy as np
import pytest

from faceport_bench.closed import MultiStream, MultiStreamOptions, Offline, SingleStream
from faceport_bench.interleaved import measure_together, ratios
from faceport_bench.judging import reasons_against
from faceport_bench.scenario import PROFILES
from faceport_bench.server import Server, ServerOptions
from faceport_bench.statistics import PERCENTILES, mean_interval, percentiles, ratio
from faceport_bench.virtual import Virtual, VirtualClock

MEAN = 0.01  # seconds of service
LONG = replace(PROFILES["strict"], seconds=100.0, count=60_000, most_seconds=1e5, tail=400.0)


def exponential(mean=MEAN, seed=0):
    rng = np.random.default_rng(seed)
    return lambda begun: float(rng.exponential(mean))


def constant(mean=MEAN):
    return lambda begun: mean


def stalling(seed=0, share=0.02, stall=0.2):
    """Take a hundredth of a second, but now and then a fifth."""
    rng = np.random.default_rng(seed)
    return lambda begun: stall if rng.random() < share else MEAN


def run(scenario, service, servers=1, limits=LONG):
    system = Virtual(service, servers)
    (measured,), _ = measure_together(scenario, [system], limits)
    return measured.outcome


def latencies(outcome):
    return [answer.latency for trial in outcome.trials for answer in trial.answers]


def throughput(outcome):
    return sum(t.items for t in outcome.trials) / sum(t.seconds for t in outcome.trials)


def test_percentiles_of_exponential_service():
    values, intervals = percentiles(latencies(run(SingleStream(), exponential())))
    for name, (share, _) in PERCENTILES.items():
        true = -MEAN * math.log(1 - share)
        assert values[name] == pytest.approx(true, rel=0.05)
        assert intervals[name][0] <= values[name] <= intervals[name][1]


def test_percentiles_with_stalls():
    values, _ = percentiles(latencies(run(SingleStream(), stalling())))
    assert [values["p50"], values["p95"]] == pytest.approx([MEAN, MEAN], rel=0.001)
    assert [values["p99"], values["p999"]] == pytest.approx([0.2, 0.2], rel=0.001)


def test_percentiles_of_several_at_once():
    pictures = 4
    outcome = run(MultiStream(MultiStreamOptions(pictures)), exponential(), servers=4)
    values, _ = percentiles(latencies(outcome))
    for name, (share, _) in PERCENTILES.items():  # the last of four: P = (1 - exp(-t)) ** 4
        assert values[name] == pytest.approx(-MEAN * math.log(1 - share ** (1 / pictures)), rel=0.05)


@pytest.mark.parametrize("service", [constant(), exponential(), stalling(share=0.02, stall=0.2)])
def test_one_by_one_is_as_quick_as_its_service(service):
    outcome = run(SingleStream(), service)
    mean = np.mean(latencies(outcome))
    assert throughput(outcome) == pytest.approx(1 / mean, rel=0.03)


@pytest.mark.parametrize(
    ("servers", "service", "mean"),
    [
        (1, constant(), MEAN),
        (4, constant(), MEAN),
        (4, exponential(), MEAN),
        (2, stalling(), 0.98 * MEAN + 0.02 * 0.2),
    ],
)
def test_throughput_of_all_at_once(servers, service, mean):
    limits = replace(LONG, turn=10.0, count=200, seconds=2000.0)
    assert throughput(run(Offline(), service, servers, limits)) == pytest.approx(servers / mean, rel=0.03)


# --- queueing theory: the share of customers that are served within t, at a rate of arrivals ---


def mm1_within(rate, bound, mean=MEAN):
    return 1 - math.exp(-(1 / mean - rate) * bound)


def md1_within(rate, bound, mean=MEAN):
    """Share that waits no longer than bound - mean (Erlang 1909)."""
    wait = bound - mean
    total = 0.0
    for k in range(int(wait / mean) + 1):
        x = rate * (k * mean - wait)
        total += x**k / math.factorial(k) * math.exp(-x)
    return (1 - rate * mean) * total


def highest(within, bound, share, mean=MEAN):
    low, high = 0.0, 1 / mean
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if within(middle, bound) >= share else (low, middle)
    return low


@pytest.mark.parametrize(("bound", "share"), [(0.1, 0.99), (0.05, 0.9), (0.03, 0.9)])
@pytest.mark.parametrize(("service", "within"), [(exponential, mm1_within), (constant, md1_within)])
def test_the_highest_rate_is_that_of_theory(service, within, bound, share):
    scenario = Server(ServerOptions(bound_ms=1e3 * bound, share=share))
    outcome = run(scenario, service(), limits=replace(LONG, count=20_000))
    assert outcome.numbers["rate_per_second"] == pytest.approx(highest(within, bound, share), rel=0.05)
    assert outcome.numbers["share_within"] >= share and not outcome.reasons


@pytest.mark.parametrize("rate", [30.0, 60.0])
def test_the_share_within_a_bound_is_that_of_theory(rate):
    outcome = run(Server(ServerOptions(rate=rate, bound_ms=50, share=0.5)), exponential())
    assert 1 - outcome.numbers["share_within"] == pytest.approx(1 - mm1_within(rate, 0.05), rel=0.1)
    assert throughput(outcome) == pytest.approx(0.9 * rate, rel=0.03)  # a tenth met an empty queue


def test_a_bound_that_no_rate_holds_is_said():
    outcome = run(Server(ServerOptions(bound_ms=5)), constant())
    assert "no rate holds the bound" in outcome.reasons[0]
    assert "rate_per_second" not in outcome.numbers


def test_a_rate_that_breaks_the_bound_is_said():
    outcome = run(Server(ServerOptions(rate=95, bound_ms=20)), constant(), limits=replace(LONG, count=2000))
    assert "99.00% was asked for" in outcome.reasons[0]


# --- machines that drift, throttle, are noisy ---


QUICK = replace(PROFILES["quick"], seconds=30.0, most_seconds=60.0, warm=20.0)


def drifting(clock, base, by=2.0, over=120.0):
    """Take longer and longer: both systems, as the machine is the same."""
    rng = np.random.default_rng(7)
    return lambda begun: base * (1 + (by - 1) * clock.time / over) * float(rng.uniform(0.95, 1.05))


def test_a_drift_does_not_move_the_ratio():
    clock = VirtualClock()
    systems = [Virtual(drifting(clock, base), clock=clock) for base in (0.010, 0.008)]
    measured, _ = measure_together(SingleStream(), systems, QUICK)
    found = ratios(measured, 0)[1]
    assert found.times == pytest.approx(1.25, rel=0.01)
    assert found.interval[0] < 1.25 < found.interval[1]
    # The first half against the second would have said something else: the machine was slower by then.
    costs = [trial.cost for trial in measured[0].outcome.trials]
    assert np.mean(costs[len(costs) // 2 :]) / np.mean(costs[: len(costs) // 2]) > 1.15
    assert any("drifted" in reason for reason in reasons_against(measured[0].outcome, QUICK))


def test_a_step_in_the_middle_does_not_move_the_ratio():
    clock = VirtualClock()

    def stepping(base):
        return lambda begun: base * (3 if clock.time > 31 else 1)

    systems = [Virtual(stepping(base), clock=clock) for base in (0.010, 0.020)]
    measured, _ = measure_together(SingleStream(), systems, QUICK)
    assert ratios(measured, 0)[1].times == pytest.approx(0.5, rel=0.02)


def test_a_machine_that_throttles_makes_it_invalid():
    clock = VirtualClock()

    def hot():
        return 1.6 if clock.time > 15 else 1.0

    system = Virtual(lambda begun: MEAN * hot(), clock=clock)
    (measured,), pulses = measure_together(SingleStream(), [system], QUICK, pulse=lambda: 0.001 * hot())
    reasons = reasons_against(measured.outcome, QUICK, pulses)
    assert any("throttled" in reason and "1.60 times" in reason for reason in reasons)


def test_a_quiet_machine_is_believed():
    system = Virtual(exponential())
    (measured,), pulses = measure_together(SingleStream(), [system], QUICK, pulse=lambda: 0.001)
    assert reasons_against(measured.outcome, QUICK, pulses) == []


def test_a_noisy_machine_is_not():
    rng = np.random.default_rng(1)
    system = Virtual(lambda begun: float(rng.pareto(1.2)) * 0.01 + 1e-4)
    (measured,), _ = measure_together(SingleStream(), [system], PROFILES["quick"])
    assert any("too noisy" in reason for reason in reasons_against(measured.outcome, PROFILES["quick"]))


def test_what_ends_too_early_is_too_short():
    limits = replace(QUICK, most_seconds=1.0)
    outcome = run(SingleStream(), constant(), limits=limits)
    assert any("too short" in reason for reason in reasons_against(outcome, limits))
    few = replace(QUICK, seconds=1.0, most_seconds=3.0, count=10_000)
    outcome = run(SingleStream(), constant(), limits=few)
    assert any("10000 are needed" in reason for reason in reasons_against(outcome, few))


def test_it_warms_up_until_it_is_stable():
    clock = VirtualClock()
    system = Virtual(lambda begun: MEAN * (1 + 4 * math.exp(-clock.time)), clock=clock)
    (measured,), _ = measure_together(SingleStream(), [system], QUICK)
    assert measured.settled and measured.warm_turns > 5
    assert np.mean(latencies(measured.outcome)) == pytest.approx(MEAN, rel=0.02)
    never = Virtual(exponential(0.05))
    (measured,), _ = measure_together(SingleStream(), [never], QUICK)
    assert not measured.settled


def test_queries_that_wait_count_from_when_they_were_due():
    """A system that stalls must not be asked less meanwhile (coordinated omission)."""
    outcome = run(Server(ServerOptions(rate=50, bound_ms=100, share=0.5)), stalling(share=0.01, stall=1.0))
    slow = np.mean([answer.latency > 0.1 for t in outcome.trials for answer in t.answers])
    assert slow > 0.2  # one in a hundred stalls for a second, in which fifty others come


def test_intervals_of_means_and_ratios():
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(300):
        _, (low, high) = mean_interval(rng.normal(5, 1, 9))
        hits += low <= 5 <= high
    assert 0.91 <= hits / 300 <= 0.985
    assert ratio([1.0, 2.0], [2.0, 4.0])[0] == pytest.approx(2)
    assert mean_interval([3.0]) == (3.0, None)
