-- The sums of `trend` by release and by platform.
WITH dimensions AS (
  SELECT 'release' AS dimension
  UNION ALL SELECT 'platform'
),

grouped AS (
  SELECT
    day_sums.*,
    dimension,
    CASE dimension WHEN 'release' THEN COALESCE(release, 'unknown') ELSE COALESCE(platform, 'unknown') END AS group_key
  FROM day_sums
  CROSS JOIN dimensions
  WHERE signal = :signal
    AND numerator = 'packages'
    AND on_day <= CAST(:as_of AS DATE)
)

SELECT
  dimension,
  group_key,
  grouped.on_day AS on_day,
  SUM(grouped.clusters) AS clusters,
  SUM(grouped.units) AS units,
  SUM(grouped.units_with) AS units_with,
  SUM(grouped.sum_x) AS sum_x,
  SUM(grouped.sum_y) AS sum_y,
  SUM(grouped.sum_xx) AS sum_xx,
  SUM(grouped.sum_xy) AS sum_xy,
  SUM(grouped.sum_yy) AS sum_yy,
  SUM(grouped.sum_unknown) AS sum_unknown,
  MAX(grouped.max_x) AS max_x
FROM grouped
GROUP BY dimension, group_key, grouped.on_day
ORDER BY dimension, group_key, grouped.on_day
