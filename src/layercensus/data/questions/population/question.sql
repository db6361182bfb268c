-- Additive sums over active clusters: of each numerator, for the whole and by one dimension at a time.
-- One output row: one dimension, one key, one numerator. Sums of two sets of clusters are the sums of both.
WITH dimensions AS (
  SELECT 'all' AS dimension
  UNION ALL SELECT 'release'
  UNION ALL SELECT 'platform'
  UNION ALL SELECT 'cell'
),

grouped AS (
  SELECT
    day_sums.*,
    dimension,
    CASE dimension
      WHEN 'all' THEN 'all'
      WHEN 'platform' THEN COALESCE(platform, 'unknown')
      ELSE COALESCE(release, 'unknown')
    END AS group_key,
    CASE WHEN dimension = 'cell' THEN COALESCE(platform, 'unknown') END AS second_key
  FROM day_sums
  CROSS JOIN dimensions
  WHERE signal = :signal
    AND on_day = CAST(:as_of AS DATE)
)

SELECT
  dimension,
  group_key,
  second_key,
  numerator,
  SUM(grouped.clusters) AS clusters,
  SUM(grouped.units) AS clusters_classified,
  SUM(grouped.units_with) AS clusters_with,
  SUM(grouped.units) AS units,
  SUM(grouped.units_with) AS units_with,
  SUM(grouped.sum_x) AS sum_x,
  SUM(grouped.sum_y) AS sum_y,
  SUM(grouped.sum_xx) AS sum_xx,
  SUM(grouped.sum_xy) AS sum_xy,
  SUM(grouped.sum_yy) AS sum_yy,
  SUM(grouped.sum_unknown) AS sum_unknown,
  SUM(grouped.sum_xu) AS sum_xu,
  SUM(grouped.sum_yu) AS sum_yu,
  SUM(grouped.sum_uu) AS sum_uu,
  SUM(grouped.reporters) AS reporters,
  MAX(grouped.max_x) AS max_x,
  SUM(grouped.clean) AS clean,
  SUM(grouped.extensions) AS extensions,
  SUM(grouped.overrides) AS overrides
FROM grouped
GROUP BY dimension, group_key, second_key, numerator
ORDER BY dimension, group_key, second_key, numerator
