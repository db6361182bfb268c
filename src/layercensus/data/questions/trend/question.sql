-- The headline of every day that has a row, and of :as_of, as additive sums.
SELECT
  day_sums.on_day AS on_day,
  SUM(day_sums.clusters) AS clusters,
  SUM(day_sums.units) AS units,
  SUM(day_sums.units_with) AS units_with,
  SUM(day_sums.sum_x) AS sum_x,
  SUM(day_sums.sum_y) AS sum_y,
  SUM(day_sums.sum_xx) AS sum_xx,
  SUM(day_sums.sum_xy) AS sum_xy,
  SUM(day_sums.sum_yy) AS sum_yy,
  SUM(day_sums.sum_unknown) AS sum_unknown
FROM day_sums
WHERE signal = :signal
  AND numerator = 'packages'
  AND day_sums.on_day <= CAST(:as_of AS DATE)
GROUP BY day_sums.on_day
HAVING SUM(fresh) > 0 OR day_sums.on_day = CAST(:as_of AS DATE)
ORDER BY day_sums.on_day
