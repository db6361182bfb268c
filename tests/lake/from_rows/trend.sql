-- The headline of every day that has a row, by the population rule of that day, as additive sums.
WITH history AS (
  SELECT
    cluster_days.*,
    LEAD(day) OVER (PARTITION BY cluster_id ORDER BY day) AS next_day
  FROM cluster_days
  WHERE signal = :signal
    AND day <= CAST(:as_of AS DATE)
),

asked AS (
  SELECT day AS on_day FROM history
  UNION
  SELECT CAST(:as_of AS DATE) AS on_day
),

-- A row is its cluster's last from its own day until the next one, and counts for seven days at most.
counted AS (
  SELECT
    on_day,
    nodes_expected,
    CASE
      WHEN signal = 'mcd' THEN proxy_none + proxy_unsupported
      ELSE nodes_clean + nodes_extensions + nodes_overrides + nodes_packages
    END AS classified,
    CASE WHEN signal = 'mcd' THEN proxy_unknown ELSE nodes_unknown END AS unread,
    CASE WHEN signal = 'mcd' THEN proxy_unsupported ELSE nodes_packages END AS with_packages
  FROM asked
  INNER JOIN history
    ON day <= on_day
    AND day >= on_day - INTERVAL '6' DAY
    AND (next_day IS NULL OR next_day > on_day)
),

measured AS (
  SELECT
    on_day,
    CAST(classified AS DOUBLE) AS x,
    CAST(with_packages AS DOUBLE) AS y,
    CAST(
      unread + CASE
        WHEN nodes_expected > classified + unread THEN nodes_expected - classified - unread
        ELSE 0
      END AS DOUBLE
    ) AS u
  FROM counted
)

SELECT
  on_day,
  COUNT(*) AS clusters,
  SUM(CASE WHEN x > 0 THEN 1 ELSE 0 END) AS units,
  SUM(CASE WHEN y > 0 THEN 1 ELSE 0 END) AS units_with,
  SUM(x) AS sum_x,
  SUM(y) AS sum_y,
  SUM(x * x) AS sum_xx,
  SUM(x * y) AS sum_xy,
  SUM(y * y) AS sum_yy,
  SUM(u) AS sum_unknown
FROM measured
GROUP BY on_day
ORDER BY on_day
