"""The process: its laws by hand and by counting, its draws by their published definitions."""

import math
import struct
from collections import Counter
from dataclasses import replace
from datetime import date
from hashlib import sha512
from statistics import mean

import pytest

from layercensus.data import read_text
from layercensus.lake.storage import connect
from layercensus.simulate.calendar import Newest, days_of, newest_releases
from layercensus.simulate.clusters import Cluster, draw_clusters
from layercensus.simulate.draws import beta_binomial, pick, uniform_draws
from layercensus.simulate.process import Layer, Sizes, load_process, share_of

PROCESS = load_process()
FLEET = list(draw_clusters(PROCESS, seed=7, clusters=20_000, days=100))


def room(cluster: Cluster) -> int:
    return cluster.clean + cluster.extensions + cluster.overrides + cluster.packages


def plain(cluster: Cluster) -> Cluster:
    """The cluster without what is its own where it is a clone."""
    return cluster._replace(place=0, cluster_id="", clone_of=None, reports_second=0)


def test_draws_are_53_bits_of_sha512() -> None:
    draw = uniform_draws("1/0")
    blocks = sha512(b"1/0/0").digest() + sha512(b"1/0/1").digest()
    assert [draw() for _ in range(16)] == [word // 2**11 / 2**53 for word in struct.unpack(">16Q", blocks)]


def test_a_pick_follows_the_weights() -> None:
    draws = iter([0.0, 0.29, 0.31, 0.99, 1 - 2**-53])
    assert [pick([(0.3, "a"), (0.7, "b")], lambda: next(draws)) for _ in range(5)] == ["a", "a", "b", "b", "b"]
    # Weights that rounding keeps below 1 still choose.
    assert pick([(0.5, "a"), (0.4, "b")], lambda: 0.95) == "b"


def test_the_urn_is_beta_binomial() -> None:
    machines, a, b, times = 5, 1.0, 3.0, 20_000
    draw = uniform_draws("urn")
    found = Counter(beta_binomial(machines, a, b, draw) for _ in range(times))
    for hits in range(machines + 1):
        log_beta = math.lgamma(hits + a) + math.lgamma(machines - hits + b) - math.lgamma(machines + a + b)
        log_unit = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
        chance = math.comb(machines, hits) * math.exp(log_beta - log_unit)
        assert found[hits] / times == pytest.approx(chance, abs=5 * math.sqrt(chance / times))


def lowbias32(x: int) -> int:
    """Wellons' function as he prints it in C."""
    x ^= x >> 16
    x = x * 0x7FEB352D % 2**32
    x ^= x >> 15
    x = x * 0x846CA68B % 2**32
    return x ^ x >> 16


def test_a_days_draws_are_lowbias32() -> None:
    salts = [0, 1, 2**31, 2**32 - 1, 123456789]
    with connect() as connection:
        connection.execute(read_text("simulation/tables.sql"))
        asked = "SELECT draw_bits(CAST($salt AS UBIGINT), $day, $lane)"
        for salt in salts:
            for day, lane in ((1, 0), (1, 1), (3660, 1)):
                (found,) = connection.execute(asked, {"salt": salt, "day": day, "lane": lane}).fetchall()
                assert found == (lowbias32((salt + (2 * day + lane) * 0x9E3779B9) % 2**32),)


def test_the_law_of_sizes() -> None:
    sizes = Sizes(smallest=3, largest=4, scale=1)
    # (1 / (1 + n - 3))^2 is 1, 1/4, 1/9 for n = 3, 4, 5.
    assert sizes.chance(3) == pytest.approx(27 / 32)
    assert sizes.chance(4) == pytest.approx(5 / 32)
    assert [sizes.machines(uniform) for uniform in (0, 0.84, 0.85, 1 - 2**-53)] == [3, 3, 4, 4]
    law = PROCESS.sizes
    assert sum(law.chance(machines) for machines in range(law.smallest, law.largest + 1)) == pytest.approx(1)
    grid = Counter(law.machines((step + 0.5) / 100_000) for step in range(100_000))
    assert min(grid) == law.smallest
    assert all(abs(grid[machines] / 100_000 - law.chance(machines)) < 2e-5 for machines in range(3, 501))


def test_the_share_by_hand() -> None:
    small = replace(
        PROCESS,
        sizes=Sizes(smallest=3, largest=4, scale=1),
        scaling={"from_machines": 4, "chance": 0.5, "most": 0.4},
        packages=Layer(chances=[(3, 0.5), (4, 1.0)], a=1, b=3),
    )
    # Of 32 clusters 27 have 3 machines and 5 room for 4, of which half lose 0 to 40 %, on average half of that.
    machines, large = 27 * 3 + 5 * 3.8, 5 * 3.8
    assert share_of(small) == pytest.approx((0.5 * 27 * 3 + 1.0 * large) / machines / 4)
    flat = replace(PROCESS, packages=Layer(chances=[(3, 0.3)], a=2, b=2))
    assert share_of(flat) == pytest.approx(0.15)


def test_clusters_come_to_the_share() -> None:
    """Without scaling a cluster has all of its room; four standard errors of a ratio, by linearisation."""
    unscaled = share_of(replace(PROCESS, scaling={"from_machines": 3, "chance": 0, "most": 0}))
    machines = sum(map(room, FLEET))
    share = sum(cluster.packages for cluster in FLEET) / machines
    error = math.sqrt(sum((cluster.packages - share * room(cluster)) ** 2 for cluster in FLEET)) / machines
    assert error < 0.003
    assert share == pytest.approx(unscaled, abs=4 * error)
    # Scaling takes some more of the large ones, which carry more packages: the share is a little lower.
    assert 0.995 < share_of(PROCESS) / unscaled < 1


def test_clusters_have_heavy_tails_and_most_are_not_layered() -> None:
    rooms = sorted(room(cluster) for cluster in FLEET)
    assert rooms[0] == 3
    assert rooms[len(rooms) // 2] < 12
    assert rooms[len(rooms) * 99 // 100] > 90
    assert rooms[-1] > 400
    assert sum(rooms[-len(rooms) // 100 :]) > 0.1 * sum(rooms)
    assert 0.1 < mean(cluster.packages > 0 for cluster in FLEET) < 0.3


def test_machines_of_one_cluster_are_alike() -> None:
    """The correlation within clusters, by pairs of machines: two of a cluster against two of the fleet."""
    own = [cluster for cluster in FLEET if cluster.clone_of is None]
    share = sum(cluster.packages for cluster in own) / sum(map(room, own))
    pairs = sum(room(cluster) * (room(cluster) - 1) for cluster in own)
    both = sum(cluster.packages * (cluster.packages - 1) for cluster in own)
    assert 0.1 < (both / pairs - share**2) / (share * (1 - share)) < 0.6


def test_a_fleet_begins_alike_whatever_its_size() -> None:
    assert list(draw_clusters(PROCESS, seed=7, clusters=50, days=100)) == FLEET[:50]
    assert list(draw_clusters(PROCESS, seed=-7, clusters=1, days=100)) != FLEET[:1]
    assert list(draw_clusters(PROCESS, seed=10**50, clusters=1, days=100)) != FLEET[:1]


def test_clones_are_another_id_of_the_one_before() -> None:
    clones = [cluster for cluster in FLEET if cluster.clone_of is not None]
    assert 40 < len(clones) < 120
    for clone in clones:
        original = FLEET[clone.place - 1]
        assert clone.clone_of == original.place
        assert original.clone_of is None
        assert plain(clone) == plain(original)
    assert len({cluster.cluster_id for cluster in FLEET}) == len(FLEET)


def test_some_come_some_go_some_pause() -> None:
    assert {(FLEET[0].first_day, FLEET[0].last_day, FLEET[0].pause_first, FLEET[0].missed)} == {(1, 100, 0, 0.0)}
    assert all(1 <= cluster.first_day <= cluster.last_day <= 100 for cluster in FLEET)
    assert all(cluster.pause_first == 0 or cluster.pause_first > cluster.first_day for cluster in FLEET)
    # 100 days of 1000 within which half of them would: 1 in 11; and so on.
    assert mean(cluster.first_day > 1 for cluster in FLEET) == pytest.approx(100 / 1100, abs=0.01)
    assert mean(cluster.last_day < 100 for cluster in FLEET) == pytest.approx(100 / 1600, abs=0.01)
    assert mean(cluster.pause_first > 0 for cluster in FLEET) == pytest.approx(100 / 900, abs=0.01)


def test_a_single_day_has_every_cluster() -> None:
    assert all(
        cluster.first_day == cluster.last_day == 1 for cluster in draw_clusters(PROCESS, seed=1, clusters=200, days=1)
    )


def test_the_calendar() -> None:
    days = days_of(PROCESS, 3)
    assert days == [date(2026, 5, 29), date(2026, 5, 30), date(2026, 5, 31)]
    newest = newest_releases(PROCESS, 3)
    assert [one.on_day for one in newest] == list(range(newest[0].on_day, 4))
    # 4.21 came on 2026-02-03, which is 116 days before day 2; 4.12 on 2023-01-17.
    assert newest[-1] == Newest(3, "4.21", 2 - 116, 80)
    long = newest_releases(PROCESS, 3660)
    assert long[0].release == "4.12"
    assert [release for release, _ in PROCESS.releases] == list(dict.fromkeys(one.release for one in long))


def test_the_tables_have_the_columns_of_the_code() -> None:
    with connect() as connection:
        connection.execute(read_text("simulation/tables.sql"))
        for table, fields in (("clusters", Cluster._fields), ("newest", Newest._fields)):
            assert tuple(connection.table(table).columns) == fields


def test_the_weights_of_a_choice_sum_to_one() -> None:
    parts = PROCESS.parts
    for choices in (parts["platforms"], parts["unknown"], parts["needs"]["first"], parts["upgrades"]["every_days"]):
        assert sum(choice[0] for choice in choices) == pytest.approx(1)
