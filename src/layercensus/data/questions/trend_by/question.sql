-- The sums of `trend` by release and by platform, of days between two rows too.
WITH dimensions AS (
  SELECT 'release' AS dimension
  UNION ALL SELECT 'platform'
),

-- After the last row of any signal only :as_of is asked about.
last_rows AS (
  SELECT MAX(on_day) AS through_day
  FROM day_sums
  WHERE fresh > 0
),

grouped AS (
  SELECT
    day_sums.*,
    dimension,
    CASE dimension WHEN 'release' THEN COALESCE(release, 'unknown') ELSE COALESCE(platform, 'unknown') END AS group_key
  FROM day_sums
  CROSS JOIN last_rows
  CROSS JOIN dimensions
  WHERE signal = :signal
    AND numerator = 'packages'
    AND on_day <= CAST(:as_of AS DATE)
    AND (on_day <= through_day OR on_day = CAST(:as_of AS DATE))
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
