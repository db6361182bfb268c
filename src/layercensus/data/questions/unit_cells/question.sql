-- What each unit has in each cell of a known population.
WITH parts AS (
  SELECT
    unit,
    COALESCE(release, 'unknown') AS release_key,
    COALESCE(platform, 'unknown') AS platform_key,
    COALESCE(account_class, 'unknown') AS class_key,
    COUNT(*) AS clusters,
    CAST(SUM(classified) AS DOUBLE) AS x,
    CAST(SUM(with_packages) AS DOUBLE) AS y,
    CAST(SUM(unread + unseen) AS DOUBLE) AS u
  FROM counted_days
  WHERE signal = :signal
    AND on_day = CAST(:as_of AS DATE)
    AND classified + unread + unseen > 0
  GROUP BY unit, COALESCE(release, 'unknown'), COALESCE(platform, 'unknown'), COALESCE(account_class, 'unknown')
),

spread AS (
  SELECT
    parts.*,
    CASE WHEN COUNT(*) OVER (PARTITION BY unit) > 1 THEN unit END AS spread_unit
  FROM parts
)

SELECT
  spread_unit,
  release_key,
  platform_key,
  class_key,
  spread.clusters AS clusters,
  x,
  y,
  u,
  COUNT(*) AS alike
FROM spread
GROUP BY spread_unit, release_key, platform_key, class_key, spread.clusters, x, y, u
ORDER BY spread_unit NULLS FIRST, release_key, platform_key, class_key, spread.clusters, x, y, u
