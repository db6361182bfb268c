-- The same units on two days.
WITH by_units AS (
  SELECT
    unit,
    CAST(SUM(CASE WHEN on_day = CAST(:before AS DATE) THEN classified ELSE 0 END) AS DOUBLE) AS x1,
    CAST(SUM(CASE WHEN on_day = CAST(:before AS DATE) THEN with_packages ELSE 0 END) AS DOUBLE) AS y1,
    CAST(SUM(CASE WHEN on_day = CAST(:as_of AS DATE) THEN classified ELSE 0 END) AS DOUBLE) AS x2,
    CAST(SUM(CASE WHEN on_day = CAST(:as_of AS DATE) THEN with_packages ELSE 0 END) AS DOUBLE) AS y2
  FROM counted_days
  WHERE signal = :signal
    AND on_day IN (CAST(:before AS DATE), CAST(:as_of AS DATE))
  GROUP BY unit
)

SELECT
  COUNT(CASE WHEN x1 > 0 AND x2 > 0 THEN 1 END) AS units,
  SUM(CASE WHEN x1 > 0 AND x2 > 0 THEN x1 END) AS sum_x1,
  SUM(CASE WHEN x1 > 0 AND x2 > 0 THEN y1 END) AS sum_y1,
  SUM(CASE WHEN x1 > 0 AND x2 > 0 THEN x2 END) AS sum_x2,
  SUM(CASE WHEN x1 > 0 AND x2 > 0 THEN y2 END) AS sum_y2,
  SUM(CASE WHEN x1 > 0 AND x2 > 0 THEN x1 * x1 END) AS sum_x1x1,
  SUM(CASE WHEN x1 > 0 AND x2 > 0 THEN x1 * y1 END) AS sum_x1y1,
  SUM(CASE WHEN x1 > 0 AND x2 > 0 THEN y1 * y1 END) AS sum_y1y1,
  SUM(CASE WHEN x1 > 0 AND x2 > 0 THEN x2 * x2 END) AS sum_x2x2,
  SUM(CASE WHEN x1 > 0 AND x2 > 0 THEN x2 * y2 END) AS sum_x2y2,
  SUM(CASE WHEN x1 > 0 AND x2 > 0 THEN y2 * y2 END) AS sum_y2y2,
  SUM(CASE WHEN x1 > 0 AND x2 > 0 THEN x1 * x2 END) AS sum_x1x2,
  SUM(CASE WHEN x1 > 0 AND x2 > 0 THEN x1 * y2 END) AS sum_x1y2,
  SUM(CASE WHEN x1 > 0 AND x2 > 0 THEN y1 * x2 END) AS sum_y1x2,
  SUM(CASE WHEN x1 > 0 AND x2 > 0 THEN y1 * y2 END) AS sum_y1y2,
  COUNT(CASE WHEN x1 > 0 THEN 1 END) AS units_before,
  COUNT(CASE WHEN x2 > 0 THEN 1 END) AS units_after
FROM by_units
