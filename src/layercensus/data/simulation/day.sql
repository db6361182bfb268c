-- One day of a simulated fleet: the rows that a collector would have kept, and beside them what was true.
-- $day: its number, from 1 on; $date: the day itself.
--
-- Two draws of 32 bits a cluster and day, cut into fields: whether it reports (16 bits) and how its unknown machines are
-- rounded (16); where among its machines these lie (11), how those not seen are rounded (11), how far its clock and its
-- report wander (10).
CREATE OR REPLACE TEMP TABLE today AS
WITH drawn AS (
  SELECT
    clusters.*,
    clean + extensions + overrides + packages AS room,
    draw_bits(salt, $day, 0) AS bits,
    draw_bits(salt, $day, 1) AS more_bits
  FROM clusters
  WHERE first_day <= $day
    AND last_day >= $day
    AND NOT (pause_first <= $day AND pause_last >= $day)
),

reporting AS (
  SELECT
    drawn.*,
    bits // 65536 / 65536 AS unknown_rounding,
    more_bits % 2048 / 2048 AS unknown_pick,
    more_bits // 2048 % 2048 / 2048 AS unseen_rounding,
    CAST(more_bits // 4194304 AS INTEGER) AS wander,
    -- Where on its way down from the room it has a cluster is: another place each week.
    phase + ($day + shift) // 7 * 0.6180339887498949 AS turns,
    -- An upgrade is due every so many days, to what had been the newest release a while before. Neither goes back.
    $day - ($day + shift) % upgrades_every AS upgraded_on
  FROM drawn
  WHERE bits % 65536 >= missed * 65536
    OR first_day = $day
),

sized AS (
  SELECT
    reporting.*,
    room - floor(room * elasticity * (turns - floor(turns)) + rounding) AS machines
  FROM reporting
),

-- Its machines lie evenly in the room, so that each class loses its part, and the same ones come back: of the first n
-- places, ceil(n * machines / room - pick) are taken, which is n * machines / room on average.
placed AS (
  SELECT
    sized.*,
    ceil(clean * machines / room - pick) AS upto_clean,
    ceil((clean + extensions) * machines / room - pick) AS upto_extensions,
    ceil((clean + extensions + overrides) * machines / room - pick) AS upto_overrides,
    floor(machines * unknown + unknown_rounding) AS hidden
  FROM sized
),

-- In the same way the unknown machines lie evenly among all, whatever their class.
hidden AS (
  SELECT
    placed.*,
    ceil(upto_clean * hidden / machines - unknown_pick) AS hidden_clean,
    ceil(upto_extensions * hidden / machines - unknown_pick) AS hidden_extensions,
    ceil(upto_overrides * hidden / machines - unknown_pick) AS hidden_overrides,
    CASE WHEN tells_nodes_expected THEN floor(hidden * unseen + unseen_rounding) ELSE 0 END AS not_seen
  FROM placed
),

known AS (
  SELECT
    hidden.*,
    upto_overrides - upto_extensions - (hidden_overrides - hidden_extensions) AS known_overrides,
    machines - upto_overrides - (hidden - hidden_overrides) AS known_packages
  FROM hidden
)

SELECT
  CAST($date AS DATE) AS day,
  cluster_id,
  'layercensus' AS signal,
  CASE WHEN tells_version THEN release END AS release,
  CASE WHEN tells_version THEN release || '.' || least(last_patch, greatest(1, 1 + (upgraded_on - since) // 7)) END AS version,
  platform,
  CAST(upto_clean - hidden_clean AS BIGINT) AS nodes_clean,
  CAST(upto_extensions - upto_clean - (hidden_extensions - hidden_clean) AS BIGINT) AS nodes_extensions,
  CAST(known_overrides AS BIGINT) AS nodes_overrides,
  CAST(known_packages AS BIGINT) AS nodes_packages,
  CAST(hidden - not_seen AS BIGINT) AS nodes_unknown,
  CASE WHEN tells_needs THEN CAST(ceil(known_packages * needs_agent) AS BIGINT) END AS need_agent,
  CASE WHEN tells_needs THEN CAST(ceil(known_packages * needs_driver) AS BIGINT) END AS need_driver,
  CASE WHEN tells_needs THEN CAST(ceil(known_packages * needs_tool) AS BIGINT) END AS need_tool,
  CASE
    WHEN tells_needs THEN CAST(known_overrides + ceil(known_packages * needs_override) AS BIGINT)
  END AS need_override,
  CASE WHEN tells_needs THEN CAST(ceil(known_packages * needs_other) AS BIGINT) END AS need_other,
  CAST(NULL AS BIGINT) AS proxy_none,
  CAST(NULL AS BIGINT) AS proxy_unsupported,
  CAST(NULL AS BIGINT) AS proxy_unknown,
  CASE WHEN tells_nodes_expected THEN CAST(machines AS BIGINT) END AS nodes_expected,
  (skew_ms + wander - 512) / 1000 AS skew_seconds,
  CAST($date AS TIMESTAMP) + to_seconds(86080 + reports_second + wander % 16) AS received_at,
  received_at + to_milliseconds(skew_ms + wander - 512) AS observed_at,
  place,
  CAST(upto_clean AS BIGINT) AS true_clean,
  CAST(upto_extensions - upto_clean AS BIGINT) AS true_extensions,
  CAST(upto_overrides - upto_extensions AS BIGINT) AS true_overrides,
  CAST(machines - upto_overrides AS BIGINT) AS true_packages,
  CAST(hidden AS BIGINT) AS unknown
FROM known
INNER JOIN newest
  ON on_day = upgraded_on - days_behind
